"""Files in, files out: find the photographs of a call, plan their outputs, and color them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path

from photochrom.coloring import Look, Output, Predictor, Request, color, color_photograph
from photochrom.disk import make_folder
from photochrom.errors import InputError, OutputError, PhotochromError, reason_of
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.photo.decoding import read_bytes, read_photograph
from photochrom.photo.hints import Hint
from photochrom.photo.photograph import Photograph, write_bytes
from photochrom.settings import (
    COLOR_SUFFIX,
    DEFAULT_MODEL,
    FORMATS,
    READABLE_SUFFIXES,
    STRENGTH,
    format_of,
    is_photograph,
    written_suffixes,
)


@dataclass(frozen=True)
class Task:
    """One photograph and the files its colorings go to, one per variant."""

    source: Path
    outputs: tuple[Path, ...]


@dataclass(frozen=True)
class Outcome:
    """The result of a task: colored, skipped because its outputs exist, or failed with an error.

    left_out: what of the source's metadata its outputs don't have, each in words.
    """

    task: Task
    skipped: bool = False
    error: PhotochromError | None = None
    left_out: tuple[str, ...] = ()


def colorize(
    photograph: str | Path | Photograph,
    *,
    strength: float = STRENGTH.default,
    seed: int | None = None,
    hints: Sequence[Hint] = (),
    model: str = DEFAULT_MODEL,
    working_size: int = DEFAULT_WORKING_SIZE,
    mark: bool = True,
) -> Photograph:
    """Color a photograph, or the file at a path; its metadata, size and bit depth are kept.

    strength multiplies the chroma; seed chooses another plausible coloring; hints put colors at places; mark: whether
    the metadata say that the colors were made by AI, and how.
    Save the result with its `save` method. Raises InputError or WeightsError.
    """
    look = Look(strength, seed, tuple(hints))
    if not isinstance(photograph, Photograph):
        photograph = read_photograph(photograph)
    return color_photograph(photograph, look, _colorizer(model, working_size), Output(mark=mark))


def plan(
    inputs: Sequence[Path], out: Path | None = None, *, format: str | None = None, variants: int = 1
) -> list[Task]:
    """The tasks for files and folders.

    out: a folder (it gets the files' names, and the structure of input folders), a file name for a single input, or
    None for NAME-color.EXT beside each input. format: None for each input's own. Raises InputError for an input that
    doesn't exist, or for outputs that would overwrite each other or an input.
    """
    found = list(_find(inputs, out))
    if not found:
        raise InputError(f"no photographs in {', '.join(map(str, inputs))}")
    as_file = out is not None and not out.is_dir() and out.suffix != "" and len(inputs) == 1 and not inputs[0].is_dir()
    if as_file and out is not None and format_of(out) is None and format is None:
        choices = ", ".join(written_suffixes())
        raise InputError(f"no photograph format is called {out.suffix}: choose one of {choices}")
    if as_file and out is not None and format not in (None, format_of(out)):
        raise InputError(
            f"{out} is not the name of a {FORMATS[str(format)].label} file: leave out --format, or change the name"
        )
    tasks = []
    for source, relative in found:
        if as_file and out is not None:
            path = out
        elif out is not None:
            path = _with_format(out / relative, format)
        else:
            path = _with_format(source.with_stem(source.stem + COLOR_SUFFIX), format)
        tasks.append(Task(source, _numbered(path, variants)))
    _check_outputs(tasks)
    return tasks


def run(
    tasks: Iterable[Task], predictor: Predictor, request: Request, *, overwrite: bool = False, jobs: int = 1
) -> Iterator[Outcome]:
    """Do the tasks, `jobs` at a time, and yield the outcome of each when it is done."""
    waiting = iter(tasks)
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future[Outcome]] = set()
        while True:
            # Only as many tasks are submitted as can run, so that an interrupted run stops at once.
            for task in islice(waiting, jobs - len(running)):
                running.add(pool.submit(run_task, task, predictor, request, overwrite))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def run_task(task: Task, predictor: Predictor, request: Request, overwrite: bool = False) -> Outcome:
    """Color one photograph and write its outputs; existing ones are skipped, unless overwrite."""
    # Without --format the output's suffix decides.
    output = replace(request.output, format=request.output.format or format_of(task.outputs[0]))
    request = replace(request, output=output)
    try:
        missing = {number: path for number, path in enumerate(task.outputs) if overwrite or not path.is_file()}
        if not missing:
            return Outcome(task, skipped=True)
        colored = color(read_bytes(task.source), str(task.source), request, predictor, missing)
        left_out: dict[str, None] = {}
        for path, (content, _, lost) in zip(missing.values(), colored, strict=True):
            make_folder(path.parent)
            write_bytes(path, content)
            left_out |= dict.fromkeys(lost)
    except PhotochromError as error:
        return Outcome(task, error=error)
    except MemoryError:
        return Outcome(task, error=InputError(f"{task.source} needs more memory than there is"))
    except OSError as error:  # of a name that the system refuses to look at
        return Outcome(task, error=OutputError(f"cannot write {error.filename}: {reason_of(error)}"))
    return Outcome(task, left_out=tuple(left_out))


@cache
def _colorizer(model: str, working_size: int) -> Colorizer:
    return Colorizer(model, working_size=working_size)


def _find(inputs: Sequence[Path], out: Path | None) -> Iterator[tuple[Path, Path]]:
    """Photographs as (path, path below an output folder); outputs of earlier runs are left out."""
    for source in inputs:
        if source.is_dir():
            below = ((p, p.relative_to(source)) for p in sorted(source.rglob("*")))
            files = {p: relative for p, relative in below if is_photograph(str(relative)) and p.is_file()}
            for path, relative in files.items():
                if not _is_below(path, out, source) and not _is_color_version(path, files.keys()):
                    yield path, relative
        elif source.exists():
            yield source, Path(source.name)
        else:
            raise InputError(f"{source} does not exist")


def _is_below(path: Path, out: Path | None, source: Path) -> bool:
    """Whether a file stands in an output folder that is inside the input folder: an earlier run's output."""
    inside = out is not None and source.resolve() in out.resolve().parents
    return inside and out is not None and out.resolve() in path.resolve().parents


def _is_color_version(path: Path, names: Container[Path]) -> bool:
    """Whether NAME-color.EXT or NAME-color-2.EXT stands beside its NAME."""
    match = re.fullmatch(rf"(.+){COLOR_SUFFIX}(-\d+)?", path.stem)
    return match is not None and any(path.with_name(match[1] + suffix) in names for suffix in READABLE_SUFFIXES)


def _with_format(path: Path, format: str | None) -> Path:
    """The path with a suffix that can be written: the given format's, else its own, else PNG's."""
    own = format_of(path)
    wanted = format or own or "png"
    return path if own == wanted else path.with_suffix(FORMATS[wanted].suffixes[0])


def _numbered(path: Path, variants: int) -> tuple[Path, ...]:
    if variants == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}-{number}") for number in range(1, variants + 1))


def _check_outputs(tasks: list[Task]) -> None:
    sources = {task.source.resolve() for task in tasks}
    taken: dict[Path, Path] = {}
    for task in tasks:
        for path in task.outputs:
            resolved = path.resolve()
            if resolved in sources:
                raise InputError(
                    f"the color version of {task.source} would overwrite the photograph {path}: choose another -o"
                )
            if resolved in taken:
                raise InputError(f"{taken[resolved]} and {task.source} would both be written to {path}")
            taken[resolved] = task.source
