"""Films: what stays as it was, that colors hold together, and that a stopped run goes on."""

import json
import os
import subprocess
import sys
import threading
import time
import weakref
import zlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from photochrom import cli
from photochrom.coloring import Look
from photochrom.disk import unfinished
from photochrom.errors import OutputError
from photochrom.inference.colorizer import Colorizer
from photochrom.photo.color import luminance_of
from photochrom.photo.hints import Hint
from photochrom.video import assembly, colorize, tracking
from photochrom.video.coherence import Coherence
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.encoding import CODECS, Encoding
from photochrom.video.film import read_film, read_frames
from photochrom.video.shots import look_through
from photochrom.video.tracking import FilmHint, read_backward, read_film_hints, with_hints

pytestmark = pytest.mark.slow
RATE, WIDTH, HEIGHT = 12, 160, 120


def frames_of(photographs, count=30, cut=15):
    """A camera that pans over a cup, then over a cat: gray (H, W) uint8."""
    for number in range(count):
        name, step = ("coffee", number) if number < cut else ("chelsea", number - cut)
        yield photographs[name][100 : 100 + HEIGHT, 100 + 3 * step : 100 + 3 * step + WIDTH, 1]


def write_film(path, pictures, *, times=None, sound=True, rotation=0, codec="libx264", pixel_format="yuv420p"):
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=RATE, options={"crf": "8"} if codec == "libx264" else {})
        video.codec_context.time_base = Fraction(1, 600)
        video.pix_fmt = pixel_format
        video.codec_context.color_range, video.codec_context.colorspace = 1, 1  # limited, BT.709
        video.codec_context.color_primaries, video.codec_context.color_trc = 1, 1
        tone = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        container.metadata["title"] = "A cup and a cat"
        for number, picture in enumerate(pictures):
            if not number:
                video.height, video.width = picture.shape
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=pixel_format)
            frame.pts, frame.time_base = (times or {}).get(number, 50 * number), Fraction(1, 600)
            if rotation and not number:
                video.set_display_rotation(rotation)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if tone:
            for start in range(0, 8000 * 2, 1024):
                wave = (9000 * np.sin(np.arange(start, start + 1024) / 3)).astype(np.int16)[None]
                samples = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
                samples.sample_rate, samples.pts = 8000, start
                container.mux(tone.encode(samples))
            container.mux(tone.encode(None))
    return path


@pytest.fixture(scope="module")
def film(photographs, tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "old.mp4", frames_of(photographs))


SMALL = ("--working-size", "64", "--crf", "8")


@pytest.fixture(scope="session")
def small_colorizer():
    """The bundled network, on pictures a quarter as wide and high as it usually sees."""
    return Colorizer(working_size=64)


@pytest.fixture(scope="module")
def colored(film, tmp_path_factory):
    """The film in color, for tests that only look at it."""
    target = tmp_path_factory.mktemp("colored") / "new.mp4"
    result = run(film, target, *SMALL)
    assert result.exit_code == 0, result.output
    return target


def run(*arguments):
    return CliRunner().invoke(cli.main, ["video", *map(str, arguments)])


def assert_refused(result, *words):
    """One line that has these words, and exit status 2."""
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1, result.output
    assert all(word in result.output for word in words), result.output


def color(source, target, colorizer, **options):
    options = {"encoding": Encoding(crf=8), **options}
    return list(colorize_film(read_film(source), target, colorizer, FilmOptions(**options)))


def read_all(path):
    """Its frames, (H, W, 3); a frame without colors is read as (H, W)."""
    frames = (frame.pixels for frame in read_frames(read_film(path)))
    return [pixels if pixels.ndim == 3 else np.dstack([pixels] * 3) for pixels in frames]


def packets_of(path, kind):
    with av.open(str(path)) as container:
        stream = container.streams.get({kind: 0})[0]
        found = [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None
        ]
    return sorted(found)


# What stays


def test_pictures_sound_times_and_facts_stay(film, colored):
    assert packets_of(colored, "audio") == packets_of(film, "audio")
    times = [at for at, _ in packets_of(film, "video")]
    assert [at for at, _ in packets_of(colored, "video")] == times
    old, new = read_all(film), read_all(colored)
    assert len(old) == len(new) == 30 and new[0].shape == old[0].shape
    light = [np.abs(luminance_of(one) - luminance_of(other)).mean() for one, other in zip(old, new, strict=True)]
    assert max(light) < 1.5
    assert np.ptp(new[3].astype(int), axis=2).mean() > 3
    with av.open(str(colored)) as container, av.open(str(film)) as source:
        one, other = container.streams.video[0].codec_context, source.streams.video[0].codec_context
        assert (one.color_range, one.colorspace) == (other.color_range, other.colorspace) == (1, 1)
        assert container.metadata["title"] == "A cup and a cat"
        assert abs(container.duration - source.duration) < 0.05 * av.time_base
    assert [path.name for path in colored.parent.iterdir()] == ["new.mp4"]


def test_a_warm_film_says_so_and_its_hinted_places_stay(photographs, small_colorizer, tmp_path):
    """Also after colors were averaged over frames."""
    source = write_film(tmp_path / "old.mp4", small_frames(photographs, 4), sound=False)
    height, width = read_all(source)[0].shape[:2]
    hint = Hint(width / 4, height / 2, "#3050a0", radius=12)
    pictures = {}
    for warmth in (0.0, 1.0):
        look = Look(warmth=warmth, hints=(hint,))
        color(source, tmp_path / f"{warmth}.mkv", small_colorizer, look=look, encoding=Encoding("ffv1"))
        pictures[warmth] = read_all(tmp_path / f"{warmth}.mkv")[-1].astype(int)
    change = np.abs(pictures[1.0] - pictures[0.0]).max(axis=2)
    at = np.s_[height // 2 - 3 : height // 2 + 3, width // 4 - 3 : width // 4 + 3]
    assert change[at].mean() < 3 and np.median(change[:, -width // 4 :]) > 5
    told = CliRunner().invoke(cli.main, ["info", str(tmp_path / "1.0.mkv")]).output
    assert "warmth:              1.0" in told


def test_uneven_frame_times_stay(photographs, loud, tmp_path):
    times = {number: 50 * number + 7 * (number % 3) for number in range(30)}
    source = write_film(tmp_path / "uneven.mkv", frames_of(photographs), times=times, sound=False)
    color(source, tmp_path / "new.mkv", loud)
    assert [at for at, _ in packets_of(tmp_path / "new.mkv", "video")] == [at for at, _ in packets_of(source, "video")]


def test_a_turned_film_is_colored_upright_and_stays_turned(photographs, loud, tmp_path):
    turned = [np.ascontiguousarray(np.rot90(picture, -1)) for picture in frames_of(photographs, 6)]
    source = write_film(tmp_path / "turned.mp4", turned, rotation=90, sound=False)
    film = read_film(source)
    assert film.size == (WIDTH, HEIGHT)
    color(source, tmp_path / "new.mp4", loud)
    assert loud.backend.seen[0][2] < loud.backend.seen[0][3]  # the network saw it lying
    assert read_film(tmp_path / "new.mp4").turns == film.turns != 0
    light = np.abs(luminance_of(read_all(source)[0]) - luminance_of(read_all(tmp_path / "new.mp4")[0]))
    assert light.mean() < 3


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


def test_every_codec_is_tested():
    assert {codec for codec, _ in CODECS_IN} == set(CODECS)


CODECS_IN = [("h264", "mp4"), ("h265", "mkv"), ("prores", "mov"), ("ffv1", "mkv")]


@pytest.mark.parametrize(("codec", "suffix"), CODECS_IN)
def test_codecs(codec, suffix, film, loud, tmp_path):
    target = tmp_path / f"new.{suffix}"
    color(film, target, loud, encoding=Encoding(codec), end=0.5)
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name.startswith({"h265": "hevc"}.get(codec, codec))
    assert len(read_all(target)) == 6


def test_ten_bits_and_odd_sizes(photographs, loud, tmp_path):
    pictures = [picture[:119, :159] for picture in frames_of(photographs, 6)]
    source = write_film(tmp_path / "deep.mkv", pictures, codec="ffv1", pixel_format="yuv444p10le", sound=False)
    color(source, tmp_path / "new.mkv", loud, encoding=Encoding("ffv1"))
    film = read_film(tmp_path / "new.mkv")
    assert film.deep and film.size == (159, 119)
    one, two = read_all(source)[2], read_all(tmp_path / "new.mkv")[2]
    assert one.dtype == two.dtype == np.uint16 and np.abs(luminance_of(one) - luminance_of(two)).mean() < 1


def test_a_part_of_a_film(film, loud, tmp_path):
    color(film, tmp_path / "part.mp4", loud, begin=0.5, end=1.5)
    assert len(read_all(tmp_path / "part.mp4")) == 12
    expected = read_all(film)[6:18]
    light = [
        np.abs(luminance_of(a) - luminance_of(b)).mean()
        for a, b in zip(expected, read_all(tmp_path / "part.mp4"), strict=True)
    ]
    assert max(light) < 3
    seconds = [float(at) for at, _ in packets_of(tmp_path / "part.mp4", "audio")]
    assert seconds[0] < 0.15 and 0.8 < seconds[-1] < 1.0


# Going on


@pytest.mark.parametrize(
    ("count", "shape", "size"),
    [
        pytest.param(40, (48, 64), 64, id="small"),
        pytest.param(110, (HEIGHT, WIDTH), 256, marks=pytest.mark.nightly, id="full size"),
    ],
)
def test_a_killed_run_goes_on_and_ends_the_same(count, shape, size, photographs, tmp_path, monkeypatch):
    pictures = [picture[: shape[0], : shape[1]] for picture in frames_of(photographs, count=count, cut=count - 10)]
    source = write_film(tmp_path / "long.mp4", pictures, sound=False)
    # x264 never encodes twice the same
    arguments = [str(source), "--codec", "ffv1", "--working-size", str(size)]
    code = (
        f"import sys; from photochrom.video import colorize; colorize.SEGMENT_FRAMES = {count // 5};"
        "from photochrom.cli import main; main(sys.argv[1:])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, "video", *arguments, str(tmp_path / "stopped.mkv")])
    parts, ends = tmp_path / ".stopped.mkv.parts", time.monotonic() + 600
    while len(list(parts.glob("[0-9]*.json"))) < 2:
        assert time.monotonic() < ends and process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.segment")}
    assert 2 <= len(kept) < 6 and not (tmp_path / "stopped.mkv").exists()
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", count // 5)
    whole, assemble = run(*arguments, tmp_path / "whole.mkv"), colorize.assemble

    def assemble_kept(film, segments, *rest):
        assert [(each.path, each.path.stat().st_mtime_ns) for each in segments[:2]] == sorted(kept.items())[:2]
        assemble(film, segments, *rest)

    monkeypatch.setattr(colorize, "assemble", assemble_kept)
    result = run(*arguments, tmp_path / "stopped.mkv")
    assert (whole.exit_code, result.exit_code) == (0, 0), result.output
    assert not parts.exists()
    one, other = read_all(tmp_path / "whole.mkv"), read_all(tmp_path / "stopped.mkv")
    assert len(one) == len(other) == count and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def stopped_run(film, target, colorizer, frames=1, **options):
    """Color some frames in segments of one, and stop."""
    progress = colorize_film(read_film(film), target, colorizer, FilmOptions(**options))
    for _ in range(frames):
        done = next(progress).done
    progress.close()
    assert target.with_name(f".{target.name}.parts").exists()
    return done


def test_other_settings_begin_anew(film, loud, tmp_path):
    stopped_run(film, tmp_path / "new.mp4", loud)
    assert color(film, tmp_path / "new.mp4", loud, look=Look(0.0))[-1].done == 30
    assert np.ptp(read_all(tmp_path / "new.mp4")[0].astype(int), axis=2).mean() < 3


@pytest.mark.parametrize("what", ["nothing", "model", "working size", "hints", "version", "encoder", "source"])
def test_what_decides_the_output_begins_anew(what, photographs, loud, tmp_path, monkeypatch):
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 2)
    source = write_film(tmp_path / "old.mp4", [p[:48, :64] for p in frames_of(photographs, 5)], sound=False)
    stopped_run(source, tmp_path / "new.mp4", loud, frames=3)
    options = {}
    if what == "model":  # known by its content, not by its name
        loud.backend.info = replace(loud.backend.info, digest="another")
    elif what == "working size":
        loud.working_size = 64
    elif what == "hints":
        options = {"hints": (FilmHint(0, Hint(20, 20, "#ff0000")),)}
    elif what == "version":
        monkeypatch.setattr(colorize.photochrom, "__version__", "99")
    elif what == "encoder":
        monkeypatch.setattr(colorize.av, "__version__", "99")
    elif what == "source":
        source.touch()
    assert stopped_run(source, tmp_path / "new.mp4", loud, **options) == (3 if what == "nothing" else 1)


def test_a_record_that_was_never_finished_costs_nothing(photographs, loud, tmp_path, monkeypatch):
    """A run that is killed while it writes a record leaves a hidden file; what is finished still counts."""
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 2)
    source = write_film(tmp_path / "old.mp4", [p[:48, :64] for p in frames_of(photographs, 7)], sound=False)
    stopped_run(source, tmp_path / "new.mp4", loud, frames=5)
    unfinished(tmp_path / ".new.mp4.parts" / "000002.json").write_bytes(b"")
    assert stopped_run(source, tmp_path / "new.mp4", loud) == 5


@pytest.mark.parametrize("name", ["plan", "000001.json", "000001.npz"])
@pytest.mark.parametrize("content", [b"", b"\xe9", b"[1]"])
def test_damaged_notes_are_done_again(name, content, photographs, loud, tmp_path, monkeypatch):
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 2)
    source = write_film(tmp_path / "old.mp4", [p[:48, :64] for p in frames_of(photographs, 7)], sound=False)
    stopped_run(source, tmp_path / "new.mp4", loud, frames=6, encoding=Encoding(crf=8))
    (tmp_path / ".new.mp4.parts" / name).write_bytes(content)
    first = color(source, tmp_path / "new.mp4", loud)[0].done
    assert first == (1 if name == "plan" else 3) and len(read_all(tmp_path / "new.mp4")) == 7


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "no such file"),
        ("text.mp4", b"not a film", "damaged or not a film"),
        ("empty.mp4", b"", "damaged or not a film"),
    ],
)
def test_wrong_films_are_one_line(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run(tmp_path / name, tmp_path / "new.mp4")
    assert result.exit_code == 2 and message in result.output and len(result.output.splitlines()) == 1
    assert not (tmp_path / "new.mp4").exists()


def test_a_film_that_breaks_off_says_where(photographs, tmp_path):
    whole = write_film(tmp_path / "whole.mkv", frames_of(photographs, count=60, cut=60), sound=False)
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = run(broken, tmp_path / "new.mkv", *SMALL)
    assert_refused(result, "--to")
    assert not (tmp_path / "new.mkv").exists()
    assert run(broken, tmp_path / "new.mkv", *SMALL, "--to", result.output.split()[-1]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new.xyz"], "films are written as"),
        (["no/where.mp4"], "no folder"),
        (["new.mp4", "--from", "2", "--to", "1"], "not after"),
        (["new.mp4", "--from", "2.6"], "no frames"),
        (["new.mp4", "--from", "1e9"], "no frames"),
        (["new.mp4", "--codec", "prores"], "can't hold prores"),
        (["new.mp4", "--hints", "none.json"], "cannot read the hints"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(film, *arguments)
    assert result.exit_code == 2 and message in result.output and len(result.output.splitlines()) == 1


def test_a_film_is_not_written_over_itself_or_another(film, tmp_path):
    assert run(film, film, "--overwrite").exit_code == 2
    (tmp_path / "there.mp4").write_bytes(b"x")
    told = run(film, tmp_path / "there.mp4")
    assert told.exit_code == 1 and "doesn't say how it was made" in told.output and "--overwrite" in told.output
    assert (tmp_path / "there.mp4").read_bytes() == b"x"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_other_settings_color_a_film_again_that_nobody_has_changed(suffix, film, tmp_path):
    target = tmp_path / f"new{suffix}"
    options = (film, target, "--working-size", "32", "--to", "0.4")
    assert run(*options).exit_code == 0
    first = target.read_bytes()
    again = run(*options)
    assert again.exit_code == 0 and "skipped" in again.output and target.read_bytes() == first
    assert run(*options, "--crf", "16").exit_code == 0 and target.read_bytes() == first  # the default, by its number
    for change in (("--strength", "0.5"), ("--crf", "30"), ("--flicker",)):
        before = target.read_bytes()
        assert run(*options, *change).exit_code == 0 and target.read_bytes() != before
    assert "since then:" in info(target) and "unchanged" in info(target)
    changed = target.read_bytes().replace(b"A cup and", b"My cup &.", 1)  # its title
    target.write_bytes(changed)
    assert "another program has written to the file" in info(target)
    told = run(*options)
    assert told.exit_code == 1 and "changed since" in told.output and target.read_bytes() == changed
    assert run(*options, "--no-mark", "--overwrite").exit_code == 0
    kept = run(*options, "--no-mark", "--strength", "2")
    assert kept.exit_code == 0 and "skipped" in kept.output


def info(path):
    return CliRunner().invoke(cli.main, ["info", str(path)]).output


def test_the_digest_in_a_matroska_film_fits_its_checksum(film, tmp_path):
    target = tmp_path / "new.mkv"
    assert run(film, target, *SMALL).exit_code == 0
    content = target.read_bytes()
    tags = content.rindex(b"\x12\x54\xc3\x67")  # the element's name, then its length in two bytes (RFC 9559)
    length = int.from_bytes(content[tags + 4 : tags + 6], "big") & 0x3FFF
    element = content[tags + 6 : tags + 6 + length]
    assert b"film SHA-256" in element and element[:2] == b"\xbf\x84"  # it begins with a CRC-32 of the rest
    assert element[2:6] == zlib.crc32(element[6:]).to_bytes(4, "little")


# Films that are put together


def small_frames(photographs, count):
    return [np.ascontiguousarray(picture[:48, :64]) for picture in frames_of(photographs, count)]


def remux(source, target, later):
    """Copy a film's packets into another container, some seconds later."""
    with av.open(str(source)) as one, av.open(str(target), "w") as two:
        copies = {stream: two.add_stream_from_template(stream) for stream in one.streams}
        for packet in one.demux():
            if packet.dts is not None:
                shift = round(later / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = copies[packet.stream]
                two.mux(packet)
    return target


def test_a_film_stopped_while_it_is_put_together_goes_on_there(photographs, loud, tmp_path, monkeypatch):
    source = write_film(tmp_path / "old.mp4", small_frames(photographs, 24))
    assemble = colorize.assemble

    def stopped(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(colorize, "assemble", stopped)
    with pytest.raises(OutputError, match="no space"):
        color(source, tmp_path / "new.mp4", loud)
    monkeypatch.setattr(colorize, "assemble", assemble)
    predicted = len(loud.backend.seen)
    assert color(source, tmp_path / "new.mp4", loud) == []
    assert len(loud.backend.seen) == predicted and len(read_all(tmp_path / "new.mp4")) == 24


def test_a_full_disk_at_the_end_costs_nothing(photographs, loud, tmp_path, monkeypatch):
    """No file may become as large as the output; the segments are smaller."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(colorize, "SEGMENT_FRAMES", 4)
    source = write_film(tmp_path / "old.mp4", small_frames(photographs, 24))
    color(source, tmp_path / "whole.mp4", loud, steady=False)
    limit, before = (tmp_path / "whole.mp4").stat().st_size * 3 // 4, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*new\.mp4: file too large"):
            color(source, tmp_path / "new.mp4", loud, steady=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "new.mp4").exists() and not list(tmp_path.glob(".photochrom-*"))
    predicted = len(loud.backend.seen)
    assert color(source, tmp_path / "new.mp4", loud, steady=False) == []
    assert len(loud.backend.seen) == predicted and len(read_all(tmp_path / "new.mp4")) == 24


def test_an_error_of_the_output_never_blames_the_source(photographs, loud, tmp_path, monkeypatch):
    source = write_film(tmp_path / "old.mp4", small_frames(photographs, 4))

    def refused(*_):
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(assembly, "_video_packets", refused)
    with pytest.raises(OutputError, match=r"cannot write .*new\.mp4"):
        color(source, tmp_path / "new.mp4", loud)


@pytest.mark.parametrize(("later", "suffix"), [(3600, "mp4"), (3600, "mkv"), (0, "mp4")])
def test_a_film_that_starts_late_begins_at_0(later, suffix, photographs, loud, tmp_path):
    plain = write_film(tmp_path / "plain.mp4", small_frames(photographs, 24))
    source = remux(plain, tmp_path / "late.ts", Fraction(later))
    target = tmp_path / f"new.{suffix}"
    color(source, target, loud)
    old, new = ([packets_of(path, kind) for kind in ("video", "audio")] for path in (source, target))
    begin = min(old[0][0][0], old[1][0][0])
    assert begin > later - 1
    for before, after in zip(old, new, strict=True):
        assert [float(at) for at, _ in after] == pytest.approx([float(at - begin) for at, _ in before], abs=0.002)
    assert packets_of(target, "video")[0][0] < 0.2


@pytest.mark.parametrize("suffix", ["ts", "mpg", "avi"])
def test_no_frame_is_lost_where_a_run_begins_in_the_middle(suffix, photographs, tmp_path):
    """A seek in these containers ends up too late."""
    pictures = [photographs["coffee"][n : n + 48, n : n + 64, 1] for n in range(120)]
    codec = {"avi": "mpeg4"}.get(suffix, "mpeg2video")
    path = tmp_path / f"old.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "2", "g": "12", "b": "2000000"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    film = read_film(path)
    whole = list(read_frames(film))
    for number in (40, 71, 95, 119):
        first = next(read_frames(film, whole[number].pts))
        assert first.pts == whole[number].pts and np.array_equal(first.pixels, whole[number].pixels)


def test_h264_in_avi_keeps_its_order(photographs, loud, tmp_path):
    """Its frames have decoding times alone."""
    plain = write_film(tmp_path / "plain.mp4", small_frames(photographs, 30), sound=False)
    with av.open(str(plain)) as one, av.open(str(tmp_path / "old.avi"), "w") as two:
        copy = two.add_stream("libx264", rate=RATE, options={"bf": "3", "crf": "8"})
        copy.width, copy.height, copy.pix_fmt = 64, 48, "yuv420p"
        for number, frame in enumerate(one.decode(video=0)):
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            two.mux(copy.encode(frame))
        two.mux(copy.encode(None))
    color(tmp_path / "old.avi", tmp_path / "new.mkv", loud)
    times = [float(at) for at, _ in packets_of(tmp_path / "new.mkv", "video")]
    assert times == pytest.approx([n / RATE for n in range(30)], abs=0.002)
    expected, found = read_all(plain), read_all(tmp_path / "new.mkv")
    light = [np.abs(luminance_of(a) - luminance_of(b)).mean() for a, b in zip(expected, found, strict=True)]
    assert max(light) < 3


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


# Colors


def test_shots_are_found(film):
    found = read_film(film)
    shots = look_through(found)[0]
    assert [found.seconds_at(tick) for tick in shots] == pytest.approx([0, 15 / RATE], abs=0.05)


def hints_of(film, given, first=None):
    """The hints of every frame that has any, by its tick."""
    frames = with_hints(film, read_frames(film, first), look_through(film)[0], given)
    return {frame.pts: hints for frame, hints in frames if hints}


def test_hints_follow_what_they_were_put_on(film):
    found = read_film(film)
    hints = hints_of(found, (FilmHint(0.5, Hint(80, 60, "#2040c0")),))
    assert len(hints) == 15  # of the first shot alone
    for tick, (hint,) in hints.items():
        assert hint.x == pytest.approx(80 - 3 * (found.seconds_at(tick) - 0.5) * RATE, abs=1.5)
        assert hint.y == pytest.approx(60, abs=1.5)


def test_hints_are_the_same_from_wherever_a_run_begins(photographs, tmp_path, monkeypatch):
    """A shot is walked backward in chunks, the last of which may be shorter, across key frames."""
    path = write_film(tmp_path / "long.mkv", frames_of(photographs, count=70, cut=60), sound=False)
    film = read_film(path)
    given = (
        FilmHint(4.0, Hint(90, 60, "#2040c0")),
        FilmHint(1.0, Hint(70, 50, "#a02010")),
        FilmHint(9, Hint(9, 9, "#000000")),
    )
    whole = hints_of(film, given)
    assert len(whole) == 70
    monkeypatch.setattr(tracking, "CHUNK", 7)
    for seconds in (0, 0.5, 2, 4, 4.5, 5.5):
        first = film.pts_at(seconds)
        assert hints_of(film, given, first) == {tick: hints for tick, hints in whole.items() if tick >= first}


@pytest.mark.parametrize("seconds", [10, pytest.param(120, marks=pytest.mark.nightly)])
def test_the_memory_of_hints_does_not_grow_with_a_shot(seconds, photographs, tmp_path, monkeypatch):
    """A hint on the last frame of a shot is followed back to its first one with a few small pictures at a time."""

    def write(path, count):
        pictures = list(frames_of(photographs, 12, 12))
        return read_film(write_film(path, (pictures[abs(n % 22 - 11)] for n in range(count)), sound=False))

    monkeypatch.setattr(tracking, "CHUNK", 16)
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
    most, small_gray = [], tracking.small_gray

    class Picture(np.ndarray):
        __hash__ = object.__hash__  # type: ignore[assignment]

    def counted(pixels):
        picture = small_gray(pixels).view(Picture)
        alive.add(picture)
        most.append(len(alive))
        return picture

    monkeypatch.setattr(tracking, "small_gray", counted)
    for count in (3 * RATE, seconds * RATE):
        film = write(tmp_path / f"{count}.mkv", count)
        most.clear()
        assert len(hints_of(film, (FilmHint(count / RATE, Hint(80, 60, "#2040c0")),))) == count
        assert len(most) >= count and max(most) <= 16 + 2


def test_walking_backward_meets_every_frame(film):
    found = read_film(film)
    ticks = [frame.pts for frame in read_frames(found)]
    assert [tick for tick, _ in read_backward(found, ticks[3], ticks[20])] == ticks[19:2:-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"hints": [{"x": 1, "y": 2, "color": "#aabbcc", "note": "Caf\xe9"}]}'.encode("latin-1"), "UTF-8"),
        (b'{"hints": [{"x": 1, "y": 2, "color": "#aabbcc"}]}', "time"),
        (b'{"hints": [{"x": 1, "y": 2, "color": "#aabbcc", "time": Infinity}]}', "time"),
        (b'{"hints": [{"x": 1, "y": 2, "color": "#aabbcc", "time": NaN}]}', "time"),
        (b"\x00\xff", "UTF-8"),
    ],
)
def test_wrong_hint_files_are_one_line(content, message, film, tmp_path):
    (tmp_path / "film.json").write_bytes(content)
    assert_refused(run(film, tmp_path / "new.mp4", "--hints", tmp_path / "film.json"), message)


def test_a_hint_file_is_read_once(film, tmp_path):
    """From a pipe, too, which can't be read twice; and with the mark that some editors put before UTF-8."""
    os.mkfifo(tmp_path / "pipe")
    content = b'\xef\xbb\xbf{"hints": [{"time": 0, "x": 1, "y": 2, "color": "#aabbcc"}]}'
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,), daemon=True)
    writer.start()
    assert read_film_hints(tmp_path / "pipe", read_film(film).size) == (FilmHint(0, Hint(1, 2, "#aabbcc")),)


@pytest.mark.parametrize("size", [64, pytest.param(256, marks=pytest.mark.nightly)])
def test_a_hint_colors_the_whole_shot(size, film, colored, tmp_path):
    content = {"size": [WIDTH, HEIGHT], "hints": [{"time": 0.5, "x": 80, "y": 60, "color": "#2040c0"}]}
    (tmp_path / "film.json").write_text(json.dumps(content))
    options = ("--working-size", size, "--crf", 8)
    if size != 64:
        colored = tmp_path / "plain.mp4"
        assert run(film, colored, *options).exit_code == 0
    assert run(film, tmp_path / "hinted.mp4", *options, "--hints", tmp_path / "film.json").exit_code == 0
    plain, hinted = read_all(colored), read_all(tmp_path / "hinted.mp4")
    for number in (1, 6, 13):
        x = 80 - 3 * (number - 6)
        near = np.s_[55:65, x - 5 : x + 5, 2]
        assert hinted[number][near].astype(int).mean() > plain[number][near].astype(int).mean() + 15
    assert np.abs(hinted[20].astype(int) - plain[20]).mean() < 2


def test_flickering_colors_are_held_together(photographs):
    """Noise in the chroma of a moving picture is averaged out along the motion; what is uncovered is not smeared."""
    ramp = np.linspace(-40, 40, 300, dtype=np.float32)[None].repeat(120, axis=0)
    texture = luminance_of(np.ascontiguousarray(photographs["coffee"][:120, :300, 1]))
    fresh, held = [], []  # by seed and step: how far from the truth, on the whole
    for seed in range(6):
        rng, coherence = np.random.default_rng(seed), Coherence()
        for step in range(20):
            window = np.s_[:, 3 * step : 3 * step + 160]
            truth = np.stack([ramp[window], -ramp[window]])
            noisy = truth + rng.normal(0, 10, (2, 1, 1)).astype(np.float32)
            steady = coherence.follow(np.ascontiguousarray(texture[window]), lambda _: noisy)  # noqa: B023 # called at once
            fresh.append((noisy - truth).mean(axis=(1, 2)))
            held.append((steady.chroma - truth).mean(axis=(1, 2)))
            assert np.abs(steady.chroma - truth).mean() < np.abs(held[-1]).mean() + 2
    before, after = (np.reshape(each, (6, 20, 2)) for each in (fresh, held))
    assert np.abs(after[:, 8:]).mean() < np.abs(before[:, 8:]).mean() / 2
    assert np.abs(np.diff(after, axis=1)).mean() < np.abs(np.diff(before, axis=1)).mean() / 8


def test_grain_is_no_motion(photographs):
    """Under grain a still picture stays known, so the network sees few of its frames; a new thing is seen at once."""
    rng, coherence, seen = np.random.default_rng(0), Coherence(), []
    still = luminance_of(photographs["coffee"][100:300, 100:400, 1])
    for number in range(20):
        picture = still.copy()
        if number == 18:
            picture[60:120, 60:120] = 100 - picture[60:120, 60:120].mean()
        grainy = (picture + rng.normal(0, 4, still.shape)).clip(0, 100).astype(np.float32)

        def predict(_):
            seen.append(number)  # noqa: B023 # called at once
            return np.zeros((2, 200, 300), np.float32)

        coherence.follow(grainy, predict)
    assert len(seen) < 10 and 18 in seen


def test_a_cut_forgets(film, loud, tmp_path, monkeypatch):
    class Counting(Coherence):
        shots = 0

        def begin_shot(self):
            Counting.shots += 1
            super().begin_shot()

    monkeypatch.setattr(colorize, "Coherence", Counting)
    color(film, tmp_path / "new.mp4", loud)
    assert Counting.shots == 2
