"""Which photographs a call colors, and where their color versions go."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from photochrom.errors import InputError, reason_of
from photochrom.folders import Listing, describe, list_folder
from photochrom.names import SIDECAR, color_name, contested, long_color_name, sidecar_name, sidecars_of
from photochrom.settings import COLOR_SUFFIX, COMPARED_SUFFIX, FORMATS, READABLE_SUFFIXES, format_of, written_suffixes

TRIED = 20  # names of a folder


@dataclass(frozen=True)
class Task:
    """One photograph and the files its colorings go to, one per variant.

    sidecars: XMP files beside it that are carried along, each with its names beside the outputs.
    """

    source: Path
    outputs: tuple[Path, ...]
    sidecars: tuple[tuple[Path, tuple[Path, ...]], ...] = ()


class Failure(NamedTuple):
    """An input or folder that can't be read, or a photograph that has no place for its color version."""

    source: Path
    error: InputError


@dataclass
class Plan:
    """What a call does.

    tasks: in the order of the inputs. left_out: how many files of folders are no photographs, by kind; named: those of
    them that messages name. failures: what is not tried, and why.
    """

    tasks: list[Task] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    """A photograph: its path, its place below an output folder, and its sidecars."""

    source: Path
    relative: Path
    sidecars: tuple[Path, ...] = ()


def plan(
    inputs: Sequence[Path],
    out: Path | None = None,
    *,
    format: str | None = None,
    variants: int = 1,
    sidecars: bool = False,
    suffix: str = COLOR_SUFFIX,
    may_be_empty: bool = False,
    into_folder: bool = False,
) -> Plan:
    """The tasks for files and folders.

    out: a folder (it gets the files' names, and the structure of input folders), a file name for a single input, or
    None for NAME-color.EXT beside each input. into_folder: whether out is a folder whatever its name is. suffix: what
    stands for "-color" there. format: None for each input's own. Where several photographs would get one name, those
    whose suffix changes become NAME.EXT.NEW. Raises InputError for a mistake in the call, or if there is nothing to
    color, unless may_be_empty.
    """
    is_single = len(inputs) == 1 and not inputs[0].is_dir()
    looks_like_file = out is not None and not into_folder and not out.is_dir() and out.suffix != ""
    if out is not None and looks_like_file and not is_single and out.suffix.lower() in READABLE_SUFFIXES:
        what = f"{inputs[0]} is a folder" if len(inputs) == 1 else f"there are {len(inputs)} inputs"
        raise InputError(f"{out} is the name of one photograph, but {what}: name a folder with -o")
    made = Plan()
    found = _without_color_versions(list(_find(inputs, out, made, sidecars)), out)
    if not found and may_be_empty:
        return made
    if not found and made.failures:
        raise made.failures[0].error
    if not found:
        left_out = describe(made.left_out, made.named)
        raise InputError(
            f"no photographs in {', '.join(map(str, inputs))}" + (f" (there are {left_out})" if left_out else "")
        )
    if out is not None and looks_like_file and is_single:
        _check_file_name(out, format)
        names = [out]
    else:
        names = _output_names(found, out, format, suffix)
    _add_tasks(made, found, names, variants)
    if not made.tasks and not may_be_empty:
        raise made.failures[0].error
    return made


def _check_file_name(out: Path, format: str | None) -> None:
    if format_of(out) is None and format is None:
        choices = ", ".join(written_suffixes())
        raise InputError(f"no photograph format is called {out.suffix}: choose one of {choices}")
    if format not in (None, format_of(out)):
        raise InputError(
            f"{out} is not the name of a {FORMATS[str(format)].label} file: leave out --format, or change the name"
        )


def _find(inputs: Sequence[Path], out: Path | None, made: Plan, sidecars: bool) -> Iterator[_Found]:
    """All photographs of the inputs, each once; what else there is goes into the plan."""
    seen = set()
    beside: dict[Path, set[str]] = {}  # what is in the folders of single files
    for source in inputs:
        problem = _problem_of(source)
        if problem is not None:
            made.failures.append(Failure(source, problem))
            continue
        if source.is_dir():
            found = _find_in_folder(source, list_folder(source, [out] if out is not None else ()), made, sidecars)
        else:
            if sidecars and source.parent not in beside:
                beside[source.parent] = _names_in(source.parent)
            others = sidecars_of(source, beside[source.parent]) if sidecars else []
            found = iter([_Found(source, Path(source.name), tuple(map(Path, others)))])
        for one in found:
            if os.path.abspath(one.source) not in seen:
                seen.add(os.path.abspath(one.source))
                yield one


def _problem_of(source: Path) -> InputError | None:
    """Why an input can't be used, as far as that can be known without reading it."""
    try:
        mode = os.stat(source).st_mode
    except FileNotFoundError:
        problem = "is a link to nothing: name a photograph" if source.is_symlink() else "does not exist: check the name"
        return InputError(f"{source} {problem}")
    except OSError as error:
        return InputError(f"cannot read {source}: {reason_of(error)}")
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        return InputError(f"{source} is a device or socket, not a photograph")
    return None


def _find_in_folder(folder: Path, listing: Listing, made: Plan, sidecars: bool) -> Iterator[_Found]:
    made.failures += [Failure(folder, error) for error in listing.unreadable]
    names = {_with_small_suffix(Path(entry.name)) for entry in listing.photographs}
    carried: set[str] = set()
    for entry in listing.photographs:
        path = Path(entry.name)
        if not _is_color_version(path, names):
            others = sidecars_of(path, listing.sidecars) if sidecars else []
            carried.update(others)
            yield _Found(folder / path, path, tuple(folder / name for name in others))
    made.left_out += listing.left_out - Counter({SIDECAR: len(carried)})
    made.named += [str(folder / name) for name in listing.named if name not in carried]


def _names_in(folder: Path) -> set[str]:
    return {str(folder / name) for name in _names(str(folder))}


def _without_color_versions(found: list[_Found], out: Path | None) -> list[_Found]:
    """Leave out what an earlier run wrote beside its inputs, as where all files of a folder are named (*.jpg)."""
    names = {_with_small_suffix(one.source) for one in found}
    return [one for one in found if out is not None or not _is_color_version(one.source, names)]


def _is_color_version(path: Path, names: Container[str]) -> bool:
    """Whether NAME-color.EXT, NAME-color-2.EXT or the like stands beside its NAME; names: `_with_small_suffix`."""
    match = re.fullmatch(rf"(.+)({COLOR_SUFFIX}|{COMPARED_SUFFIX})(-\d+)?", path.stem, re.DOTALL)
    if match is None:
        return False
    originals = (path.with_name(match[1] + suffix) for suffix in ("", *READABLE_SUFFIXES))
    return any(_with_small_suffix(original) in names for original in originals)


def _with_small_suffix(path: Path) -> str:
    """A name by which IMG.JPG is found as IMG.jpg."""
    return str(path.with_suffix(path.suffix.lower()))


def _output_names(found: list[_Found], out: Path | None, format: str | None, suffix: str) -> list[Path]:
    """A name for each color version; only photographs of the same name and suffix still share one."""
    suffix = suffix if out is None else ""
    bases = [one.source if out is None else out / one.relative for one in found]
    usual = [color_name(base, format, suffix) for base in bases]
    shared = contested(usual)
    return [
        Path(long_color_name(base, format, suffix) if name in shared and name.suffix != base.suffix else name)
        for base, name in zip(bases, usual, strict=True)
    ]


def _add_tasks(made: Plan, found: list[_Found], names: list[Path], variants: int) -> None:
    """Make a task of every photograph whose outputs are no photographs of the call, and nobody else's outputs."""
    ignores_case = cache(_ignores_case)

    def place_of(path: Path) -> str:
        """A path as its disk takes it: one that ignores case has IMG.JPG and img.jpg in one place."""
        real = _real(path)
        return real.casefold() if ignores_case(os.path.dirname(real)) else real

    sources = {place_of(one.source): one.source for one in found}
    taken: dict[str, Path] = {}
    for one, name in zip(found, names, strict=True):
        outputs = _numbered(name, variants)
        places = [place_of(path) for path in outputs]
        overwritten = [path for path, place in zip(outputs, places, strict=True) if place in sources]
        others = [taken[place] for place in places if place in taken]
        if overwritten:
            refusal = f"the color version of {one.source} would overwrite the photograph {overwritten[0]}"
            made.failures.append(Failure(one.source, InputError(f"{refusal}: choose another -o")))
            if place_of(one.source) in places:
                raise made.failures[-1].error
        elif others:
            refusal = f"{others[0]} and {one.source} would both be written to {name}"
            refusal += ": color the second one in a run of its own, with another -o"
            made.failures.append(Failure(one.source, InputError(refusal)))
        else:
            taken |= dict.fromkeys(places, one.source)
            made.tasks.append(Task(one.source, outputs, _carried(one, outputs)))


def _carried(one: _Found, outputs: Sequence[Path]) -> tuple[tuple[Path, tuple[Path, ...]], ...]:
    return tuple(
        (sidecar, tuple(Path(sidecar_name(sidecar.name, one.source, path)) for path in outputs))
        for sidecar in one.sidecars
    )


def _real(path: Path) -> str:
    """A path without links in its folders; a link to a file stays itself."""
    return os.path.join(os.path.realpath(path.parent), path.name)


def _ignores_case(folder: str) -> bool:
    """Whether a folder, or the one that it will be made in, takes the names of its files for the same in other case."""
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    paths = [os.path.join(folder, name) for name in sorted(_names(folder))[:TRIED]] or [folder]
    for path in paths:
        head, name = os.path.split(path)
        other = os.path.join(head, name.swapcase())
        if other != path:
            with suppress(OSError):
                return os.path.samefile(path, other)
            return False
    return False


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _numbered(path: Path, variants: int) -> tuple[Path, ...]:
    if variants == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}-{number}") for number in range(1, variants + 1))
