"""What beside the pictures goes into a colored film: kept, made into the container's own kind, or left out by name."""

from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from small_films import SMALL, color, frames_of, packets_of, read_all, run, small_frames, write_film

from photochrom.errors import InputError
from photochrom.photo.color import luminance_of
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.film import read_film, read_frames

pytestmark = pytest.mark.slow
WIDTH, HEIGHT, COUNT = 96, 64, 8


def write(path, *, codec="libx264", audio=None, text=None, cover=False, metadata=None, layout="stereo", count=COUNT):
    """A short gray film, with tracks beside it."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("png", rate=1) if cover else None
        if picture:
            picture.width, picture.height, picture.pix_fmt = 32, 32, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
        video = container.add_stream(codec, rate=25)
        layout_of_pictures = {"prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, layout_of_pictures
        sound = container.add_stream(audio, rate=48000, layout=layout) if audio else None
        if audio == "wmav2":
            sound.bit_rate = 128_000
        words = container.add_stream(text) if text else None
        if words:
            words.codec_context.subtitle_header = b"[Script Info]\n"
            words.time_base = Fraction(1, 1000)
        container.metadata.update(metadata or {})
        container.start_encoding()
        if picture:
            still = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24")
            container.mux(picture.encode(still))
        for number in range(count):
            level = np.tile(np.arange(WIDTH) + 8 * number, (HEIGHT, 1)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(level, format="gray").reformat(format=layout_of_pictures)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound:
            channels = sound.channels
            size = sound.codec_context.frame_size or 1024
            form = sound.codec_context.format.name
            for number in range(48000 * count // 25 // size):
                silence = av.AudioFrame(format=form, layout=layout, samples=size)
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                silence.sample_rate, silence.pts = 48000, number * size
                assert len(silence.layout.channels) == channels
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
        if words:
            packet = av.Packet(b"Hello" if text == "srt" else b"0,0,Default,,0,0,0,,Hello")
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = 40
            packet.duration = 200
            container.mux(packet)
    return path


def tracks(path):
    with av.open(str(path)) as container:
        return sorted((stream.type, stream.codec_context.name) for stream in container.streams if stream.type != "data")


# container and codec of the source, its sound, its subtitles; target; what it has beside the pictures; what is left out
CASES: list[tuple] = [
    ("old.mp4", "libx264", "aac", None, "new.mp4", ["aac"], []),
    ("old.mp4", "libx264", "aac", None, "new.mkv", ["aac"], []),
    ("old.mov", "prores_ks", "pcm_s16le", None, "new.mov", ["pcm_s16le"], []),
    ("old.mkv", "libx264", "libopus", None, "new.mp4", ["opus"], []),
    ("old.mkv", "libx264", "ac3", None, "new.mov", ["ac3"], []),
    ("old.mkv", "libx264", "aac", "srt", "new.mov", ["aac", "mov_text"], []),
    ("old.avi", "mpeg4", "mp3", None, "new.mp4", ["mp3"], []),
    ("old.avi", "mjpeg", "pcm_s16le", None, "new.mkv", ["pcm_s16le"], []),
    ("old.ts", "mpeg2video", "mp2", None, "new.mov", ["mp2"], []),
    ("old.flv", "flv", "libmp3lame", None, "new.mkv", ["mp3"], []),
    ("old.mkv", "ffv1", "pcm_s16le", None, "new.mov", ["pcm_s16le"], []),
]


def same(found, wanted):
    """FFmpeg has several names for a codec."""
    names = {
        "mp3float": "mp3",
        "mp2float": "mp2",
        "libopus": "opus",
        "libvorbis": "vorbis",
        "subrip": "srt",
        "ssa": "ass",
    }
    return sorted(names.get(name, name) for name in found) == sorted(wanted)


@pytest.mark.parametrize("source, codec, audio, text, target, kept, left", CASES)
def test_tracks_are_kept_or_named(tmp_path, loud, source, codec, audio, text, target, kept, left):
    audio = {"mp3": "libmp3lame"}.get(audio, audio)
    path = write(tmp_path / source, codec=codec, audio=audio, text=text)
    progress = list(colorize_film(read_film(path), tmp_path / target, loud, FilmOptions()))
    found = tracks(tmp_path / target)
    assert ("video", "h264") in found
    assert same([name for kind, name in found if kind != "video"], kept)
    assert same([name.split(", ")[1].rstrip(")") for name in progress[0].left_out], left)


def test_sound_without_an_order_of_its_channels_goes_into_mp4(tmp_path, loud):
    """As DV in AVI has it: MP4 would refuse it after the last frame."""
    path = write(tmp_path / "old.avi", codec="mpeg4", audio="pcm_s16le", layout="stereo")
    with av.open(str(path)) as container:
        assert container.streams.audio[0].layout.name == "2 channels"
    list(colorize_film(read_film(path), tmp_path / "new.mp4", loud, FilmOptions()))
    with av.open(str(tmp_path / "new.mp4")) as container:
        assert container.streams.audio[0].layout.name == "stereo"


@pytest.mark.parametrize(
    "target, is_kept", [("new.mp4", True), ("NEW.MP4", True), ("new.mkv", True), ("new.mov", False)]
)
def test_a_cover_is_not_the_film(tmp_path, loud, target, is_kept):
    path = write(tmp_path / "old.mp4", cover=True)
    assert read_film(path).size == (WIDTH, HEIGHT)
    progress = list(colorize_film(read_film(path), tmp_path / target, loud, FilmOptions()))
    assert len(progress) == COUNT and len(progress[0].left_out) == (not is_kept)
    flag = av.stream.Disposition.attached_pic
    with av.open(str(path)) as one, av.open(str(tmp_path / target)) as two:
        old, new = (
            [bytes(packet) for packet in film.demux() if packet.size and packet.stream.disposition & flag]
            for film in (one, two)
        )
    assert new == (old if is_kept else []) and len(old) == 1
    assert is_kept or "video, png" in progress[0].left_out[0]


def test_a_second_track_of_pictures_is_left_out_and_said(tmp_path):
    """As of two cameras. Matroska can hold it; it would stay gray beside the colored one."""
    path = tmp_path / "old.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 99, np.uint8), format="gray")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode(None))
    result = run(path, tmp_path / "new.mkv", *SMALL)
    assert result.exit_code == 0
    assert result.output == f"left out of {tmp_path / 'new.mkv'}: track 1 (video, ffv1)\n"


def test_the_timecode_is_made_anew(tmp_path, loud):
    path = write(tmp_path / "old.mov", codec="prores_ks", metadata={"timecode": "01:00:00:00"})
    progress = list(colorize_film(read_film(path), tmp_path / "new.mov", loud, FilmOptions()))
    assert progress[0].left_out == ()
    with av.open(str(tmp_path / "new.mov")) as container:
        assert any(stream.metadata.get("timecode") == "01:00:00:00" for stream in container.streams)


@pytest.mark.parametrize("name", ["new.avi", "new.ts", "new.webm", "new", "new.jpg"])
def test_other_containers_are_refused_before_the_first_frame(tmp_path, loud, name):
    path = write(tmp_path / "old.mp4")
    with pytest.raises(InputError, match=r"films are written as \.mp4, \.m4v, \.mov or \.mkv, not"):
        list(colorize_film(read_film(path), tmp_path / name, loud, FilmOptions()))
    assert not loud.backend.seen


@pytest.mark.parametrize("flip", ["hflip", "vflip"])
@pytest.mark.parametrize("target", ["new.mp4", "new.mkv"])
def test_mirrored_matrices_stay(tmp_path, loud, flip, target):
    path = tmp_path / "old.mp4"
    level = np.add.outer(np.arange(HEIGHT), 2 * np.arange(WIDTH)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "4"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.set_display_rotation(0, **{flip: True})
        frame = av.VideoFrame.from_ndarray(level, format="gray").reformat(format="yuv420p")
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    shown = next(read_frames(read_film(path))).pixels
    assert np.abs(shown.astype(int) - (np.fliplr if flip == "hflip" else np.flipud)(level)).mean() < 12
    list(colorize_film(read_film(path), tmp_path / target, loud, FilmOptions()))
    assert read_film(tmp_path / target).matrix == read_film(path).matrix != ()
    colored = luminance_of(next(read_frames(read_film(tmp_path / target))).pixels)
    assert np.abs(colored - luminance_of(shown)).mean() < 3


def test_subtitles_and_chapters_stay(photographs, loud, tmp_path):
    plain = write_film(tmp_path / "plain.mkv", frames_of(photographs))
    source = tmp_path / "full.mkv"
    text = "1\n00:00:00,500 --> 00:00:01,500\nA cup.\n"
    (tmp_path / "words.srt").write_text(text)
    with av.open(str(plain)) as one, av.open(str(tmp_path / "words.srt")) as two, av.open(str(source), "w") as full:
        streams = {s: full.add_stream_from_template(s) for s in (*one.streams, *two.streams)}
        chapters = [(0, 1000, "The cup"), (1000, 2500, "The cat")]
        full.set_chapters(
            [
                {"id": i, "start": a, "end": b, "time_base": Fraction(1, 1000), "metadata": {"title": name}}
                for i, (a, b, name) in enumerate(chapters)
            ]
        )
        for container in (one, two):
            for packet in container.demux():
                if packet.pts is not None:
                    packet.stream = streams[packet.stream]
                    full.mux(packet)
    color(source, tmp_path / "new.mkv", loud)
    assert packets_of(tmp_path / "new.mkv", "subtitles") == packets_of(source, "subtitles") != []
    with av.open(str(tmp_path / "new.mkv")) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["The cup", "The cat"]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_sound_longer_than_the_pictures_is_kept(suffix, photographs, loud, tmp_path):
    source = write_film(tmp_path / f"old.{suffix}", small_frames(photographs, 6))  # half a second; sound of two
    color(source, tmp_path / f"new.{suffix}", loud)
    assert len(read_all(tmp_path / f"new.{suffix}")) == 6
    assert packets_of(tmp_path / f"new.{suffix}", "audio") == packets_of(source, "audio")


def with_timecode(path, photographs):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        stream.metadata["timecode"] = "01:00:00:00"
        for picture in small_frames(photographs, 5):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv422p10le"))
            )
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv"])
def test_tracks_that_the_output_cannot_hold_are_left_out_by_name(suffix, photographs, loud, tmp_path):
    source = with_timecode(tmp_path / "old.mov", photographs)
    with av.open(str(source)) as container:
        assert [stream.type for stream in container.streams] == ["video", "data"]
    progress = color(source, tmp_path / f"new.{suffix}", loud)
    assert len(read_all(tmp_path / f"new.{suffix}")) == 5
    with av.open(str(tmp_path / f"new.{suffix}")) as container:
        kept = any(stream.type == "data" for stream in container.streams)
    assert kept == (suffix != "mkv")  # these make a new timecode track
    assert ["track 1 (data" in name for name in progress[0].left_out] == ([] if kept else [True])


def test_the_command_names_tracks_that_are_left_out(photographs, tmp_path):
    source = with_timecode(tmp_path / "old.mov", photographs)
    result = run(source, tmp_path / "new.mkv", *SMALL)
    assert result.exit_code == 0 and "track 1 (data" in result.output and len(result.output.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_aspect_rate_and_flags_stay(suffix, photographs, loud, tmp_path):
    flags, source = av.stream.Disposition, tmp_path / "old.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(64, 45)
        tones = [container.add_stream("aac", rate=8000, layout="mono") for _ in range(2)]
        video.disposition, tones[0].disposition, tones[1].disposition = flags.default, flags.comment, flags.default
        for picture in small_frames(photographs, 10):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")))
        container.mux(video.encode(None))
        for tone in tones:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            samples.sample_rate, samples.pts = 8000, 0
            container.mux(tone.encode(samples))
            container.mux(tone.encode(None))
    target = tmp_path / f"new.{suffix}"
    color(source, target, loud)
    with av.open(str(source)) as one, av.open(str(target)) as two:
        old, new = one.streams.video[0], two.streams.video[0]
        assert new.sample_aspect_ratio == old.sample_aspect_ratio == Fraction(64, 45)
        assert new.average_rate == old.average_rate == 25
        default = [bool(stream.disposition & flags.default) for stream in one.streams]
        assert [bool(stream.disposition & flags.default) for stream in two.streams] == default == [True, False, True]


@pytest.mark.parametrize(
    "suffix, language, kept",
    [
        (".mov", "deu", "ger"),
        (".mov", "ger", "ger"),
        (".mov", "nld", "dut"),
        (".mov", "jpn", "jpn"),
        (".mov", "tlh", None),
        (".mp4", "deu", "deu"),
        (".mp4", "tlh", "tlh"),
        (".mkv", "tlh", "tlh"),
    ],
)
def test_languages_are_kept_or_named(tmp_path, loud, suffix, language, kept):
    """FFmpeg's QuickTime films know some languages by one of their two codes, and some not at all."""
    with (
        av.open(str(write(tmp_path / "plain.mp4", audio="aac"))) as one,
        av.open(str(tmp_path / "old.mkv"), "w") as two,
    ):
        copies = [two.add_stream_from_template(stream) for stream in one.streams]
        copies[1].metadata["language"] = language
        for packet in one.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                two.mux(packet)
    new = tmp_path / f"new{suffix}"
    progress = list(colorize_film(read_film(tmp_path / "old.mkv"), new, loud, FilmOptions()))
    assert progress[0].left_out == (() if kept else (f"the language {language} of track 1 (audio, aac)",))
    with av.open(str(new)) as container:
        assert container.streams.audio[0].metadata.get("language", "und") in (kept or "und",)
