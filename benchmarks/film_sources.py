"""Small films of the kinds that cameras, discs, broadcasts and editors write, made by ffmpeg from a photograph.

The photograph is scikit-image's. What ffmpeg doesn't write is made by hand here: navigation packets of DVDs, metadata
tracks of phones, mirrored matrices, soft telecine and subtitles of Blu-rays.
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

COUNT, RATE, WIDTH, HEIGHT = 32, 25, 160, 128  # of the film that all others are made from
NAMES = {
    "pan": "-i pan.mkv",
    "tone": "-f lavfi -i sine=440:d=1.28:r=48000",
    "h264": "-c:v libx264 -crf 12 -pix_fmt yuv420p",
    "mpeg2": "-c:v mpeg2video -b:v 4M -pix_fmt yuv420p",
    "fields": "-vf tinterlace=interleave_top -flags +ildct+ilme",
    "lower": "-vf tinterlace=interleave_bottom -flags +ildct+ilme",
}
PACK = 2048  # bytes of a pack of a DVD


def prepare(folder: Path) -> None:
    """Write what films are made from: a camera that pans over a cat, subtitles, chapters, a cover and a font."""
    cat = data.chelsea()[100 : 100 + HEIGHT, :, 1]
    raw = b"".join(np.ascontiguousarray(cat[:, 3 * n : 3 * n + WIDTH]).tobytes() for n in range(COUNT))
    given = f"-f rawvideo -pix_fmt gray -s {WIDTH}x{HEIGHT} -r {RATE} -i -"
    ffmpeg(folder, f"{given} -vf scale=out_range=tv -pix_fmt yuv420p -c:v ffv1 pan.mkv", raw)
    Image.fromarray(cat[:64, :64]).save(folder / "cover.png")
    words = "\n".join(f"{n}\n00:00:0{n},200 --> 00:00:0{n},900\n<i>Line</i> {n}\n" for n in (0, 1))
    (folder / "words.srt").write_text(words)
    (folder / "words.vtt").write_text("WEBVTT\n\n00:00.200 --> 00:00.900\nLine 0\n")
    (folder / "font.ttf").write_bytes(b"\0\1\0\0" + bytes(60))
    parts = ((0, 500), (500, 1280))
    text = (f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\ntitle=Part {n}\n" for n, (a, b) in enumerate(parts))
    (folder / "chapters.txt").write_text(";FFMETADATA1\ntitle=A cat\n" + "".join(text))
    (folder / "words.sup").write_bytes(blu_ray_subtitles())


def ffmpeg(folder: Path, arguments: str, content: bytes | None = None) -> None:
    """Run ffmpeg in a folder; {names} stand for NAMES."""
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", *arguments.format_map(NAMES).split()]
    subprocess.run(command, cwd=folder, check=True, input=content, stdin=None if content else subprocess.DEVNULL)


def with_navigation(path: Path) -> None:
    """Put a navigation pack (PCI and DSI) before every sixth pack, as DVDs have them."""
    packs = path.read_bytes()
    size = PACK if packs[PACK : PACK + 4] == b"\0\0\1\xba" else len(packs)
    parts = [packs[at : at + size] for at in range(0, len(packs), size)]
    made = []
    for number, pack in enumerate(parts):
        if number % 6 == 0:
            ticks = struct.pack(">II", 9000 * number, 9000 * (number + 6))
            information = bytes([0]) + bytes(12) + ticks + bytes(1000)
            made.append(
                pack[:14] + b"\0\0\1\xbf" + struct.pack(">H", 980) + information[:980]
                + b"\0\0\1\xbf" + struct.pack(">H", 1018) + b"\1" + bytes(1017)
            )  # fmt: skip
        made.append(pack)
    path.write_bytes(b"".join(made))


def second_half(path: Path) -> None:
    """Cut packs off the beginning, as the second VOB of a title begins in its middle."""
    content = path.read_bytes()
    path.write_bytes(content[len(content) // 2 // PACK * PACK :])


def twice(path: Path) -> None:
    """Put a film behind itself, as parts of a title or of a broadcast are, each with a clock of its own."""
    path.write_bytes(2 * path.read_bytes())


def mirrored(path: Path) -> None:
    """Have an MP4's pictures shown mirrored, left to right, as a phone's front camera may."""
    _set_matrix(path, (-1, 0, 0, 1))


def flipped(path: Path) -> None:
    """Have an MP4's pictures shown mirrored, top to bottom."""
    _set_matrix(path, (1, 0, 0, -1))


def _set_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(content))


def as_metadata(path: Path) -> None:
    """Make the text tracks of a MOV timed metadata (mebx), of which phones' films have several."""
    content = path.read_bytes()
    for kind in (b"text", b"tx3g", b"sbtl"):
        content = content.replace(b"mhlr" + kind, b"mhlrmeta")
    path.write_bytes(re.sub(rb"(stsd.{12})(text|tx3g)", rb"\1mebx", content, flags=re.DOTALL))


def soft_telecine(path: Path) -> None:
    """Mark whole pictures of MPEG-2 to be shown for two and three fields in turn (2:3 pulldown), as DVDs do."""
    content, number = bytearray(path.read_bytes()), 0
    for found in re.finditer(rb"\x00\x00\x01\xb5(?=[\x10-\x1f\x80-\x8f])", bytes(content)):
        at = found.end()
        if content[at] >> 4 == 1:
            content[at + 1] &= ~8 & 0xFF  # not a progressive sequence
        else:
            content[at + 3] = content[at + 3] & 0x7D | (0x80, 0x82, 0x00, 0x02)[number % 4]
            number += 1
    path.write_bytes(bytes(content))


def blu_ray_subtitles() -> bytes:
    """One subtitle (PGS): eight by eight white points from 0.2 to 0.9 s."""
    picture = b"".join(b"\x01" * 8 + b"\0\0" for _ in range(8))
    composition = struct.pack(">HHBHBBBB", WIDTH, HEIGHT, 0x10, 0, 0x80, 0, 0, 1) + struct.pack(">HBBHH", 0, 0, 0, 8, 8)
    shown = [
        (0x16, composition),
        (0x17, struct.pack(">BBHHHH", 1, 0, 8, 8, 8, 8)),
        (0x14, struct.pack(">BBBBBBB", 0, 0, 1, 235, 128, 128, 255)),
        (0x15, struct.pack(">HBBBHHH", 0, 0, 0xC0, 0, len(picture) + 4, 8, 8) + picture),
        (0x80, b""),
    ]
    hidden = [(0x16, struct.pack(">HHBHBBBB", WIDTH, HEIGHT, 0x10, 1, 0, 0, 0, 0)), (0x80, b"")]
    found = b""
    for at, segments in ((18000, shown), (81000, hidden)):
        for kind, content in segments:
            found += b"PG" + struct.pack(">IIBH", at, 0, kind, len(content)) + content
    return found


@dataclass(frozen=True)
class Recipe:
    """How a film is made: by ffmpeg with these arguments, and what is changed in its file by hand.

    first, copied: the name of a file that is made so, and the arguments by which the film is made from it in turn.
    """

    make: str
    change: Callable[[Path], None] | None = None
    first: str = ""
    copied: str = ""


FILMS = {
    "nav.vob": Recipe("{pan} {tone} {mpeg2} -c:a ac3 -f dvd", change=with_navigation),
    "second.vob": Recipe("{pan} {tone} -c:v mpeg2video -g 5 -b:v 2M -c:a ac3 -f dvd", change=second_half),
    "pcm.vob": Recipe("{pan} {tone} {mpeg2} -c:a pcm_dvd -f dvd"),
    "late.ts": Recipe("{pan} {tone} {mpeg2} -c:a mp2 -output_ts_offset 3600"),
    "dts.ts": Recipe("{pan} {tone} {h264} -c:a dca -strict -2 -output_ts_offset 3600"),
    "bluray.m2ts": Recipe("{pan} {tone} {h264} -c:a pcm_bluray -mpegts_m2ts_mode 1"),
    "telecine.m2v": Recipe("-r 30000/1001 {pan} {mpeg2} -bf 2", change=soft_telecine),
    "telecine.vob": Recipe(
        "-r 30000/1001 {pan} {mpeg2} -bf 2",
        change=soft_telecine,
        first="telecine.m2v",
        copied="-i telecine.m2v -c copy -f dvd",
    ),
    "dv.avi": Recipe(
        "-r 50 {pan} {tone} -vf scale=720:576,tinterlace=interleave_bottom,setsar=64/45 -c:v "
        "dvvideo -pix_fmt yuv420p -c:a pcm_s16le -ac 2"
    ),
    "raw.dv": Recipe(
        "-r 50 {pan} {tone} -vf scale=720:576,tinterlace=interleave_bottom -c:v dvvideo -pix_fmt "
        "yuv420p -c:a pcm_s16le -ac 2"
    ),
    "b.avi": Recipe("{pan} {tone} {h264} -bf 3 -c:a mp3"),
    "xvid.avi": Recipe("{pan} {tone} -c:v mpeg4 -bf 2 -c:a adpcm_ms"),
    "mj.avi": Recipe("{pan} {tone} -c:v mjpeg -pix_fmt yuvj420p -c:a pcm_u8"),
    "a.wmv": Recipe("{pan} {tone} -c:v wmv2 -c:a wmav2"),
    "phone.mov": Recipe(
        "{pan} -i words.srt -i words.srt {tone} -map 0 -map 3 -map 1 -map 2 {h264} -c:a aac -c:s "
        "mov_text -timecode 01:00:00:00",
        change=as_metadata,
    ),
    "turned.mov": Recipe(
        "{pan} {tone} {h264} -c:a aac", first="upright.mp4", copied="-i upright.mp4 -c copy -metadata:s:v rotate=90"
    ),
    "scan.mov": Recipe("{pan} {tone} -c:v prores_ks -c:a pcm_s24le -timecode 01:00:00:00"),
    "be.mov": Recipe("{pan} {tone} {h264} -c:a pcm_s16be"),
    "cut.mov": Recipe("{pan} {tone} {h264} -g 8 -c:a aac", first="whole.mov", copied="-ss 0.33 -i whole.mov -c copy"),
    "cover.mp4": Recipe(
        "{pan} {tone} -i cover.png -map 0 -map 1 -map 2 {h264} -c:a aac -c:v:1 png -disposition:v:1 attached_pic"
    ),
    "first.mp4": Recipe("-i cover.png {pan} -map 0 -map 1 {h264} -c:v:0 png -disposition:v:0 attached_pic"),
    "two.mp4": Recipe("{pan} {pan} {tone} -map 0 -map 1 -map 2 {h264} -c:a aac"),
    "srt.mkv": Recipe(
        "{pan} {tone} -i words.srt -map 0 -map 1 -map 2 {h264} -c:a aac -c:s srt -metadata:s:s:0 "
        "language=fre -disposition:s:0 forced"
    ),
    "ass.mkv": Recipe(
        "{pan} {tone} -i words.srt -map 0 -map 1 -map 2 {h264} -c:a aac -c:s ass -attach font.ttf"
        " -metadata:s:t mimetype=application/x-truetype-font"
    ),
    "pgs.mkv": Recipe("{pan} -i words.sup -map 0 -map 1 {h264} -c:s copy"),
    "pic.mkv": Recipe("{pan} {tone} {h264} -c:a aac -attach cover.png -metadata:s:t mimetype=image/png"),
    "parts.mkv": Recipe("{pan} {tone} -i chapters.txt -map_metadata 2 {h264} -c:a aac"),
    "parts.mp4": Recipe("{pan} {tone} -i chapters.txt -map_metadata 2 {h264} -c:a aac"),
    "wide.mkv": Recipe(
        "{pan} {tone} {tone} -map 0 -map 1 -map 2 {h264} -vf setsar=64/45 -c:a aac "
        "-disposition:a:0 comment -disposition:a:1 default -metadata:s:a:0 language=ger"
    ),
    "a.webm": Recipe("{pan} {tone} -c:v libvpx-vp9 -deadline realtime -c:a libopus"),
    "b.webm": Recipe("{pan} {tone} -i words.vtt -map 0 -map 1 -map 2 -c:v libvpx -c:a libvorbis -c:s webvtt"),
    "flac.mkv": Recipe("{pan} {tone} {h264} -c:a flac"),
    "hd.mkv": Recipe("{pan} {tone} {h264} -c:a truehd -strict -2"),
    "dts.mkv": Recipe("{pan} {tone} {h264} -c:a dca -strict -2"),
    "opus.mkv": Recipe("{pan} {tone} {h264} -c:a libopus"),
    "mirror.mp4": Recipe("{pan} {tone} {h264} -c:a aac", change=mirrored),
    "flip.mp4": Recipe("{pan} {tone} {h264} -c:a aac", change=flipped),
    "twice.ts": Recipe("{pan} {tone} {mpeg2} -c:a mp2", change=twice),
    "twice.vob": Recipe("{pan} {tone} {mpeg2} -c:a ac3 -f dvd", change=twice),
    "vfr.mkv": Recipe("{pan} {tone} -vf select='not(mod(n\\,3))+gt(n\\,16)' -vsync vfr {h264} -c:a aac"),
    "gap.mkv": Recipe("{pan} -vf setpts='if(gt(N\\,9)\\,PTS+60/TB\\,PTS)' -vsync vfr {h264}"),
    "slides.mp4": Recipe("-r 1/5 {pan} -frames:v 5 {h264}"),
    "film.mkv": Recipe("-r 24000/1001 {pan} {tone} {h264} -c:a ac3"),
    "fast.mp4": Recipe("-r 60000/1001 {pan} {tone} {h264} -c:a aac"),
    "negative.mov": Recipe("{pan} {tone} {h264} -c:a aac -output_ts_offset -0.4 -avoid_negative_ts disabled"),
    "later.mkv": Recipe("{pan} -itsoffset 0.5 {tone} -map 0 -map 1 {h264} -c:a aac"),
    "later.mp4": Recipe("{pan} -itsoffset 0.5 {tone} -map 0 -map 1 {h264} -c:a aac"),
    "sooner.mp4": Recipe("-itsoffset 0.5 {pan} {tone} -map 0 -map 1 {h264} -c:a aac"),
    "sooner.mkv": Recipe("-itsoffset 0.5 {pan} {tone} -map 0 -map 1 {h264} -c:a aac"),
    "sound.mkv": Recipe("{pan} -f lavfi -i sine=440:d=4 {h264} -c:a aac"),
    "sound.mp4": Recipe("{pan} -f lavfi -i sine=440:d=4 {h264} -c:a aac"),
    "short.mkv": Recipe("{pan} -f lavfi -i sine=440:d=0.3 {h264} -c:a aac"),
    "silent.mov": Recipe("{pan} -f lavfi -i sine=440:d=0.0001 {h264} -c:a pcm_s16le -af atrim=end_sample=0"),
    "held.mkv": Recipe("{pan} -vf setpts='if(eq(N\\,31)\\,PTS+6/TB\\,PTS)' -vsync vfr {h264}"),
    "tff.mpg": Recipe("{pan} {tone} {fields} {mpeg2} -c:a mp2"),
    "bff.ts": Recipe("{pan} {lower} {mpeg2}"),
    "mbaff.mp4": Recipe("{pan} {fields} {h264} -x264-params tff=1"),
    "mbaff.mkv": Recipe("{pan} {lower} {h264} -x264-params bff=1"),
    "i.mov": Recipe("{pan} {fields} -c:v prores_ks"),
    "i.mkv": Recipe("{pan} {fields} -c:v ffv1 -field_order tt"),
    "plain.mp4": Recipe("{pan} {tone} {h264} -c:a aac"),
    "only.m4a": Recipe("{tone} -c:a aac"),
}


def make(name: str, folder: Path) -> Path:
    """Write one of FILMS, in a folder that was prepared, if it isn't there."""
    recipe, path = FILMS[name], folder / name
    first = folder / (recipe.first or name)
    if not first.exists():
        ffmpeg(folder, f"{recipe.make} {first.name}")
        if recipe.change:
            recipe.change(first)
    if not path.exists():
        ffmpeg(folder, f"{recipe.copied} {name}")
    return path
