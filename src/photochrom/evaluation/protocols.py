"""Protocols: which photographs are compared, and how they are made square."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom.disk import make_folder
from photochrom.errors import InputError
from photochrom.photo.collections import Member, decode_squares, find_photographs, name_unreadable
from photochrom.photo.color import FloatArray, luminance_of, rgb_to_lab
from photochrom.photo.joining import join
from photochrom.photo.photograph import Photograph


@dataclass(frozen=True)
class Protocol:
    """How a folder of photographs becomes a test set."""

    description: str
    side: int = 256  # pixels
    crop: bool = True  # the central square; otherwise the whole photograph is squeezed into a square
    first: int | None = None  # use only this many photographs, the first by name


PROTOCOLS = {
    "default": Protocol("all photographs, central square, 256 px"),
    "val5k": Protocol("the first 5,000 by name, central square, 256 px: the recipe of DDColor's Table 1", first=5000),
    "val50k": Protocol("all photographs, squashed to 256 px: the recipe of MultiColor's table", crop=False),
}


@dataclass(frozen=True)
class Truths:
    """Color photographs to compare with: their names, and 8-bit sRGB (N, S, S, 3)."""

    names: list[str]
    rgb8: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def side(self) -> int:
        return int(self.rgb8.shape[1])

    def lab(self, number: int) -> FloatArray:
        """CIELAB (S, S, 3) of one photograph."""
        return rgb_to_lab(self.rgb8[number].astype(np.float32) / 255)


def read_truths(
    sources: list[Path], protocol: Protocol, limit: int | None = None, avoid: Collection[Path] = ()
) -> Truths:
    """Read the photographs of folders and ZIP archives. limit: read only this many, evenly spread.

    avoid: folders that are not entered. A photograph's name is the same with any limit.
    Photographs that can't be read are left out and named. Raises InputError if none can be read.
    """
    members = find_photographs(sources, avoid)
    chosen = list(zip(flat_names(members), members, strict=True))[: protocol.first]
    if limit is not None and limit < len(chosen):
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, limit).astype(int)]
    squares = decode_squares([member for _, member in chosen], protocol.side, crop=protocol.crop)
    names, pictures, unreadable = [], [], []
    for (name, member), rgb8 in zip(chosen, squares, strict=True):
        if rgb8 is not None:
            names.append(name)
            pictures.append(rgb8)
        else:
            unreadable.append(member)
    name_unreadable(unreadable)
    if not pictures:
        raise InputError("none of the photographs can be read")
    return Truths(names, np.stack(pictures))


def write_inputs(truths: Truths, folder: Path) -> None:
    """Write every photograph in gray as NAME.png, for another tool to color. Raises OutputError."""
    make_folder(folder)
    for name, rgb8 in zip(truths.names, truths.rgb8, strict=True):
        Photograph(gray_of(rgb8)).save(folder / f"{name}.png")


def gray_of(rgb8: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The gray picture (S, S, 3) with the same luminance L."""
    luminance = luminance_of(rgb8)
    gray = join(luminance, np.zeros((2, *luminance.shape), np.float32))[..., :1]
    return np.rint(gray * 255).astype(np.uint8).repeat(3, axis=-1)


def read_outputs(folder: Path, truths: Truths) -> list[NDArray[np.uint8]]:
    """Another tool's finished pictures, found by the photographs' names. Raises InputError."""
    members = {Path(m.name).stem: m for m in find_photographs([folder])}
    missing = [name for name in truths.names if name not in members]
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} of {len(truths)} pictures, such as {missing[0]!r}: "
            "color what --inputs writes, and keep the names"
        )
    found = list(decode_squares([members[name] for name in truths.names], truths.side))
    damaged = [name for name, rgb8 in zip(truths.names, found, strict=True) if rgb8 is None]
    if damaged:
        raise InputError(f"{folder}: {damaged[0]!r} can't be read")
    return [rgb8 for rgb8 in found if rgb8 is not None]


def flat_names(members: Sequence[Member]) -> list[str]:
    """A name of its own for each photograph: without folders and suffix, where that is free in lower and upper case.

    Otherwise with the suffix, then with a number too. Earlier photographs have the first choice.
    """
    names: dict[str, str] = {}
    for member in members:
        path = Path(member.name.lstrip("/"))  # in an archive a name may begin with it
        name = "_".join(path.with_suffix("").parts)
        longer = (f"{name}_{path.suffix[1:]}{end}" for end in chain([""], (f"_{number}" for number in count(2))))
        free = next(choice for choice in chain([name], longer) if choice.casefold() not in names)
        names[free.casefold()] = free
    return list(names.values())
