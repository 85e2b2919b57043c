"""Films: what stays as it was, that colors hold together, and that a stopped run goes on."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from photochrom import cli
from photochrom.commands.video import CODEC_NAMES
from photochrom.inference.colorizer import Coloring, Colorizer
from photochrom.photo.color import luminance_of
from photochrom.video.coherence import Coherence
from photochrom.video.colorize import FilmOptions, colorize_film
from photochrom.video.film import CODECS, Encoding, read_film, read_frames
from photochrom.video.shots import find_shots
from photochrom.video.tracking import FilmHint, Hint, read_film_hints, track

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


def run(*arguments):
    return CliRunner().invoke(cli.main, ["video", *map(str, arguments)])


def color(source, target, colorizer, **options):
    options = {"encoding": Encoding(crf=8), **options}
    return list(colorize_film(source, target, colorizer, FilmOptions(**options), "test"))


def read_all(path):
    return [frame.pixels for frame in read_frames(read_film(path))]


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


def test_pictures_sound_times_and_facts_stay(film, tmp_path):
    result = run(film, tmp_path / "new.mp4")
    assert result.exit_code == 0, result.output
    assert packets_of(tmp_path / "new.mp4", "audio") == packets_of(film, "audio")
    times = [at for at, _ in packets_of(film, "video")]
    assert [at for at, _ in packets_of(tmp_path / "new.mp4", "video")] == times
    old, new = read_all(film), read_all(tmp_path / "new.mp4")
    assert len(old) == len(new) == 30 and new[0].shape == old[0].shape
    light = [np.abs(luminance_of(one) - luminance_of(other)).mean() for one, other in zip(old, new, strict=True)]
    assert max(light) < 1.5
    assert np.ptp(new[3].astype(int), axis=2).mean() > 3
    with av.open(str(tmp_path / "new.mp4")) as container, av.open(str(film)) as source:
        one, other = container.streams.video[0].codec_context, source.streams.video[0].codec_context
        assert (one.color_range, one.colorspace) == (other.color_range, other.colorspace) == (1, 1)
        assert container.metadata["title"] == "A cup and a cat"
        assert abs(container.duration - source.duration) < 0.05 * av.time_base
    assert [path.name for path in tmp_path.iterdir()] == ["new.mp4"]


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


@pytest.mark.parametrize(("codec", "suffix"), [("h264", "mp4"), ("h265", "mkv"), ("prores", "mov"), ("ffv1", "mkv")])
def test_codecs(codec, suffix, film, loud, tmp_path):
    assert tuple(CODECS) == CODEC_NAMES
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


def test_a_killed_run_goes_on_and_ends_the_same(film, photographs, tmp_path):
    source = write_film(tmp_path / "long.mp4", frames_of(photographs, count=110, cut=100), sound=False)
    code = (
        "import sys; from photochrom.video import colorize; colorize.SEGMENT_FRAMES = 20;"
        "from photochrom.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "video", str(source), "--codec", "ffv1"]  # x264 never encodes twice the same
    subprocess.run([*command, str(tmp_path / "whole.mkv")], check=True)
    process = subprocess.Popen([*command, str(tmp_path / "stopped.mkv")])
    parts, ends = tmp_path / ".stopped.mkv.parts", time.monotonic() + 60
    while len(list(parts.glob("*.json"))) < 2:
        assert time.monotonic() < ends and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.segment")}
    assert 2 <= len(kept) < 6 and not (tmp_path / "stopped.mkv").exists()
    first = min(kept)
    process = subprocess.Popen([*command, str(tmp_path / "stopped.mkv")])
    while first.exists() and process.poll() is None:
        with suppress(FileNotFoundError):  # it goes when the film is whole
            assert first.stat().st_mtime_ns == kept[first]
        time.sleep(0.05)
    assert process.wait() == 0 and not parts.exists()
    one, other = read_all(tmp_path / "whole.mkv"), read_all(tmp_path / "stopped.mkv")
    assert len(one) == len(other) == 110 and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_other_settings_begin_anew(film, loud, tmp_path):
    progress = colorize_film(film, tmp_path / "new.mp4", loud, FilmOptions(), "test")
    next(progress)
    progress.close()
    assert (tmp_path / ".new.mp4.parts").exists()
    assert color(film, tmp_path / "new.mp4", loud, strength=0.0)[-1].done == 30
    assert np.ptp(read_all(tmp_path / "new.mp4")[0].astype(int), axis=2).mean() < 3


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


def test_a_film_that_breaks_off_says_where(photographs, loud, tmp_path):
    whole = write_film(tmp_path / "whole.mkv", frames_of(photographs, count=60, cut=60), sound=False)
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = run(broken, tmp_path / "new.mkv")
    assert result.exit_code == 2 and "--to" in result.output and not (tmp_path / "new.mkv").exists()
    assert run(broken, tmp_path / "new.mkv", "--to", result.output.split()[-1]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new.xyz"], "no film format"),
        (["no/where.mp4"], "no folder"),
        (["new.mp4", "--from", "2", "--to", "1"], "not after"),
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
    assert "--overwrite" in run(film, tmp_path / "there.mp4").output


# Colors


def test_shots_are_found(film):
    found = read_film(film)
    shots = find_shots(found)
    assert [found.seconds_at(tick) for tick in shots] == pytest.approx([0, 15 / RATE], abs=0.05)


def test_hints_follow_what_they_were_put_on(film):
    found = read_film(film)
    hints = track(found, find_shots(found), (FilmHint(0.5, Hint(80, 60, "#2040c0")),))
    assert len(hints) == 15  # of the first shot alone
    for tick, (hint,) in hints.items():
        assert hint.x == pytest.approx(80 - 3 * (found.seconds_at(tick) - 0.5) * RATE, abs=1.5)
        assert hint.y == pytest.approx(60, abs=1.5)


def test_a_hint_colors_the_whole_shot(film, colorizer, tmp_path):
    content = {"size": [WIDTH, HEIGHT], "hints": [{"time": 0.5, "x": 80, "y": 60, "color": "#2040c0"}]}
    (tmp_path / "film.json").write_text(json.dumps(content))
    color(film, tmp_path / "plain.mp4", colorizer)
    color(film, tmp_path / "hinted.mp4", colorizer, hints=read_film_hints(tmp_path / "film.json", read_film(film)))
    plain, hinted = read_all(tmp_path / "plain.mp4"), read_all(tmp_path / "hinted.mp4")
    for number in (1, 6, 13):
        x = 80 - 3 * (number - 6)
        near = np.s_[55:65, x - 5 : x + 5, 2]
        assert hinted[number][near].astype(int).mean() > plain[number][near].astype(int).mean() + 15
    assert np.abs(hinted[20].astype(int) - plain[20]).mean() < 2


def test_flickering_colors_are_held_together(photographs):
    """Noise in the chroma of a moving picture is averaged out along the motion; what is uncovered is not smeared."""
    rng, coherence = np.random.default_rng(0), Coherence()
    ramp = np.linspace(-40, 40, 300, dtype=np.float32)[None].repeat(120, axis=0)
    texture = luminance_of(np.tile(photographs["coffee"][:120, :300, 1], (1, 1)))
    errors = []
    for step in range(20):
        window = np.s_[:, 3 * step : 3 * step + 160]
        truth = np.stack([ramp[window], -ramp[window]])
        noisy = truth + rng.normal(0, 10, (2, 1, 1)).astype(np.float32)
        held = coherence.follow(Coloring(noisy, np.ascontiguousarray(texture[window])))
        errors.append((np.abs(noisy - truth).mean(), np.abs(held.chroma - truth).mean()))
    fresh, held = np.array(errors[8:]).mean(axis=0)
    assert held < fresh / 2


def test_a_cut_forgets(photographs, film, tmp_path):
    class Counting(Coherence):
        shots = 0

        def begin_shot(self):
            Counting.shots += 1
            super().begin_shot()

    from photochrom.video import colorize as module

    original, module.Coherence = module.Coherence, Counting
    try:
        color(film, tmp_path / "new.mp4", Colorizer())
    finally:
        module.Coherence = original
    assert Counting.shots == 2
