"""What an evaluation found: the measures of every contestant, and the figures that come from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from photochrom.evaluation.metrics import Estimate, estimate, wrong_skin
from photochrom.photo.color import FloatArray

MEASURES = (
    "delta_e",
    "colorfulness",
    "psnr",
    "ssim",
    "skin_hue",
    "skin_chroma",
    "delta_e_95",
    "left_gray",
    "region_spread",
    "region_chroma",
)


@dataclass(frozen=True)
class Scores:
    """One contestant's numbers: each measure's value for every photograph, (N,), and distances of the whole."""

    name: str
    measures: dict[str, FloatArray]
    distances: dict[str, float] = field(default_factory=dict)

    def mean(self, measure: str) -> float:
        return float(self.measures[measure].mean())


@dataclass(frozen=True)
class TrueMeasures:
    """What is measured on the photographs themselves, each (N,)."""

    colorfulness: FloatArray
    colorful: FloatArray  # share of the pixels that `left_gray` looks at
    region_spread: FloatArray  # of `region_spread`; NaN where there are no regions of one color
    region_chroma: FloatArray


@dataclass
class Evaluation:
    """What `evaluate` found."""

    photographs: list[str]
    true: TrueMeasures
    scores: list[Scores]  # gray first
    diversity: dict[str, dict[str, float]] = field(default_factory=dict)  # by model
    hint_curves: dict[str, dict[int, FloatArray]] = field(default_factory=dict)  # by model, by count: delta E (N,)
    historic: list[dict[str, object]] = field(default_factory=list)  # one row per model, way and strength
    strips: dict[int, NDArray[np.uint8]] = field(default_factory=dict)  # gray | each contestant | truth
    chosen: dict[str, dict[str, list[int]]] = field(default_factory=dict)  # by contestant: best, median, worst
    settings: dict[str, object] = field(default_factory=dict)

    @property
    def contestants(self) -> list[str]:
        """The contestants' names, without baselines and scaled copies."""
        return list(self.chosen)

    def __getitem__(self, name: str) -> Scores:
        return next(s for s in self.scores if s.name == name)

    def ratio(self, name: str) -> tuple[float, float]:
        """Mean delta E over gray's, and mean colorfulness over the truth's."""
        return (
            self[name].mean("delta_e") / self["gray"].mean("delta_e"),
            self[name].mean("colorfulness") / float(self.true.colorfulness.mean()),
        )

    def faults(self, name: str) -> dict[str, Estimate]:
        """The faults that people notice first, with their intervals."""
        measures, gray, true = self[name].measures, self["gray"].measures, self.true
        left = np.nan_to_num(measures["left_gray"]) * true.colorful  # share of all pixels
        return {
            "delta_e_95": estimate([measures["delta_e_95"]]),
            "delta_e_95_ratio": estimate([measures["delta_e_95"]], [gray["delta_e_95"]]),
            "left_gray": estimate([left], [true.colorful]),
            "patchy_ratio": estimate(
                [measures["region_spread"], true.region_chroma], [measures["region_chroma"], true.region_spread]
            ),
            "wrong_skin": estimate([wrong_skin(measures["skin_hue"], measures["skin_chroma"])]),
        }
