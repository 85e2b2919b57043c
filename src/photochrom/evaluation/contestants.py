"""The contestants: the chroma that models, other tools and baselines give to every photograph."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom.coloring import Look
from photochrom.errors import InputError
from photochrom.evaluation.protocols import Truths, read_outputs
from photochrom.inference.colorizer import Colorizer
from photochrom.photo.color import FloatArray, colorfulness, rgb_to_lab
from photochrom.photo.joining import join
from photochrom.settings import STRENGTH

BATCH = 16  # photographs per prediction
SCALES = (0.5, 1.5)  # strengths of the copies that are compared beside every contestant
RESERVED_NAMES = ("truth", "gray", "mean ab")  # rows of every report
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories: control characters, broken ones, ends of lines
MATCH_ROUNDS = 12  # halvings of a strength between 0 and MATCH_LIMIT
MATCH_LIMIT = 10.0
MATCH_PHOTOGRAPHS = 256  # enough to find one number


@dataclass(frozen=True, eq=False)
class Contestant:
    """A coloring of every photograph.

    chromas: (N, 2, S, S) in Lab units, of any float type, in memory or on disk; strength multiplies it.
    """

    name: str
    chromas: FloatArray
    strength: float = STRENGTH.default

    def chroma(self, number: int) -> FloatArray:
        """Chroma (2, S, S) of one photograph."""
        return self.chromas[number].astype(np.float32) * np.float32(self.strength)

    def scaled(self, name: str, strength: float) -> Contestant:
        """The same coloring at another strength."""
        return Contestant(name, self.chromas, strength)


def check_names(names: Sequence[str]) -> None:
    """Every contestant needs a name of its own that can stand in a table. Raises InputError."""
    for number, name in enumerate(names):
        if not name.strip():
            raise InputError(f"a contestant's name is empty: {name!r}")
        if any(unicodedata.category(character) in UNPRINTABLE for character in name):
            raise InputError(f"a contestant's name has characters that can't be printed: {name!r}")
        if name in RESERVED_NAMES:
            raise InputError(f"a contestant can't be named {name!r}, like a row of every report: choose another name")
        if name in names[:number]:
            raise InputError(f"two contestants are named {name!r}: give each a name of its own")
        for other in names:
            if name in scaled_names(other) or name.startswith(f"{other}, matched ("):
                raise InputError(f"a contestant can't be named {name!r}, like a copy of {other!r}: choose another name")


def scaled_names(name: str) -> list[str]:
    """Names of a contestant's copies at SCALES."""
    return [f"{name}, {scale:g} x" for scale in SCALES]


def baselines(truths: Truths) -> list[Contestant]:
    """Gray, and the truths' mean a and b everywhere."""
    shape = (len(truths), 2, truths.side, truths.side)
    mean = np.mean([truths.lab(i)[..., 1:].mean(axis=(0, 1)) for i in range(len(truths))], axis=0)
    return [
        Contestant("gray", np.broadcast_to(np.float32(0), shape)),
        Contestant("mean ab", np.broadcast_to(mean.astype(np.float32)[:, None, None], shape)),
    ]


def model_contestant(name: str, colorizer: Colorizer, truths: Truths, scratch: Path, **options: object) -> Contestant:
    """The coloring of a model; the chromas go to a file in folder `scratch`.

    options: those of `predictions`.
    """
    return _keep(name, predictions(colorizer, truths, **options), truths, scratch)  # type: ignore[arg-type]


def outputs_contestant(name: str, folder: Path, truths: Truths, scratch: Path) -> Contestant:
    """The coloring of another tool, from its finished pictures. Raises InputError if any is missing."""
    pictures = read_outputs(folder, truths)
    chromas = (np.moveaxis(rgb_to_lab(p.astype(np.float32) / 255)[..., 1:], -1, 0) for p in pictures)
    return _keep(name, chromas, truths, scratch)


def predictions(
    colorizer: Colorizer,
    truths: Truths,
    *,
    seed: int | None = None,
    looks: Sequence[Look] | None = None,
    pictures: Sequence[NDArray[np.uint8]] | None = None,
) -> Iterator[FloatArray]:
    """Chroma (2, S, S) of each photograph, before it is fitted into the gamut.

    seed: of all photographs. looks: one per photograph, for its hints. pictures: what the Colorizer gets instead of the
    photographs themselves.
    """
    waiting = iter(range(len(truths)))
    seen = truths.rgb8 if pictures is None else pictures
    while batch := list(islice(waiting, BATCH)):
        hints = [looks[i].hints_for(seen[i]) for i in batch] if looks else None
        colorings = colorizer.predict([seen[i] for i in batch], seed=seed, hints=hints)
        for i, coloring in zip(batch, colorings, strict=True):
            yield coloring.guided().rows(truths.lab(i)[..., 0], 0, truths.side)


def copies_of(contestant: Contestant, truths: Truths) -> list[Contestant]:
    """The contestant's copies that are measured beside it: at the truth's mean colorfulness, and at SCALES."""
    scaled = [contestant.scaled(n, k) for n, k in zip(scaled_names(contestant.name), SCALES, strict=True)]
    return [match_colorfulness(contestant, truths), *scaled]


def match_colorfulness(contestant: Contestant, truths: Truths) -> Contestant:
    """The same coloring with all chroma times one number, found by bisection: mean colorfulness becomes the truth's."""
    some = range(0, len(truths), max(1, len(truths) // MATCH_PHOTOGRAPHS))
    luminances = [truths.lab(i)[..., 0] for i in some]
    chromas = [contestant.chroma(i) for i in some]
    wanted = np.mean([colorfulness(truths.rgb8[i] / np.float32(255)) for i in some])
    low, high = 0.0, MATCH_LIMIT
    for _ in range(MATCH_ROUNDS):
        middle = (low + high) / 2
        pairs = zip(luminances, chromas, strict=True)
        found = np.mean([colorfulness(join(luminance, c * np.float32(middle))) for luminance, c in pairs])
        low, high = (middle, high) if found < wanted else (low, middle)
    strength = (low + high) / 2
    return contestant.scaled(f"{contestant.name}, matched ({strength:.2f} x)", strength)


def _keep(name: str, chromas: Iterator[FloatArray], truths: Truths, scratch: Path) -> Contestant:
    """Keep chromas on disk, in half precision: at worst 0.03 Lab units off, and small for thousands of pictures."""
    shape = (len(truths), 2, truths.side, truths.side)
    number = len(list(scratch.iterdir()))
    kept = np.memmap(scratch / f"{number}.f16", np.float16, "w+", shape=shape)
    for i, chroma in enumerate(chromas):
        kept[i] = chroma
    return Contestant(name, kept)
