"""Files in, files out: color the photographs that planning.py has found."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from numpy.typing import NDArray

from photochrom.coloring import Look, Output, Predictor, Request, color, color_photograph
from photochrom.disk import make_folder
from photochrom.errors import InputError, OutputError, PhotochromError, WeightsError, our_fault, reason_of
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.inference.weights import BUNDLED_MODELS
from photochrom.photo.decoding import read_bytes
from photochrom.photo.hints import Hint, check_hints
from photochrom.photo.kinds import to_kind, to_photograph
from photochrom.photo.metadata.sidecar import true_sidecar
from photochrom.photo.photograph import Photograph, write_bytes
from photochrom.planning import Task
from photochrom.records import COLORED, FAILED, Line, Record, now
from photochrom.settings import DEFAULT_MODEL, STRENGTH, WARMTH, WORKING_SIZE, format_of, plain

if TYPE_CHECKING:
    from PIL.Image import Image

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # nothing more can be written where this happens


@dataclass(frozen=True)
class Written:
    """A color version's file. number: of the variant, from 0. sha256: of its content."""

    path: Path
    number: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """The result of a task: colored, skipped because its outputs exist, or failed with an error.

    is_last: nothing more can be written, so the run ends. written: the new files. source_sha256: of the source, if it
    could be read. seconds: that the task took. left_out: what of the source's metadata its outputs don't have, each in
    words.
    """

    task: Task
    skipped: bool = False
    error: PhotochromError | None = None
    is_last: bool = False
    written: tuple[Written, ...] = ()
    source_sha256: str = ""
    seconds: float = 0.0
    left_out: tuple[str, ...] = ()


Given = TypeVar("Given", Photograph, bytes, NDArray[Any], "Image")


@overload
def colorize(
    photograph: str | os.PathLike[str],
    *,
    strength: float = ...,
    warmth: float = ...,
    seed: int | None = ...,
    hints: Sequence[Hint] = ...,
    model: str | os.PathLike[str] = ...,
    working_size: int = ...,
    mark: bool = ...,
) -> Photograph: ...
@overload
def colorize(
    photograph: Given,
    *,
    strength: float = ...,
    warmth: float = ...,
    seed: int | None = ...,
    hints: Sequence[Hint] = ...,
    model: str | os.PathLike[str] = ...,
    working_size: int = ...,
    mark: bool = ...,
) -> Given: ...
def colorize(
    photograph: Any,
    *,
    strength: float = STRENGTH.default,
    warmth: float = WARMTH.default,
    seed: int | None = None,
    hints: Sequence[Hint] = (),
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    working_size: int = DEFAULT_WORKING_SIZE,
    mark: bool = True,
) -> Any:
    """Color a photograph of any kind, and give back the same kind; its size and bit depth are kept.

    | photograph | result |
    |---|---|
    | a path | a `Photograph` with the file's metadata; save it with its `save` method |
    | a `Photograph` | a `Photograph` |
    | bytes, the content of a file | bytes, the content of a file of the same format, with its metadata |
    | an array | an array (H, W, 3), or (H, W, 4) with alpha, of the same type; uint8 for bool |
    | an image of Pillow | an image of mode RGB, or RGBA with transparency; upright, 8 bits, in sRGB |

    An array is (H, W) or (H, W, C) of gray, gray and alpha, RGB or RGBA: bool, uint8, uint16, or floats in [0, 1].
    strength multiplies the chroma; warmth, -1 (blue) to 1 (yellow), is a white balance of the colors; seed chooses
    another plausible coloring; hints put colors at places; mark: whether the metadata say that the colors were made by
    AI, and how (arrays and Pillow's images have none). model: a bundled model's name, or a path. Raises InputError or
    WeightsError.
    """
    look = Look(plain(strength), plain(seed), check_hints(hints), warmth=plain(warmth))
    colorizer = _colorizer(os.fspath(model) if isinstance(model, os.PathLike) else model, working_size)
    return to_kind(color_photograph(to_photograph(photograph), look, colorizer, Output(mark=mark)), photograph)


def run(
    tasks: Iterable[Task],
    predictor: Predictor,
    request: Request,
    *,
    overwrite: bool = False,
    jobs: int = 1,
    keep_date: bool = False,
) -> Iterator[Outcome]:
    """Do the tasks, `jobs` at a time, and yield the outcome of each when it is done.

    The other arguments are those of `run_task`. If a disk is full or can't be written, the tasks that have not begun
    are left.
    """
    waiting = iter(tasks)
    pool = ThreadPoolExecutor(jobs)
    finished = False
    try:
        running: set[Future[Outcome]] = set()
        while True:
            # Only as many tasks are submitted as can run, so that an interrupted run stops at once.
            for task in islice(waiting, jobs - len(running)):
                running.add(pool.submit(run_task, task, predictor, request, overwrite, keep_date))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                waiting = iter(()) if outcome.is_last else waiting
                yield outcome
        finished = True
    finally:
        pool.shutdown(wait=finished, cancel_futures=True)  # who is stopped doesn't wait for a large photograph


def run_task(
    task: Task, predictor: Predictor, request: Request, overwrite: bool = False, keep_date: bool = False
) -> Outcome:
    """Color one photograph and write its outputs and sidecars; existing ones are skipped, unless overwrite.

    keep_date: the outputs get the date of the source's last change. Whatever is wrong with the photograph, its outcome
    says it, and nothing is raised.
    """
    began = time.monotonic()
    outcome = Outcome(task)
    # Without --format the output's suffix decides.
    output = replace(request.output, format=request.output.format or format_of(task.outputs[0]))
    request = replace(request, output=output)
    try:
        missing = {number: path for number, path in enumerate(task.outputs) if overwrite or not path.is_file()}
        if missing:
            data = read_bytes(task.source)
            outcome = replace(outcome, source_sha256=hashlib.sha256(data).hexdigest())
            modified = os.stat(task.source).st_mtime_ns if keep_date else None
            colored = color(data, str(task.source), request, predictor, missing)
            left_out: dict[str, None] = {}
            for (number, path), (content, _, lost) in zip(missing.items(), colored, strict=True):
                make_folder(path.parent)
                write_bytes(path, content, modified)
                new = Written(path, number, hashlib.sha256(content).hexdigest())
                left_out |= dict.fromkeys(lost)
                outcome = replace(outcome, written=(*outcome.written, new), left_out=tuple(left_out))
        for sidecar, targets in task.sidecars:
            for target in targets:
                if overwrite or not target.exists():
                    _carry(task.source, sidecar, target, request, keep_date)
        outcome = replace(outcome, skipped=not missing)
    except PhotochromError as error:
        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL
        outcome = replace(outcome, error=error, is_last=full and isinstance(error, OutputError))
    except MemoryError:
        outcome = replace(outcome, error=InputError(f"{task.source} needs more memory than there is"))
    except OSError as error:  # of a name that the system refuses to look at
        outcome = replace(outcome, error=OutputError(f"cannot write {error.filename}: {_advice(error)}"))
    except Exception as error:  # of a library, at a file that is odd in a way that nobody thought of
        outcome = replace(outcome, error=InputError(f"{task.source} {our_fault(error)}"))
    return replace(outcome, seconds=time.monotonic() - began)


def recorded(
    outcomes: Iterator[Outcome], path: Path, colorizer: Colorizer, model: str, request: Request
) -> Iterator[Outcome]:
    """The same outcomes, while a line for each color version and each failure is added to a record.

    A photograph that is skipped gets none: its line stands from the run that colored it. Raises InputError or
    OutputError.
    """
    record = Record(path)
    try:
        for outcome in outcomes:
            for line in _lines(outcome, colorizer, model, request):
                record.add(line)
            yield outcome
    finally:
        record.close()


def _lines(outcome: Outcome, colorizer: Colorizer, model: str, request: Request) -> Iterator[Line]:
    """Lines of a record: one for each output, and one for an error."""
    name = model if model in BUNDLED_MODELS else Path(model).name
    line = Line(
        now(), COLORED, str(outcome.task.source), outcome.source_sha256, "", "", name, colorizer.backend.info.digest,
        {}, outcome.seconds,
    )  # fmt: skip
    output = asdict(replace(request.output, credentials=None))
    del output["credentials"]  # a private key is in no record
    rest = {"working_size": colorizer.working_size, "crop_border": request.crop_border}
    for new in outcome.written:
        output["format"] = request.output.format or format_of(new.path)
        settings = asdict(request.look.variant(new.number)) | output | rest
        yield replace(line, output=str(new.path), output_sha256=new.sha256, settings=settings)
    if outcome.error is not None:
        settings = asdict(request.look) | output | rest
        yield replace(line, outcome=FAILED, settings=settings, error=str(outcome.error))


def _advice(error: OSError) -> str:
    advice = ": name a folder with -o, in which it keeps its own name" if error.errno == errno.ENAMETOOLONG else ""
    return reason_of(error) + advice


def _carry(photograph: Path, sidecar: Path, target: Path, request: Request, keep_date: bool) -> None:
    """Copy what stays true of a sidecar. Raises InputError or OutputError."""
    try:
        content, modified = sidecar.read_bytes(), os.stat(sidecar).st_mtime_ns
    except OSError as error:
        raise InputError(f"cannot read {sidecar}: {reason_of(error)}") from error
    make_folder(target.parent)
    resized = request.crop_border or request.output.side_by_side
    content = true_sidecar(content, lambda: read_bytes(photograph), resized=resized)
    write_bytes(target, content, modified if keep_date else None)


def _colorizer(model: str, working_size: int) -> Colorizer:
    if not isinstance(model, str):
        raise WeightsError(f"a model is a name or a path, not a value of type {type(model).__name__}")
    WORKING_SIZE.check(working_size, "working size in pixels")
    return _cached_colorizer(model, working_size)


@cache
def _cached_colorizer(model: str, working_size: int) -> Colorizer:
    return Colorizer(model, working_size=working_size)
