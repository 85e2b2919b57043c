"""Validation: how well a network colors photographs that it isn't trained on, and which step did it best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from photochrom.errors import TrainingError
from photochrom.networks.build import AnyGenerator
from photochrom.networks.ciede2000 import color_difference
from photochrom.networks.lab import lab_to_rgb, rgb_to_lab
from photochrom.photo.color import colorfulness
from photochrom.training.samples import central_square

DELTA_E = "validation_delta_e_over_gray"  # the measure by which the best step is chosen: less is better
COLORFULNESS = "validation_colorfulness_over_truth"
BATCH = 8  # photographs per prediction
MIN_DIFFERENCE = 1.0  # mean ΔE2000 between the photographs and gray: with less, they have no colors to compare with


class Validation:
    """Color photographs that a training is measured by; their central squares, always the same.

    photographs: uint8 (H, W, 3). size: of the squares, pixels. stride: luminance pixels per chroma pixel. Raises
    TrainingError if all of them are near gray.
    """

    def __init__(self, photographs: Sequence[NDArray[np.uint8]], size: int, stride: int, device: torch.device):
        self.device = device
        squares = torch.cat([central_square(photograph, size) for photograph in photographs])
        lab = rgb_to_lab(squares)  # (N, 3, size, size)
        small = F.avg_pool2d(lab, stride)  # (N, 3, size / stride, size / stride)
        self.luminance, self.small_luminance, self.real_chroma = lab[:, :1], small[:, :1], small[:, 1:]
        self.gray_difference = float(color_difference(torch.zeros_like(self.real_chroma), self.real_chroma).mean())
        if self.gray_difference < MIN_DIFFERENCE:
            raise TrainingError("the photographs of --validation are all near gray: name some that have colors")
        self.real_colorfulness = self._mean_colorfulness(self.real_chroma)

    @torch.no_grad()
    def measure(self, generator: AnyGenerator) -> dict[str, float]:
        """Mean CIEDE2000 over that of gray pictures, and mean colorfulness over the truth's, of the likeliest coloring.

        1 in the first is no better than no color; 1 in the second is as colorful as the photographs. Both are taken
        at the size of the network's chroma.
        """
        fake_chroma = torch.cat([self._predict(generator, batch) for batch in self.luminance.split(BATCH)])
        difference = float(color_difference(fake_chroma, self.real_chroma).mean())
        return {
            DELTA_E: round(difference / self.gray_difference, 5),
            COLORFULNESS: round(self._mean_colorfulness(fake_chroma) / self.real_colorfulness, 5),
        }

    def _predict(self, generator: AnyGenerator, luminance: Tensor) -> Tensor:
        """Chroma (N, 2, h, w) without hints and noise."""
        near = luminance.to(self.device)
        hints = near.new_zeros(len(near), 3, *near.shape[2:])
        noise = near.new_zeros(len(near), generator.noise_channels)
        return generator(near, hints, noise).float().cpu()

    def _mean_colorfulness(self, chroma: Tensor) -> float:
        rgb = lab_to_rgb(torch.cat([self.small_luminance, chroma], dim=1)).clamp(0, 1).permute(0, 2, 3, 1).numpy()
        return float(np.mean([colorfulness(picture) for picture in rgb]))


@dataclass(frozen=True)
class Best:
    """The best validation so far: its ΔE2000 over gray, its step, and how many were not better since."""

    value: float = math.inf
    step: int = 0
    waited: int = 0

    def after(self, value: float, step: int) -> Best:
        """The best of this and another validation."""
        return Best(value, step) if value < self.value else replace(self, waited=self.waited + 1)
