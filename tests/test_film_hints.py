"""Hints follow what they were put on in a film, and colors hold together until the next shot."""

import json
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

av = pytest.importorskip("av")
pytest.importorskip("scenedetect")

from small_films import HEIGHT, RATE, WIDTH, assert_refused, color, frames_of, read_all, run, write_film

from photochrom.photo.color import luminance_of
from photochrom.photo.hints import Hint
from photochrom.video import colorize, tracking
from photochrom.video.coherence import Coherence
from photochrom.video.film import read_film, read_frames
from photochrom.video.shots import look_through
from photochrom.video.tracking import FilmHint, read_backward, read_film_hints, with_hints

pytestmark = pytest.mark.slow


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


def test_flat_and_narrow_pictures_of_every_size_are_followed():
    """In a process of its own, because OpenCV's optical flow ended it: for (8, 64), (16, 256) or (24, 512), say."""
    sizes = (
        "[(short, long) for short in (1, 2, 7, *range(8, 42, 3)) for long in (1, 9, 31, 32, 64, 100, 128, 256, 1024)]"
    )
    code = f"""
import numpy as np
from photochrom.video.coherence import Coherence
rng = np.random.default_rng(0)
for short, long in {sizes}:
    for shape in ((short, long), (long, short)):
        coherence = Coherence()
        for _ in range(2):
            made = coherence.follow(rng.uniform(0, 100, shape).astype(np.float32), lambda _: np.ones((2, *shape), "f4"))
        assert made.chroma.shape == (2, *shape) and np.isfinite(made.chroma).all()
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


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
