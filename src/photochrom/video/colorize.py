"""A film in, the same film in color out, segment by segment, so that a stopped run goes on where it was."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

import photochrom
from photochrom.coloring import Look
from photochrom.disk import claimed, write_whole
from photochrom.errors import InputError, MissingExtra, OutputError, reason_of
from photochrom.existing import Fate, fate
from photochrom.inference.colorizer import Coloring, Colorizer
from photochrom.inference.views import FRAME_VIEWS
from photochrom.photo.color import FloatArray, PixelArray
from photochrom.photo.hints import Hint
from photochrom.photo.metadata.mark import hints_text
from photochrom.video.encoding import CONTAINERS, INTERLACED, Encoding

try:
    import av

    from photochrom.video.ahead import ahead
    from photochrom.video.assembly import Tracks, assemble, find_tracks
    from photochrom.video.coherence import Coherence
    from photochrom.video.fields import field_rows
    from photochrom.video.film import Film, Frame, read_frames
    from photochrom.video.joining import join_to_store
    from photochrom.video.mark import MODEL, MODEL_DIGEST, film_mark, is_film_unchanged, made_by, read_film_mark
    from photochrom.video.segments import Segment, segment_writer
    from photochrom.video.shots import look_through
    from photochrom.video.tracking import FilmHint, shot_at, with_hints
except ImportError as error:
    raise MissingExtra("coloring a film", "video") from error

LOCK = "lock"  # in the folder of what is unfinished
FINISHED = "[0-9]*.json"  # records of finished segments; a killed run may leave a hidden, unfinished one
SEGMENT_FRAMES = 200  # what is done again after a stop, at most


@dataclass(frozen=True)
class FilmOptions:
    """How a film is colored.

    look: of every frame. begin, end: seconds. hints: of single frames, from which they follow their objects. steady:
    whether colors are held together within shots. mark: whether the film's comment says how it was colored.
    """

    encoding: Encoding = field(default_factory=Encoding)
    look: Look = field(default_factory=Look)
    begin: float = 0.0
    end: float | None = None
    hints: tuple[FilmHint, ...] = ()
    steady: bool = True
    mark: bool = True


@dataclass(frozen=True)
class Progress:
    """How far a film is.

    done, total: frames, and about how many there are. rate: frames per second of this run. left_out: names of the
    source's tracks that the output can't hold. remade: names of those that are made into what it can, and what that is.
    """

    done: int
    total: int
    rate: float
    left_out: tuple[str, ...] = ()
    remade: tuple[str, ...] = ()


def colorize_film(film: Film, target: Path, colorizer: Colorizer, options: FilmOptions) -> Iterator[Progress]:
    """Color a film, yielding after every frame. What is unfinished waits in a folder beside the target.

    Raises InputError or OutputError.
    """
    _check(film, target, options)
    tracks = find_tracks(film, target, options.encoding)
    parts = target.with_name(f".{target.name}.parts")
    try:
        parts.mkdir(exist_ok=True)
        with claimed(parts / LOCK, target):
            try:
                shots, fields = _read_plan(film, parts, options, _record_of(film, colorizer, options))
                film = film.in_fields(fields)
                _check_fits(film, options)
            except InputError:
                shutil.rmtree(parts)
                raise
            segments = yield from _color_segments(film, parts, shots, colorizer, options, tracks)
            if not segments:
                shutil.rmtree(parts)
                until = "its end" if options.end is None else f"{options.end:g} seconds"
                raise InputError(f"{film.path} has no frames between {options.begin:g} seconds and {until}")
            last = None if options.end is None else film.pts_at(options.end)
            mark = _mark(film, colorizer, options) if options.mark else None
            assemble(film, segments, target, tracks.kept, segments[0].first if options.begin else None, last, mark)
            shutil.rmtree(parts)
    except (OSError, av.FFmpegError) as error:
        raise OutputError(f"cannot write beside {target}: {reason_of(error)}") from error


def fate_of_film(film: Film, target: Path, colorizer: Colorizer, options: FilmOptions, any_model: bool) -> Fate:
    """What becomes of a target that is there. any_model: the user named no model. Raises InputError."""
    _check(film, target, options)
    wanted = made_by(json.loads(_mark(film, colorizer, options)))
    try:
        said = read_film_mark(target)
    except InputError:
        return fate(None, wanted, lambda: None, says=options.mark)
    if not options.mark:
        wanted = replace(wanted, settings=None)  # differs from everything that a mark says
    return fate(made_by(said), wanted, lambda: is_film_unchanged(target, said), any_model=any_model)


@dataclass(frozen=True)
class ColoredFrame:
    """A frame, its coloring or one per field, the number of its shot, and what is remembered of that after it."""

    frame: Frame
    colorings: tuple[Coloring, ...]
    shot: int
    state: dict[str, NDArray[Any]]


def color_frames(
    film: Film, frames: Iterator[tuple[Frame, tuple[Hint, ...]]], shots: list[int], colorizer: Colorizer,
    coherence: Coherence, options: FilmOptions, shot: int,
) -> Iterator[ColoredFrame]:  # fmt: skip
    """Frames with their colorings.

    frames: each with its hints. shots: the first tick of each. shot: the number of the one before the first frame.
    """
    for frame, followed in frames:
        present = shot_at(shots, frame.pts)
        if present != shot:
            coherence.begin_shot()
            shot = present
        hints = options.look.hints_for(frame.pixels) + followed
        colorings = color_picture(coherence, colorizer, frame.pixels, frame.fields, options, hints)
        yield ColoredFrame(frame, colorings, shot, coherence.state())


def color_picture(
    coherence: Coherence, colorizer: Colorizer, pixels: PixelArray, fields: str, options: FilmOptions,
    hints: tuple[Hint, ...],
) -> tuple[Coloring, ...]:  # fmt: skip
    """The colorings of a shot's next picture, pixels (H, W) or (H, W, 3): one, or one per field."""
    parts = [np.repeat(pixels[rows], 2, axis=0) for rows in field_rows(fields)] if fields else [pixels]
    return tuple(color_next(coherence, colorizer, part, options, hints) for part in parts)


def color_next(
    coherence: Coherence, colorizer: Colorizer, pixels: PixelArray, options: FilmOptions, hints: tuple[Hint, ...]
) -> Coloring:
    """The coloring of a shot's next picture, pixels (H, W) or (H, W, 3)."""
    seed = options.look.seed
    if not options.steady:
        return colorizer.predict_one(pixels, seed, hints)
    luminance = colorizer.small_luminance(pixels)

    def predict(mirrored: bool | None) -> FloatArray:
        sizes = [(pixels.shape[0], pixels.shape[1])]
        views = [view for view in FRAME_VIEWS if mirrored in (None, view.mirrored)]
        (coloring,) = colorizer.predict_small([luminance], sizes, seed=seed, hints=[hints], views=views)
        hinted = np.zeros_like(luminance) if coloring.hinted is None else coloring.hinted
        return np.concatenate([coloring.chroma, hinted[None]])

    return coherence.follow(luminance, predict, len(hints))


@dataclass(frozen=True)
class Finished:
    """The record of a finished segment.

    first, pts: the ticks of its first and last frame. frames: how many are done with it. shot: the last one's number.
    """

    first: int
    pts: int
    frames: int
    shot: int


def _color_segments(
    film: Film, parts: Path, shots: list[int], colorizer: Colorizer, options: FilmOptions, tracks: Tracks
) -> Generator[Progress, None, list[Segment]]:
    """Color what is missing; yields progress and returns the segments, in order."""
    finished, coherence = _read_finished(parts)
    before = finished[-1] if finished else None
    first = before.pts + 1 if before else film.pts_at(options.begin)
    last = None if options.end is None else film.pts_at(options.end)
    ends = [seconds for seconds in (options.end, film.duration) if seconds]
    total, began, count = max(1, round((min(ends, default=0.0) - options.begin) * film.rate)), time.monotonic(), 0
    done_before = before.frames if before else 0
    frames = with_hints(film, ahead(read_frames(film, first, last)), shots, options.hints)
    shot = before.shot if before else -1
    colored = ahead(color_frames(film, frames, shots, colorizer, coherence, options, shot))
    item = next(colored, None)
    while item is not None:
        path, in_segment = _segment_path(parts, len(finished)), 0
        with segment_writer(film, path, options.encoding) as writer:
            while item is not None and in_segment < SEGMENT_FRAMES:
                done = item
                picture = join_to_store(colorizer, done.frame, done.colorings, film, options.look, writer.format)
                writer.write(picture, done.frame)
                in_segment, count = in_segment + 1, count + 1
                rate = count / (time.monotonic() - began)
                yield Progress(done_before + count, total, rate, tracks.left_out, tracks.remade)
                item = next(colored, None)
        np.savez(path.with_suffix(".npz"), **done.state)  # type: ignore[arg-type] # its stub takes them for allow_pickle
        assert writer.first is not None
        finished.append(Finished(writer.first, done.frame.pts, done_before + count, done.shot))
        facts = json.dumps(asdict(finished[-1])).encode()
        write_whole(path.with_suffix(".json"), facts)  # the segment counts from here on
    return [Segment(_segment_path(parts, number), each.first) for number, each in enumerate(finished)]


def _segment_path(parts: Path, number: int) -> Path:
    return parts / f"{number:06}.segment"


def _read_finished(parts: Path) -> tuple[list[Finished], Coherence]:
    """What is finished of the segments, in order, and the colors to go on from; a damaged one ends the list."""
    finished: list[Finished] = []
    for path in sorted(parts.glob(FINISHED)):
        segment = _segment_path(parts, len(finished))
        if path != segment.with_suffix(".json") or not segment.exists():
            break
        try:
            finished.append(Finished(**json.loads(path.read_bytes())))
        except (ValueError, TypeError):
            break
    coherence = Coherence()
    while finished:
        try:
            with np.load(_segment_path(parts, len(finished) - 1).with_suffix(".npz")) as state:
                coherence.restore(dict(state))
            break
        except (OSError, ValueError, EOFError, BadZipFile):
            finished.pop()
    for path in parts.glob(FINISHED):
        if path >= _segment_path(parts, len(finished)).with_suffix(".json"):
            path.unlink()
    return finished, coherence


def _read_plan(film: Film, parts: Path, options: FilmOptions, record: dict[str, Any]) -> tuple[list[int], str]:
    """The shots and the order of fields, by an unfinished run with the same record, or found anew."""
    path = parts / "plan"
    try:
        plan = json.loads(path.read_bytes())
        if plan["record"] == record:
            return list(plan["shots"]), str(plan["fields"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is none that can be used
    for stale in parts.iterdir():
        if stale.name != LOCK:
            stale.unlink()
    shots, fields = look_through(film, None if options.end is None else film.pts_at(options.end))
    write_whole(path, json.dumps({"record": record, "shots": shots, "fields": fields}).encode())
    return shots, fields


def _record_of(film: Film, colorizer: Colorizer, options: FilmOptions) -> dict[str, Any]:
    """Everything that decides the output: an unfinished run goes on only if all of it is as it was."""
    stat = film.path.stat()
    record = {
        "source": [str(film.path.resolve()), stat.st_size, stat.st_mtime_ns],
        "model": colorizer.backend.info.digest,
        "working size": colorizer.working_size,
        "options": asdict(options),
        "deinterlaced": film.deinterlaced,
        "versions": [photochrom.__version__, av.__version__],  # segments of two encoders don't fit together
    }
    return json.loads(json.dumps(record))


def _mark(film: Film, colorizer: Colorizer, options: FilmOptions) -> str:
    """The line that says how the film was colored."""
    info, look = colorizer.model_info, options.look
    settings = {
        MODEL: info.name or info.preset,
        MODEL_DIGEST: info.digest,
        "working size": colorizer.working_size,
        "strength": look.strength,
        "warmth": look.warmth,
        "seed": look.seed,
        "hints": [f"at {each.time:g} s: {hints_text((each.hint,))}" for each in options.hints],
        "steady": options.steady,
        "deinterlaced": film.deinterlaced,
        "codec": options.encoding.codec,
        "crf": options.encoding.options.get("crf"),
        "from": options.begin,
        "to": options.end,
    }
    return film_mark(photochrom.__version__, film.path, settings)


def _check(film: Film, target: Path, options: FilmOptions) -> None:
    if target.exists() and target.resolve() == film.path.resolve():
        raise InputError(f"{target} is the film itself: choose another output")
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
    if target.suffix.lower() not in CONTAINERS:
        kinds = f"{', '.join(CONTAINERS[:-1])} or {CONTAINERS[-1]}"
        raise InputError(f"films are written as {kinds}, not as {target.suffix or 'a file without a suffix'}")
    if options.end is not None and options.end <= options.begin:
        raise InputError(f"--to {options.end:g} is not after --from {options.begin:g}")
    if film.duration and options.begin >= film.duration:
        raise InputError(f"{film.path} has no frames from {options.begin:g} seconds on: it ends at {film.duration:g}")
    _check_fits(film, options)


def _check_fits(film: Film, options: FilmOptions) -> None:
    """What depends on how the film is stored."""
    if film.fields and options.encoding.codec not in INTERLACED:
        raise InputError(
            f"{film.path} is interlaced, which {options.encoding.codec} can't be written as: "
            "choose another --codec, or --deinterlace"
        )
    for each in options.hints:
        if not (0 <= each.hint.x < film.size[0] and 0 <= each.hint.y < film.size[1]):
            size = f"{film.size[0]} x {film.size[1]} pixels"
            raise InputError(f"the hint at {each.hint.x:g},{each.hint.y:g} is outside the film, {size}")
