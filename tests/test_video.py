"""Films: pictures, sound, times and facts stay as they were, and what can't be colored is refused in one line."""

import stat
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from small_films import (
    HEIGHT,
    RATE,
    SMALL,
    WIDTH,
    assert_refused,
    color,
    frames_of,
    packets_of,
    read_all,
    run,
    small_frames,
    write_film,
)

from photochrom import cli
from photochrom.coloring import Look
from photochrom.inference.colorizer import Colorizer
from photochrom.photo.color import luminance_of
from photochrom.photo.hints import Hint
from photochrom.video.encoding import CODECS, Encoding
from photochrom.video.film import read_film, read_frames

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def small_colorizer():
    """The bundled network, on pictures a quarter as wide and high as it usually sees."""
    return Colorizer(working_size=64)


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
    assert "warmth:              1" in told.splitlines()


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


def test_names_with_colons_are_names_of_files(film, loud, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("reel:1.mp4").write_bytes(film.read_bytes())
    color(Path("reel:1.mp4"), Path("reel:1-color.mp4"), loud, end=0.2)
    assert len(read_all(Path("reel:1-color.mp4"))) == 3


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "no such file"),
        ("text.mp4", b"not a film", "damaged or not a film (invalid data found when processing input)"),
        ("empty.mp4", b"", "damaged or not a film"),
        ("http:/127.0.0.1/film.mp4", None, "no such file"),
    ],
)
def test_wrong_films_are_one_line(name, content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run(name, "new.mp4")
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


@pytest.mark.parametrize("count", [45, 60])
def test_a_film_that_breaks_off_within_a_picture_says_where(count, photographs, tmp_path):
    """As a download of a film whose index comes first."""
    path = tmp_path / "broken.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height = WIDTH, HEIGHT
        for picture in frames_of(photographs, count, cut=count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    result = run(path, tmp_path / "new.mp4", *SMALL)
    assert_refused(result, "broken.mp4", "--to")
    # Whether the decoder takes the cut picture for an error depends on its threads.
    assert "broken.mp4 is damaged" in result.output or "broken.mp4 breaks off after" in result.output
    assert [each.name for each in tmp_path.iterdir()] == ["broken.mp4"]
    assert run(path, tmp_path / "new.mp4", *SMALL, "--to", result.output.split()[-1]).exit_code == 0


def test_a_film_whose_pictures_change_their_size_says_where(photographs, tmp_path):
    """As a recording of a broadcast from before its film to the film."""
    parts = []
    for number, size in enumerate(["64x48", "96x64"]):
        parts.append(tmp_path / f"{number}.ts")
        with av.open(str(parts[-1]), "w") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height = map(int, size.split("x"))
            for at, picture in enumerate(frames_of(photographs, 50)):
                frame = av.VideoFrame.from_ndarray(picture, format="gray")
                frame = frame.reformat(stream.width, stream.height, "yuv420p")
                frame.pts, frame.time_base = at + 50 * number, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    path = tmp_path / "old.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = run(path, tmp_path / "new.mp4", *SMALL)
    assert_refused(result, "changes the size of its pictures from 64 x 48 to 96 x 64", "--to")
    assert run(path, tmp_path / "new.mp4", *SMALL, "--to", result.output.split()[-1]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new.xyz"], "films are written as"),
        (["no/where.mp4"], "no folder"),
        (["new.mp4", "--from", "2", "--to", "1"], "not after"),
        (["new.mp4", "--from", "2.6"], "no frames"),
        (["new.mp4", "--from", "1e9"], "no frames"),
        (["new.mp4", "--from", "2.49"], "no frames between 2.49 seconds and its end"),
        (["new.mp4", "--codec", "prores"], "can't hold prores"),
        (["new.mp4", "--hints", "none.json"], "cannot read the hints"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, film, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(film, *arguments)
    assert result.exit_code == 2 and message in result.output and len(result.output.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_is_not_replaced_by_a_film(film, tmp_path):
    (tmp_path / "new.mp4").mkdir()
    for options in ([], ["--overwrite"]):
        assert_refused(run(film, tmp_path / "new.mp4", *SMALL, *options), "new.mp4: it is a folder")
    assert [each.name for each in tmp_path.iterdir()] == ["new.mp4"]


def test_an_unforeseen_error_is_one_line(film, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("odd")

    monkeypatch.setattr("photochrom.video.colorize.find_tracks", fail)
    assert_refused(run(film, tmp_path / "new.mp4", *SMALL), "a fault of this program (odd): please report it")


@pytest.mark.parametrize(
    "codec, format, is_transparent", [("prores_ks", "yuva444p10le", True), ("ffv1", "yuv420p", False)]
)
def test_lost_transparency_is_said_and_permissions_stay(photographs, tmp_path, codec, format, is_transparent):
    pictures = small_frames(photographs, 3)
    old = write_film(tmp_path / "old.mkv", pictures, sound=False, codec=codec, pixel_format=format)
    new = tmp_path / "new.mkv"
    new.touch()
    new.chmod(0o600)
    result = run(old, new, *SMALL, "--overwrite")
    assert result.exit_code == 0 and ("transparent" in result.output) is is_transparent, result.output
    assert stat.S_IMODE(new.stat().st_mode) == 0o600


# Films that begin late, or whose frames lie oddly


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


def test_a_bare_stream_has_the_rate_of_its_header(photographs, loud, tmp_path):
    with av.open(str(tmp_path / "old.h264"), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height = 64, 48
        for picture in small_frames(photographs, 6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    color(tmp_path / "old.h264", tmp_path / "new.mp4", loud)
    assert read_film(tmp_path / "new.mp4").rate == RATE


def test_frames_that_wait_are_pixels_alone(film):
    """Many wait between reading, coloring and writing; a decoded picture with each would double their memory."""
    for frame in islice(read_frames(read_film(film)), 3):
        assert not [name for name, value in vars(frame).items() if isinstance(value, av.VideoFrame)]
