"""Strength and warmth, as in `Coloring.balanced` and `photo.white_balance`: a sum of planes with weights."""

from __future__ import annotations

import numpy as np

from photochrom.photo.white_balance import NEUTRAL_KELVIN, WARM_LOCUS_KELVIN, WARMEST_KELVIN, daylight_white
from photochrom.pipeline.builder import Value, concat, power, stack, where
from photochrom.pipeline.color import TINTS

PARTS = 5  # planes whose weighted sums are a and b


def parts_of(chroma: Value, hinted: Value, luminance: Value) -> Value:
    """The parts (5, h, w) of every strength and warmth of chroma (2, h, w) over luminance (h, w).

    They are the chroma; the chroma where no hint asks for it, which warmth scales; and the tint of gray places there.
    """
    free = 1 - hinted.unsqueeze(0)
    return concat([chroma, free * chroma, free * ((luminance + 16) / 116)], 0)


def weights_of(strength: Value, warmth: Value) -> Value:
    """The weights (2, 5) of the parts in the tint, as `color.join` takes it, at a strength and a warmth, each (1)."""
    neutral = daylight_white(NEUTRAL_KELVIN)
    ratios = [power(one / other, 1 / 3) for one, other in zip(white_at(warmth), neutral, strict=True)]
    x, z = ((ratio - 1).cast(np.float32) for ratio in ratios)
    none = x * 0
    a, b = (none + scale for scale in TINTS)
    rows = [[a, none, a * x, none, x], [none, b, none, b * z, z]]
    return stack([concat(row, 0) for row in rows]) * strength


def white_at(warmth: Value) -> tuple[Value, Value]:
    """X and Z (Y = 1) of the white at a warmth, as `photo.white_balance` has them."""
    neutral, warmest = 1e6 / NEUTRAL_KELVIN, 1e6 / WARMEST_KELVIN
    warmth = warmth.clip(-1, 1).cast(np.float64)
    kelvin = 1e6 / (neutral + warmth * (warmest - neutral))
    one, two = 1 / kelvin, 1 / (kelvin * kelvin)
    warm = -4.6070e9 * (one * two) + 2.9678e6 * two + 0.09911e3 * one + 0.244063
    cold = -2.0064e9 * (one * two) + 1.9018e6 * two + 0.24748e3 * one + 0.237040
    x = where(kelvin <= WARM_LOCUS_KELVIN, warm, cold)
    y = x * x * -3 + x * 2.870 - 0.275
    return x / y, (1 - x - y) / y
