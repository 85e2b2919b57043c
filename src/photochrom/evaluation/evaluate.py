"""Evaluation: take the color from photographs, put it back with each model, compare with the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom import __version__
from photochrom.errors import InputError
from photochrom.evaluation.metrics import colorfulness, delta_e
from photochrom.inference.colorizer import DEFAULT_WORKING_SIZE, Coloring, Colorizer
from photochrom.photo.collections import decode_squares, find_photographs
from photochrom.photo.color import FloatArray, join, rgb_to_lab
from photochrom.photo.hints import Hint

SIDE = 256  # pixels: photographs are compared as squares of this side
BATCH = 16  # photographs colored at a time
SHEET_PHOTOGRAPHS = 24  # on the contact sheet
MATCH_ROUNDS = 12  # halvings in the search for the strength that matches the truth's colorfulness
MATCH_LIMIT = 8.0  # the largest such strength


@dataclass
class Scores:
    """One way of coloring, over all photographs: an array (N,) a measure, in the photographs' order."""

    name: str
    delta_e: FloatArray  # mean color-only CIEDE2000 (the truth's L on both sides)
    colorfulness: FloatArray


@dataclass
class Evaluation:
    """What `evaluate` found. The first two scores are the truth's and the gray picture's."""

    photographs: list[str]
    scores: list[Scores]
    figures: dict[str, dict[str, float]] = field(default_factory=dict)  # by model: diversity and the like
    sheet: NDArray[np.uint8] | None = None  # gray | each model | truth, a row a photograph
    settings: dict[str, object] = field(default_factory=dict)

    def ratio(self, name: str) -> tuple[float, float]:
        """Mean delta E over gray's, and mean colorfulness over the truth's."""
        by_name = {s.name: s for s in self.scores}
        scores, gray, truth = by_name[name], by_name["gray"], by_name["truth"]
        return (
            float(scores.delta_e.mean() / gray.delta_e.mean()),
            float(scores.colorfulness.mean() / truth.colorfulness.mean()),
        )


@dataclass(frozen=True)
class Truth:
    """A color photograph and what the comparisons need of it."""

    name: str
    rgb8: NDArray[np.uint8]
    lab: FloatArray
    luminance: FloatArray

    def compare(self, chroma: FloatArray) -> tuple[float, float]:
        """Mean delta E and colorfulness of chroma (2, H, W) on this photograph's luminance."""
        rgb = join(self.luminance, chroma)
        shown = rgb_to_lab(rgb)
        shown[..., 0] = self.lab[..., 0]
        return float(delta_e(shown, self.lab).mean()), colorfulness(rgb)


def evaluate(
    sources: list[Path],
    models: list[str],
    *,
    limit: int | None = None,
    samples: int = 0,
    hint_counts: tuple[int, ...] = (),
    working_size: int = DEFAULT_WORKING_SIZE,
) -> Evaluation:
    """Measure models (names or paths) on the color photographs in folders or ZIP archives.

    Each photograph's central square of 256 pixels is colored from its luminance by the Colorizer that users
    run. limit: only so many, evenly spread. samples: colorings with seeds 1, 2, ... for diversity and
    best-of-many. hint_counts: also color with so many true-color points. Raises InputError, WeightsError.
    """
    colorizers = {name: Colorizer(name, working_size=working_size) for name in models}
    truths = read_truths(sources, limit)
    zero = np.zeros((2, SIDE, SIDE), np.float32)
    evaluation = Evaluation(
        [t.name for t in truths],
        [
            Scores(
                "truth",
                np.zeros(len(truths), np.float32),
                _each(truths, lambda t: colorfulness(t.rgb8 / np.float32(255))),
            ),
            _score("gray", truths, lambda t: zero),
        ],
        settings={"photochrom": __version__, "side": SIDE, "working_size": working_size, "samples": samples},
    )
    mean_chroma = np.mean([t.lab[..., 1:].mean(axis=(0, 1)) for t in truths], axis=0)
    constant = np.broadcast_to(mean_chroma[:, None, None], zero.shape).astype(np.float32)
    evaluation.scores.append(_score("mean ab", truths, lambda t: constant))
    columns = []
    for name, colorizer in colorizers.items():
        chromas = list(_color(colorizer, truths))
        scores = _score_all(name, truths, chromas)
        evaluation.scores += [scores, _match_colorfulness(name, truths, chromas)]
        if samples:
            evaluation.figures[name] = _sample(colorizer, truths, samples)
        for count in hint_counts:
            hints = [random_true_hints(t, count, number) for number, t in enumerate(truths)]
            hinted = list(_color(colorizer, truths, hints=hints))
            evaluation.scores.append(_score_all(f"{name}, {count} hints", truths, hinted))
        columns.append(chromas)
    evaluation.sheet = _sheet(truths, columns)
    return evaluation


def read_truths(sources: list[Path], limit: int | None) -> list[Truth]:
    """The photographs to compare with. Raises InputError if there are none to read."""
    members = find_photographs(sources)
    if limit is not None and limit < len(members):
        members = [members[i] for i in np.linspace(0, len(members) - 1, limit).astype(int)]
    truths = []
    for member, rgb8 in zip(members, decode_squares(members, SIDE), strict=True):
        if rgb8 is not None:
            lab = rgb_to_lab(rgb8.astype(np.float32) / 255)
            truths.append(Truth(member.name, rgb8, lab, lab[..., 0]))
    if not truths:
        raise InputError("none of the photographs can be read")
    return truths


def random_true_hints(truth: Truth, count: int, seed: int) -> list[Hint]:
    """True colors at random points, each the mean over 3 x 3 pixels."""
    source = np.random.default_rng(seed)
    hints = []
    for y, x in source.integers(1, SIDE - 1, (count, 2)):
        r, g, b = truth.rgb8[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1)).round().astype(int)
        hints.append(Hint(float(x), float(y), f"#{r:02x}{g:02x}{b:02x}"))
    return hints


def _color(
    colorizer: Colorizer, truths: list[Truth], *, seed: int | None = None, hints: list[list[Hint]] | None = None
) -> Iterator[FloatArray]:
    """Chroma (2, SIDE, SIDE) of each photograph, before it is fitted into the gamut."""
    waiting = iter(range(len(truths)))
    while batch := list(islice(waiting, BATCH)):
        colorings = colorizer.predict(
            [truths[i].rgb8 for i in batch], seed=seed, hints=[hints[i] for i in batch] if hints else None
        )
        for i, coloring in zip(batch, colorings, strict=True):
            yield full_size_chroma(coloring, truths[i].luminance)


def full_size_chroma(coloring: Coloring, luminance: FloatArray) -> FloatArray:
    """A coloring's chroma (2, H, W) over a photograph's luminance (H, W)."""
    return coloring.guided().rows(luminance, 0, luminance.shape[0])


def _each(truths: list[Truth], measure: Callable[[Truth], float]) -> FloatArray:
    return np.array([measure(truth) for truth in truths], np.float32)


def _score(name: str, truths: list[Truth], chroma_of: Callable[[Truth], FloatArray]) -> Scores:
    return _score_all(name, truths, [chroma_of(truth) for truth in truths])


def _score_all(name: str, truths: list[Truth], chromas: list[FloatArray]) -> Scores:
    pairs = np.array([truth.compare(chroma) for truth, chroma in zip(truths, chromas, strict=True)], np.float32)
    return Scores(name, pairs[:, 0], pairs[:, 1])


def _match_colorfulness(name: str, truths: list[Truth], chromas: list[FloatArray]) -> Scores:
    """Scores with all chroma scaled alike so that the mean colorfulness is the truth's, by bisection."""
    some = range(0, len(truths), max(1, len(truths) // 200))  # enough to find one number

    def mean_colorfulness(strength: float) -> float:
        return float(
            np.mean([colorfulness(join(truths[i].luminance, chromas[i] * np.float32(strength))) for i in some])
        )

    wanted = np.mean([colorfulness(truths[i].rgb8 / np.float32(255)) for i in some])
    low, high = 0.0, MATCH_LIMIT
    for _ in range(MATCH_ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_colorfulness(middle) < wanted else (low, middle)
    strength = (low + high) / 2
    return _score_all(f"{name}, strength {strength:.2f}", truths, [c * np.float32(strength) for c in chromas])


def _sample(colorizer: Colorizer, truths: list[Truth], samples: int) -> dict[str, float]:
    """Diversity: how far samples are from each other, and what the best of them gains over one."""
    errors, spreads = [], []
    # All seeds side by side, photograph by photograph: only a batch of each is held at a time.
    drawn = zip(*(_color(colorizer, truths, seed=seed) for seed in range(1, samples + 1)), strict=True)
    for truth, chromas in zip(truths, drawn, strict=True):
        errors.append([truth.compare(chroma)[0] for chroma in chromas])
        labs = [np.concatenate([truth.lab[..., :1], np.moveaxis(c, 0, -1)], axis=-1) for c in chromas]
        distances = [delta_e(one, other).mean() for one, other in combinations(labs, 2)]
        spreads.append(np.mean(distances) if distances else 0.0)
    single, best = np.mean(errors), np.min(errors, axis=1).mean()
    return {
        "samples": samples,
        "single_sample_delta_e": float(single),
        "best_sample_delta_e": float(best),
        "best_over_single": float(best / single),
        "mean_pairwise_delta_e": float(np.mean(spreads)),
    }


def _sheet(truths: list[Truth], columns: list[list[FloatArray]]) -> NDArray[np.uint8]:
    """A contact sheet (rows * SIDE, columns * SIDE, 3): gray | each model | truth."""
    rows = []
    for i in np.linspace(0, len(truths) - 1, min(SHEET_PHOTOGRAPHS, len(truths))).astype(int):
        luminance = truths[i].luminance
        pictures = [join(luminance, c) for c in (np.zeros((2, SIDE, SIDE), np.float32), *(c[i] for c in columns))]
        colored = [np.rint(picture * 255).astype(np.uint8) for picture in pictures]
        rows.append(np.concatenate([*colored, truths[i].rgb8], axis=1))
    return np.concatenate(rows)
