"""The CIEDE2000 color difference of chroma, in PyTorch and differentiable everywhere.

The same definition as `photochrom.evaluation.metrics.delta_e`; a test compares the two.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TINY_CHROMA = 1e-3  # Lab units: keeps the derivative finite at chroma 0
TINY_DIFFERENCE = 1e-2  # likewise at a difference of 0


def color_difference(fake_chroma: Tensor, real_chroma: Tensor) -> Tensor:
    """CIEDE2000 between two chromas (N, 2, H, W), in Lab units, of the same luminance: (N, H, W).

    Sharma, Wu & Dalal 2005, without the terms in luminance. Near gray and near 0 it is off by up to 0.1.
    """
    a1, b1, c1 = _with_size(*fake_chroma.unbind(dim=1))
    a2, b2, c2 = _with_size(*real_chroma.unbind(dim=1))
    stretch = 1 + (1 - _strong_share((c1 + c2) / 2)) / 2
    a1, b1, c1 = _with_size(a1 * stretch, b1)
    a2, b2, c2 = _with_size(a2 * stretch, b2)

    mean_c = (c1 + c2) / 2
    mean_h = torch.atan2(b1 / c1 + b2 / c2, a1 / c1 + a2 / c2).detach()  # the shorter way round
    t = (
        1
        - 0.17 * torch.cos(mean_h - math.radians(30))
        + 0.24 * torch.cos(2 * mean_h)
        + 0.32 * torch.cos(3 * mean_h + math.radians(6))
        - 0.20 * torch.cos(4 * mean_h - math.radians(63))
    )
    rotation = math.radians(60) * torch.exp(-(((torch.rad2deg(mean_h) % 360 - 275) / 25) ** 2))
    d_c = (c2 - c1) / (1 + 0.045 * mean_c)
    square_h = (2 * (c1 * c2 - a1 * a2 - b1 * b2)).clamp_min(0) / (1 + 0.015 * mean_c * t) ** 2
    d_h = (square_h + TINY_DIFFERENCE**2).sqrt() * torch.sign(a1 * b2 - a2 * b1).detach()
    square = d_c**2 + square_h - torch.sin(rotation) * 2 * _strong_share(mean_c) * d_c * d_h
    return (square.clamp_min(0) + TINY_DIFFERENCE**2).sqrt()


def _with_size(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a, b and sqrt(a^2 + b^2)."""
    return a, b, (a * a + b * b + TINY_CHROMA**2).sqrt()


def _strong_share(c: Tensor) -> Tensor:
    """sqrt(c^7 / (c^7 + 25^7)) for c > 0: from 0 at weak chroma to 1 at strong."""
    power = c**7
    return (power / (power + 25.0**7)).clamp_min(1e-12).sqrt()
