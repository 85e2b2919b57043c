"""Films of all kinds of containers, codecs and oddities, and what is to become of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A film and what it is written as.

    what: its oddity. source: a name from sources.FILMS. left_out, remade: words that the command must say of each track
    that it leaves out, or of which it makes another. refused: words of the refusal.
    """

    what: str
    source: str
    target: str
    codec: str = "h264"
    left_out: tuple[str, ...] = ()
    remade: tuple[str, ...] = ()
    refused: str = ""
    deinterlace: bool = False

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.what}, {self.source[self.source.rindex('.') :]} to {self.target} {self.codec}"


CASES = [
    Case("navigation packets", "nav.vob", ".mp4", left_out=("dvd_nav_packet",)),
    Case("navigation packets", "nav.vob", ".mkv", left_out=("dvd_nav_packet",)),
    Case("second VOB", "second.vob", ".mkv", left_out=("dvd_nav_packet",)),
    Case(
        "DVD's PCM",
        "pcm.vob",
        ".mp4",
        left_out=("dvd_nav_packet",),
        remade=("pcm_dvd): it becomes flac",),
    ),
    Case(
        "DVD's PCM",
        "pcm.vob",
        ".mkv",
        left_out=("dvd_nav_packet",),
        remade=("pcm_dvd): it becomes flac",),
    ),
    Case("starts at 1 h", "late.ts", ".mp4"),
    Case("starts at 1 h, DTS", "dts.ts", ".mkv"),
    Case("Blu-ray's PCM", "bluray.m2ts", ".mp4", remade=("pcm_bluray): it becomes flac",)),
    Case("Blu-ray's PCM", "bluray.m2ts", ".mkv", remade=("pcm_bluray): it becomes flac",)),
    Case("soft telecine", "telecine.m2v", ".mkv"),
    Case("soft telecine", "telecine.vob", ".mp4", left_out=("dvd_nav_packet",)),
    Case("DV, type 2", "dv.avi", ".mp4"),
    Case("DV, type 2", "dv.avi", ".mov", codec="prores"),
    Case("raw DV", "raw.dv", ".mkv"),
    Case("B frames", "b.avi", ".mp4"),
    Case("B frames", "b.avi", ".mkv"),
    Case("packed B frames, ADPCM", "xvid.avi", ".mov", remade=("adpcm_ms): it becomes aac",)),
    Case("packed B frames, ADPCM", "xvid.avi", ".mp4", remade=("adpcm_ms): it becomes aac",)),
    Case("Motion JPEG, 8-bit PCM", "mj.avi", ".mkv"),
    Case("WMA", "a.wmv", ".mp4", remade=("wmav2): it becomes aac",)),
    Case("WMA", "a.wmv", ".mkv", remade=("wmav2): it becomes aac",)),
    Case("metadata and timecode tracks", "phone.mov", ".mov", left_out=("track 2", "track 3")),
    Case("metadata and timecode tracks", "phone.mov", ".mkv", left_out=("track 2", "track 3", "track 4")),
    Case("turned", "turned.mov", ".mp4"),
    Case("turned", "turned.mov", ".mkv"),
    Case("timecode, 24-bit PCM", "scan.mov", ".mov", codec="prores"),
    Case("big-endian PCM", "be.mov", ".mp4"),
    Case("big-endian PCM", "be.mov", ".mkv"),
    Case("edit list", "cut.mov", ".mp4"),
    Case("edit list", "cut.mov", ".mkv"),
    Case("cover", "cover.mp4", ".mp4"),
    Case("cover", "cover.mp4", ".mkv"),
    Case("cover first", "first.mp4", ".mp4"),
    Case("two picture tracks", "two.mp4", ".mp4", left_out=("track 1 (video",)),
    Case("SRT", "srt.mkv", ".mp4"),
    Case("SRT", "srt.mkv", ".mkv"),
    Case("ASS with a font", "ass.mkv", ".mp4", left_out=("ssa", "font.ttf")),
    Case("ASS with a font", "ass.mkv", ".mkv"),
    Case("PGS", "pgs.mkv", ".mp4", left_out=("pgs",)),
    Case("PGS", "pgs.mkv", ".mkv"),
    Case("cover attached", "pic.mkv", ".mkv"),
    Case("chapters", "parts.mkv", ".mp4"),
    Case("chapters", "parts.mp4", ".mkv"),
    Case("chapters", "parts.mp4", ".mov"),
    Case("commentary, anamorphic", "wide.mkv", ".mkv"),
    Case("commentary, anamorphic", "wide.mkv", ".mp4"),
    Case("VP9, Opus", "a.webm", ".mp4"),
    Case("VP9, Vorbis, WebVTT", "b.webm", ".mkv"),
    Case("VP9, Vorbis, WebVTT", "b.webm", ".mp4"),
    Case("FLAC", "flac.mkv", ".mp4"),
    Case("FLAC", "flac.mkv", ".mov", remade=("flac): it becomes alac",)),
    Case("TrueHD", "hd.mkv", ".mkv"),
    Case("TrueHD", "hd.mkv", ".mp4", remade=("truehd): it becomes flac",)),
    Case("DTS", "dts.mkv", ".mov"),
    Case("Opus", "opus.mkv", ".mov", remade=("opus): it becomes aac",)),
    Case("mirrored", "mirror.mp4", ".mp4"),
    Case("mirrored", "mirror.mp4", ".mkv"),
    Case("upside down, mirrored", "flip.mp4", ".mov"),
    Case("clock begins anew", "twice.ts", ".mp4"),
    Case("clock begins anew", "twice.vob", ".mkv", left_out=("dvd_nav_packet",)),
    Case("variable rate", "vfr.mkv", ".mp4"),
    Case("variable rate", "vfr.mkv", ".mkv"),
    Case("a gap of a minute", "gap.mkv", ".mp4"),
    Case("slides", "slides.mp4", ".mkv"),
    Case("slides", "slides.mp4", ".mp4"),
    Case("23.976 frames/s", "film.mkv", ".mkv"),
    Case("59.94 frames/s", "fast.mp4", ".mkv"),
    Case("negative first times", "negative.mov", ".mp4"),
    Case("sound starts late", "later.mkv", ".mp4"),
    Case("sound starts late", "later.mp4", ".mkv"),
    Case("pictures start late", "sooner.mp4", ".mp4"),
    Case("pictures start late", "sooner.mkv", ".mkv"),
    Case("sound is longer", "sound.mkv", ".mkv"),
    Case("sound is longer", "sound.mp4", ".mp4"),
    Case("sound is shorter", "short.mkv", ".mp4"),
    Case("sound track without sound", "silent.mov", ".mp4"),
    Case("held last frame", "held.mkv", ".mkv"),
    Case("interlaced, upper field first", "tff.mpg", ".mp4"),
    Case("interlaced, upper field first", "tff.mpg", ".mkv"),
    Case("interlaced, lower field first", "bff.ts", ".mp4"),
    Case("MBAFF", "mbaff.mp4", ".mp4"),
    Case("MBAFF, lower field first", "mbaff.mkv", ".mkv"),
    Case("interlaced ProRes", "i.mov", ".mov", codec="prores"),
    Case("interlaced FFV1", "i.mkv", ".mkv", codec="ffv1"),
    Case("interlaced", "tff.mpg", ".mkv", codec="h265", refused="interlaced"),
    Case("deinterlaced", "tff.mpg", ".mkv", codec="h265", deinterlace=True),
    Case("another container", "plain.mp4", ".webm", refused=".mp4, .m4v, .mov or .mkv"),
    Case("another container", "plain.mp4", ".avi", refused=".mp4, .m4v, .mov or .mkv"),
    Case("FFV1", "plain.mp4", ".mp4", codec="ffv1"),
    Case("ProRes", "plain.mp4", ".mp4", codec="prores", refused=".mov"),
    Case("no pictures", "only.m4a", ".mp4", refused="no pictures"),
]
