"""Files in, files out: color the photographs that planning.py has found."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from numpy.typing import NDArray

from photochrom.coloring import Look, Output, Predictor, Request, admit, color, color_photograph
from photochrom.disk import make_folder
from photochrom.errors import (
    InColorError,
    InputError,
    OutputError,
    PhotochromError,
    WeightsError,
    our_fault,
    reason_of,
)
from photochrom.existing import LEFT, Fate, left_as_it_is
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.inference.devices import find_device
from photochrom.photo.decoding import read_bytes
from photochrom.photo.hints import Hint, check_hints
from photochrom.photo.kinds import to_kind, to_photograph
from photochrom.photo.metadata.sidecar import true_sidecar
from photochrom.photo.photograph import Photograph, write_bytes
from photochrom.photo.spool import sha256_of
from photochrom.planning import Failure, Task
from photochrom.records import COLORED, FAILED, Line, Record, now
from photochrom.rerun import fate_of, settings_in_record
from photochrom.settings import AUTO, DEFAULT_MODEL, STRENGTH, WARMTH, WORKING_SIZE, format_of, plain

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
class Manner:
    """How a run treats its tasks.

    overwrite: outputs that exist are made again. any_model: the user named no model, so what another version of the
    bundled one colored stays. known: a record's lines, by their outputs. keep_date: outputs get the date of their
    source's last change. dry: nothing is written; the outcomes say what would be.
    """

    overwrite: bool = False
    any_model: bool = False
    known: Mapping[str, Line] = field(default_factory=dict)
    keep_date: bool = False
    dry: bool = False


@dataclass(frozen=True)
class Outcome:
    """The result of a task: colored, skipped because its outputs exist, left, or failed with an error.

    is_last: nothing more can be written, so the run ends.
    written: the new files.
    wanted: those that had to be made.
    unsaid: whether there are outputs that can't say how they were made, and so stay.
    left: a sentence for each output that had to be left.
    in_color: the photograph was left for the colors it has; the error says so.
    source_sha256: of the source, if it could be read.
    seconds: that the task took.
    left_out: what of the source's metadata its outputs don't have, each in words.
    """

    task: Task
    skipped: bool = False
    error: PhotochromError | None = None
    is_last: bool = False
    written: tuple[Written, ...] = ()
    wanted: tuple[Path, ...] = ()
    unsaid: bool = False
    left: tuple[str, ...] = ()
    source_sha256: str = ""
    seconds: float = 0.0
    left_out: tuple[str, ...] = ()

    @property
    def in_color(self) -> bool:
        """Whether the photograph was left because it is in color already."""
        return isinstance(self.error, InColorError)

    @property
    def failed(self) -> bool:
        """Whether something went wrong."""
        return self.error is not None and not self.in_color


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
    device: str = ...,
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
    device: str = ...,
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
    device: str = AUTO,
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
    AI, and how (arrays and Pillow's images have none). model: a bundled model's name, or a path. device: where
    the network runs, see Colorizer. Raises InputError, WeightsError or DeviceError.
    """
    look = Look(plain(strength), plain(seed), check_hints(hints), warmth=plain(warmth))
    colorizer = _colorizer(os.fspath(model) if isinstance(model, os.PathLike) else model, working_size, device)
    return to_kind(color_photograph(to_photograph(photograph), look, colorizer, Output(mark=mark)), photograph)


def run(
    tasks: Iterable[Task], predictor: Predictor, request: Request, manner: Manner = Manner(), *, jobs: int = 1
) -> Iterator[Outcome]:
    """Do the tasks, `jobs` at a time, and yield the outcome of each when it is done.

    If a disk is full or can't be written, the tasks that have not begun are left.
    """
    waiting = iter(tasks)
    pool = ThreadPoolExecutor(jobs)
    finished = False
    try:
        running: set[Future[Outcome]] = set()
        while True:
            # Only as many tasks are submitted as can run, so that an interrupted run stops at once.
            for task in islice(waiting, jobs - len(running)):
                running.add(pool.submit(run_task, task, predictor, request, manner))
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


def run_task(task: Task, predictor: Predictor, request: Request, manner: Manner = Manner()) -> Outcome:
    """Color one photograph and write its outputs and sidecars; existing.py has the rule for outputs that are there.

    Whatever is wrong with the photograph, its outcome says it, and nothing is raised.
    """
    began = time.monotonic()
    outcome = Outcome(task)
    # Without --format the output's suffix decides.
    output = replace(request.output, format=request.output.format or format_of(task.outputs[0]))
    request = replace(request, output=output)
    try:
        data = read_bytes(task.source)
        outcome = replace(outcome, source_sha256=sha256_of(data))
        outcome = _decided(outcome, predictor, request, manner)
        missing = {number: path for number, path in enumerate(task.outputs) if path in outcome.wanted}
        if manner.dry:
            if missing:
                admit(data, str(task.source), request)
            return outcome
        if missing:
            modified = os.stat(task.source).st_mtime_ns if manner.keep_date else None
            colored = color(data, str(task.source), request, predictor, missing)
            left_out: dict[str, None] = {}
            for (number, path), (content, _, lost) in zip(missing.items(), colored, strict=True):
                make_folder(path.parent)
                write_bytes(path, content, modified)
                new = Written(path, number, sha256_of(content))
                left_out |= dict.fromkeys(lost)
                outcome = replace(outcome, written=(*outcome.written, new), left_out=tuple(left_out))
        for sidecar, targets in task.sidecars:
            for target in targets:
                if manner.overwrite or not target.exists():
                    _carry(task.source, sidecar, target, request, manner.keep_date)
    except PhotochromError as error:
        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL
        outcome = replace(outcome, error=error, is_last=full and isinstance(error, OutputError))
    except MemoryError:
        outcome = replace(outcome, error=InputError(f"{task.source} needs more memory than there is"))
    except OSError as error:  # of a name that the system refuses to look at
        # Or of the folder of temporary files, which has no name here: a large photograph is kept there.
        failed = OutputError(f"cannot write {error.filename or tempfile.gettempdir()}: {_advice(error, task)}")
        outcome = replace(outcome, error=failed, is_last=error.errno in FULL)
    except Exception as error:  # of a library, at a file that is odd in a way that nobody thought of
        outcome = replace(outcome, error=InputError(f"{task.source} {our_fault(error)}"))
    return replace(outcome, seconds=time.monotonic() - began)


def _decided(begun: Outcome, predictor: Predictor, request: Request, manner: Manner) -> Outcome:
    """The outcome, with what becomes of each output. Raises InputError for one that can't be read."""
    outputs = begun.task.outputs
    fates = {path: _fate(path, number, begun, predictor, request, manner) for number, path in enumerate(outputs)}
    wanted = tuple(path for path, fate in fates.items() if fate in (None, Fate.REPLACED))
    left = tuple(left_as_it_is(path, fate) for path, fate in fates.items() if fate in LEFT)
    skipped, unsaid = not wanted and not left, Fate.UNSAID in fates.values()
    return replace(begun, wanted=wanted, left=left, skipped=skipped, unsaid=unsaid)


def _fate(
    path: Path, number: int, begun: Outcome, predictor: Predictor, request: Request, manner: Manner
) -> Fate | None:
    """What becomes of an output, the number of whose variant is given; None if it isn't there, or doesn't count."""
    if manner.overwrite or not path.is_file():
        return None
    return fate_of(
        read_bytes(path),
        replace(request, look=request.look.variant(number)),
        predictor.model_info,
        predictor.working_size,
        source=begun.source_sha256,
        any_model=manner.any_model,
        line=manner.known.get(str(path)),
    )


def recorded(
    outcomes: Iterator[Outcome], record: Record, predictor: Predictor, request: Request, untried: Iterable[Failure] = ()
) -> Iterator[Outcome]:
    """The same outcomes, while a line for each color version and each failure is added to a record.

    untried: what failed before. A photograph that is skipped gets no line: its line stands from the run that colored
    it. Nor does one that is left. Raises OutputError.
    """
    for source, error in untried:
        for line in _lines(Outcome(Task(source, ()), error=error), predictor, request):
            record.add(line)
    for outcome in outcomes:
        for line in _lines(outcome, predictor, request):
            record.add(line)
        yield outcome


def _lines(outcome: Outcome, predictor: Predictor, request: Request) -> Iterator[Line]:
    """Lines of a record: one for each output, and one for an error."""
    model, size = predictor.model_info, predictor.working_size
    line = Line(
        now(), COLORED, str(outcome.task.source), outcome.source_sha256, "", "", model.name or model.preset,
        model.digest, {}, outcome.seconds,
    )  # fmt: skip
    for new in outcome.written:
        output = replace(request.output, format=request.output.format or format_of(new.path))
        made = replace(request, look=request.look.variant(new.number), output=output)
        settings = settings_in_record(made, size)
        yield replace(line, output=str(new.path), output_sha256=new.sha256, settings=settings)
    if outcome.failed:
        yield replace(line, outcome=FAILED, settings=settings_in_record(request, size), error=str(outcome.error))


def _advice(error: OSError, task: Task) -> str:
    if error.errno != errno.ENAMETOOLONG:
        return reason_of(error)
    if any(output.parent == task.source.parent for output in task.outputs):
        return f"{reason_of(error)}: name a folder with -o, in which it keeps its own name"
    return f"{reason_of(error)}: give the photograph a shorter name"


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


def _colorizer(model: str, working_size: int, device: str) -> Colorizer:
    if not isinstance(model, str):
        raise WeightsError(f"a model is a name or a path, not a value of type {type(model).__name__}")
    WORKING_SIZE.check(working_size, "working size in pixels")
    find_device(device)  # refuses what is none
    return _cached_colorizer(model, working_size, device)


@cache
def _cached_colorizer(model: str, working_size: int, device: str) -> Colorizer:
    return Colorizer(model, working_size=working_size, device=device)
