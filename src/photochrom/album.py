"""From files to files: which photographs a call names, where their color versions go, and making them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path

from photochrom.errors import InputError, OutputError, PhotochromError
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Colorizer
from photochrom.inference.weights import DEFAULT_MODEL
from photochrom.photo.files import (
    DEFAULT_QUALITY,
    FORMATS,
    MAX_PIXELS,
    READABLE_SUFFIXES,
    Photograph,
    format_of,
    read_photograph,
    write_photograph,
)
from photochrom.photo.hints import Hint, HintFile

COLOR_SUFFIX = "-color"  # of the file name, where the output stands beside its input


@dataclass(frozen=True)
class Options:
    """How photographs are colored and written."""

    strength: float = 1.0
    seed: int | None = None
    variants: int = 1
    hints: tuple[Hint, ...] = ()
    hint_file: HintFile | None = None
    format: str | None = None
    quality: int = DEFAULT_QUALITY
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS

    def hints_for(self, photograph: Photograph) -> tuple[Hint, ...]:
        """All hints, in the photograph's pixels."""
        height, width = photograph.pixels.shape[:2]
        from_file = self.hint_file.for_size(width, height) if self.hint_file else ()
        return self.hints + from_file


@dataclass(frozen=True)
class Task:
    """One photograph and the files its colorings go to, one a variant."""

    source: Path
    outputs: tuple[Path, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a task: colored, skipped because its outputs exist, or failed with an error."""

    task: Task
    skipped: bool = False
    error: PhotochromError | None = None


def colorize(
    photograph: str | Path | Photograph,
    *,
    strength: float = 1.0,
    seed: int | None = None,
    hints: Sequence[Hint] = (),
    model: str = DEFAULT_MODEL,
    working_size: int = DEFAULT_WORKING_SIZE,
) -> Photograph:
    """Color a photograph given by its path, or already read; keep its metadata, size and bit depth.

    strength multiplies the chroma; seed chooses another plausible coloring; hints put colors at places.
    Save the result with its `save` method. Raises InputError or WeightsError.
    """
    if not isinstance(photograph, Photograph):
        photograph = read_photograph(photograph)
    colorizer = _colorizer(model, working_size)
    pixels = colorizer.colorize(photograph.pixels, strength=strength, seed=seed, hints=hints)
    return replace(photograph, pixels=pixels)


def plan(inputs: Sequence[Path], out: Path | None, options: Options) -> list[Task]:
    """The tasks that files and folders stand for.

    out: a folder (file names are kept, below a folder its structure too), a file name for a single input, or
    None for NAME-color.EXT beside each input. Raises InputError for an input that isn't there or outputs
    that would overwrite each other or an input.
    """
    found = list(_find(inputs, out))
    if not found:
        raise InputError(f"no photographs in {', '.join(map(str, inputs))}")
    as_file = out is not None and not out.is_dir() and out.suffix != "" and len(inputs) == 1 and inputs[0].is_file()
    if as_file and out is not None and format_of(out) is None and options.format is None:
        raise InputError(f"no photograph format is called {out.suffix}: choose one of {', '.join(_written_suffixes())}")
    tasks = []
    for source, relative in found:
        if as_file and out is not None:
            path = out
        elif out is not None:
            path = _with_format(out / relative, options.format)
        else:
            path = _with_format(source.with_stem(source.stem + COLOR_SUFFIX), options.format)
        tasks.append(Task(source, _numbered(path, options.variants)))
    _check_outputs(tasks)
    return tasks


def run(tasks: Iterable[Task], colorizer: Colorizer, options: Options, jobs: int = 1) -> Iterator[Outcome]:
    """Do the tasks, `jobs` at a time, and yield what became of each as it is done."""
    waiting = iter(tasks)
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future[Outcome]] = set()
        while True:
            # Only as many are handed out as run: an interrupted run stops at once.
            for task in islice(waiting, jobs - len(running)):
                running.add(pool.submit(run_task, task, colorizer, options))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def run_task(task: Task, colorizer: Colorizer, options: Options) -> Outcome:
    """Color one photograph into its output files, those that exist excepted."""
    missing = [(k, path) for k, path in enumerate(task.outputs) if options.overwrite or not path.exists()]
    if not missing:
        return Outcome(task, skipped=True)
    try:
        photograph = read_photograph(task.source, options.max_pixels)
        hints = options.hints_for(photograph)
        for number, path in missing:
            pixels = colorizer.colorize(
                photograph.pixels, strength=options.strength, seed=variant_seed(options.seed, number), hints=hints
            )
            _make_folder(path.parent)
            colored = replace(photograph, pixels=pixels)
            write_photograph(colored, path, options.format, options.quality)
    except PhotochromError as error:
        return Outcome(task, error=error)
    except MemoryError:
        return Outcome(task, error=InputError(f"{task.source} needs more memory than there is"))
    return Outcome(task)


def variant_seed(seed: int | None, number: int) -> int | None:
    """The seed of variant `number`, from 0: the first is the given one, the likeliest without."""
    if number == 0:
        return seed
    return (seed or 0) + number


@cache
def _colorizer(model: str, working_size: int) -> Colorizer:
    return Colorizer(model, working_size=working_size)


def _find(inputs: Sequence[Path], out: Path | None) -> Iterator[tuple[Path, Path]]:
    """Photographs as (path, path to keep below an output folder); earlier runs' outputs are left out."""
    for source in inputs:
        if source.is_dir():
            files = sorted(p for p in source.rglob("*") if p.suffix.lower() in READABLE_SUFFIXES and p.is_file())
            names = set(files)
            for path in files:
                hidden = path.name.startswith(".")
                if not hidden and not _is_below(path, out, source) and not _is_color_version(path, names):
                    yield path, path.relative_to(source)
        elif source.exists():
            yield source, Path(source.name)
        else:
            raise InputError(f"{source} does not exist")


def _is_below(path: Path, out: Path | None, source: Path) -> bool:
    return out is not None and out.resolve() != source.resolve() and out.resolve() in path.resolve().parents


def _is_color_version(path: Path, names: set[Path]) -> bool:
    """Whether NAME-color.EXT or NAME-color-2.EXT stands beside its NAME."""
    match = re.fullmatch(rf"(.+){COLOR_SUFFIX}(-\d+)?", path.stem)
    return match is not None and any(path.with_name(match[1] + suffix) in names for suffix in READABLE_SUFFIXES)


def _with_format(path: Path, format_name: str | None) -> Path:
    """The path with a suffix that can be written: the given format's, else its own, else PNG's."""
    own = format_of(path)
    wanted = format_name or own or "png"
    return path if own == wanted else path.with_suffix(FORMATS[wanted][0])


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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {(error.strerror or str(error)).lower()}") from error


def _written_suffixes() -> list[str]:
    return [suffixes[0] for suffixes in FORMATS.values()]
