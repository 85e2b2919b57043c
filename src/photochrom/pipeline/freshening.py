"""Old photographs' luminance prepared for the network, as in `photo.freshening`."""

from __future__ import annotations

import numpy as np

from photochrom.photo.freshening import FRESH_RANGE, GRAIN, MOST_GAIN, SPECK
from photochrom.pipeline.builder import Value, concat, maximum, minimum, where


def freshen(luminance: Value) -> Value:
    """L (h, w) without specks and scratches, and with its contrast spread if it is faded."""
    return spread_tones(remove_specks(luminance))


def remove_specks(luminance: Value) -> Value:
    """L (h, w) in which pixels far from the median of their 3 x 3 neighborhood are replaced by it."""
    median = median_of_nine(luminance)
    far = interpolated(grain_of(luminance), GRAIN, SPECK)
    return where((luminance - median).op("Abs") > far, median, luminance)


def spread_tones(luminance: Value) -> Value:
    """L (h, w) with more contrast if the picture is faded; a gain of 1 changes nothing."""
    tones = luminance.reshape(-1).sorted()
    dark, light = percentile(tones, 0.01), percentile(tones, 0.99)
    gain = (FRESH_RANGE / maximum(light - dark, 1)).clip(1, MOST_GAIN)
    half = gain * (light - dark) / 2
    center = (dark + light) / 2
    middle = minimum(maximum(center, half), 100 - half)
    return where(gain > 1, ((luminance - center) * gain + middle).clip(0, 100), luminance)


def grain_of(luminance: Value) -> Value:
    """The standard deviation of a picture's noise, in L units (Immerkær 1996)."""
    padded = luminance.padded([1, 1], [1, 1])
    across = padded[:, :-2] - 2 * padded[:, 1:-1] + padded[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    return median_of(both.op("Abs").reshape(-1)) / 0.6745 / 6


def median_of_nine(plane: Value) -> Value:
    """The median of every pixel's 3 x 3 neighborhood, (h, w), from sorted columns (Paeth 1990)."""
    padded = plane.padded([1, 1], [1, 1])
    low, middle, high = _sorted(padded[:-2], padded[1:-1], padded[2:])
    lows = maximum(maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    _, middles, _ = _sorted(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])
    highs = minimum(minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    return _sorted(lows, middles, highs)[1]


def _sorted(one: Value, two: Value, three: Value) -> tuple[Value, Value, Value]:
    low, high = minimum(one, two), maximum(one, two)
    return minimum(low, three), maximum(low, minimum(high, three)), maximum(high, three)


def median_of(numbers: Value) -> Value:
    """The median of a vector, a scalar; infinity if that is empty."""
    endless = numbers.graph.constant(np.array([np.inf], np.float32))
    count, tones = numbers.length(0), concat([numbers, endless], 0).sorted()
    return (tones.take((count - 1) // 2) + tones.take(count // 2)) / 2


def percentile(tones: Value, share: float) -> Value:
    """The number below which a share of a sorted vector lies, between two of its numbers in proportion: a scalar."""
    position = (tones.length(0) - 1).cast(np.float64) * share
    low = position.cast(np.int64)
    below, above = tones.take(low), tones.take(minimum(low + 1, tones.length(0) - 1))
    return below + (above - below) * (position - low.cast(np.float64)).cast(np.float32)


def interpolated(x: Value, xs: tuple[float, ...], ys: tuple[float, ...]) -> Value:
    """A function of x given at a few places, straight between them and constant outside."""
    result = x * 0 + ys[0]
    for left, right, low, high in zip(xs, xs[1:], ys, ys[1:], strict=False):
        result = result + ((x - left) / (right - left)).clip(0, 1) * (high - low)
    return result
