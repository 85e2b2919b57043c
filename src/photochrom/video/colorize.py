"""A film in, the same film in color out, segment by segment, so that a stopped run goes on where it was."""

from __future__ import annotations

import json
import shutil
import time
from bisect import bisect_right
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photochrom.disk import claimed, write_whole
from photochrom.errors import InputError, MissingExtra, OutputError
from photochrom.inference.colorizer import Colorizer
from photochrom.photo.hints import Hint

try:
    import av

    from photochrom.video.coherence import Coherence
    from photochrom.video.film import Encoding, Film, Frame, Segment, assemble, read_film, read_frames, segment_writer
    from photochrom.video.shots import find_shots
    from photochrom.video.tracking import FilmHint, track
except ImportError as error:
    raise MissingExtra("coloring a film", "video") from error

LOCK = "lock"  # in the folder of what is unfinished
SEGMENT_FRAMES = 200  # what is done again after a stop, at most


@dataclass(frozen=True)
class FilmOptions:
    """How a film is colored. begin, end: seconds; steady: whether colors are held together within shots."""

    encoding: Encoding = Encoding()  # noqa: RUF009 - frozen
    strength: float = 1.0
    seed: int | None = None
    begin: float = 0.0
    end: float | None = None
    hints: tuple[FilmHint, ...] = ()
    steady: bool = True


@dataclass(frozen=True)
class Progress:
    """How far a film is: frames done of about so many, and how many a second this run does."""

    done: int
    total: int
    rate: float


def colorize_film(
    source: Path, target: Path, colorizer: Colorizer, options: FilmOptions, model: str
) -> Iterator[Progress]:
    """Color a film, yielding after every frame. What is unfinished waits in a folder beside the target.

    model: names the model, so that a run with another one begins anew. Raises InputError or OutputError.
    """
    film = read_film(source)
    _check(film, target, options)
    parts = target.with_name(f".{target.name}.parts")
    try:
        parts.mkdir(exist_ok=True)
        with claimed(parts / LOCK, target):
            plan = _read_plan(film, parts, options, _settings_of(film, colorizer, options, model))
            segments = yield from _color_segments(film, parts, plan, colorizer, options)
            if not segments:
                raise InputError(f"{source} has no frames between {options.begin:g} and {options.end} seconds")
            last = None if options.end is None else film.pts_at(options.end)
            assemble(film, segments, target, segments[0].first if options.begin else 0, last)
            shutil.rmtree(parts)
    except (OSError, av.FFmpegError) as error:
        raise OutputError(f"cannot write beside {target}: {error.strerror or error}") from error


def color_frames(
    film: Film, frames: Iterator[Frame], shots: list[int], hints: dict[int, tuple[Hint, ...]],
    colorizer: Colorizer, coherence: Coherence, options: FilmOptions, shot: int,
) -> Iterator[tuple[Frame, np.ndarray, int]]:  # fmt: skip
    """Frames with their colored pixels (H, W, 3) and the number of their shot; `shot` is the one before the first."""
    for frame in frames:
        present = bisect_right(shots, frame.pts) - 1
        if present != shot:
            coherence.begin_shot()
            shot = present
        (coloring,) = colorizer.predict([frame.pixels], seed=options.seed, hints=[hints.get(frame.pts, ())])
        if options.steady:
            coloring = coherence.follow(coloring)
        yield frame, colorizer.apply(frame.pixels, coloring, options.strength), shot


def _color_segments(
    film: Film, parts: Path, plan: dict[str, Any], colorizer: Colorizer, options: FilmOptions
) -> Generator[Progress, None, list[Segment]]:
    """Color what is missing; yields progress and returns the segments, in order."""
    done = sorted(parts.glob("*.json"))
    after: dict[str, Any] = json.loads(done[-1].read_text()) if done else {"pts": None, "frames": 0, "shot": -1}
    coherence = Coherence()
    if done:
        with np.load(done[-1].with_suffix(".npz")) as state:
            coherence.restore(dict(state))
    first = film.pts_at(options.begin) if after["pts"] is None else after["pts"] + 1
    last = None if options.end is None else film.pts_at(options.end)
    seconds = (options.end if options.end is not None else film.duration) - options.begin
    total, began, count = max(1, round(seconds * film.rate)), time.monotonic(), 0
    hints = track(film, plan["shots"], options.hints)
    colored = color_frames(
        film, read_frames(film, first, last), plan["shots"], hints, colorizer, coherence, options, after["shot"]
    )
    item = next(colored, None)
    number = len(done)
    while item is not None:
        path, in_segment = parts / f"{number:06}.segment", 0
        with segment_writer(film, path, options.encoding) as writer:
            while item is not None and in_segment < SEGMENT_FRAMES:
                frame, pixels, shot = item
                writer.write(pixels, frame)
                in_segment, count = in_segment + 1, count + 1
                state = coherence.state()
                yield Progress(after["frames"] + count, total, count / (time.monotonic() - began))
                item = next(colored, None)
        np.savez(path.with_suffix(".npz"), **state)
        facts = {"first": writer.first, "pts": frame.pts, "frames": after["frames"] + count, "shot": shot}
        write_whole(path.with_suffix(".json"), json.dumps(facts).encode())  # the segment counts from here on
        number += 1
    return [
        Segment(path.with_suffix(".segment"), json.loads(path.read_text())["first"])
        for path in sorted(parts.glob("*.json"))
    ]


def _read_plan(film: Film, parts: Path, options: FilmOptions, settings: str) -> dict[str, Any]:
    """The plan of an unfinished run with the same settings, or a new one."""
    path = parts / "plan"
    if path.exists():
        plan: dict[str, Any] = json.loads(path.read_text())
        if plan["settings"] == settings:
            return plan
    for stale in parts.iterdir():
        if stale.name != LOCK:
            stale.unlink()
    plan = {"settings": settings, "shots": find_shots(film)}
    write_whole(path, json.dumps(plan).encode())
    return plan


def _settings_of(film: Film, colorizer: Colorizer, options: FilmOptions, model: str) -> str:
    stat = film.path.stat()
    facts = [str(film.path.resolve()), stat.st_size, stat.st_mtime_ns, model, colorizer.working_size]
    return json.dumps([*facts, asdict(options)], default=str)


def _check(film: Film, target: Path, options: FilmOptions) -> None:
    if target.exists() and target.resolve() == film.path.resolve():
        raise InputError(f"{target} is the film itself: choose another output")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
    try:
        av.format.ContainerFormat(target.suffix[1:] or "?", "w")
    except ValueError:
        if target.suffix.lower() not in (".mkv", ".m4v"):
            raise InputError(f"no film format is called {target.suffix or 'nothing'}: try .mp4, .mkv or .mov") from None
    if options.end is not None and options.end <= options.begin:
        raise InputError(f"--to {options.end:g} is not after --from {options.begin:g}")
    for each in options.hints:
        if not (0 <= each.hint.x < film.size[0] and 0 <= each.hint.y < film.size[1]):
            size = f"{film.size[0]} x {film.size[1]} pixels"
            raise InputError(f"the hint at {each.hint.x:g},{each.hint.y:g} is outside the film, {size}")
