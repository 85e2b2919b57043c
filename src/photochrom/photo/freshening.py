"""Prepare the luminance of old photographs for the network: remove specks and scratches, increase low contrast.

Only the network sees the result. The photograph keeps its own luminance, with all damage.
"""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray

FRESH_RANGE = 75.0  # L units between the 1st and the 99th percentile: a faded photograph is stretched to this
MOST_GAIN = 4.0  # the largest stretch: more would show nothing but noise
GRAIN = (1.0, 2.0, 4.0)  # L units: nine of ten new photographs have less than 1, one of a hundred has more than 2
SPECK = (22.0, 12.0, 7.5)  # L units: at that much grain, a pixel farther from its neighborhood's median is damage


def freshen(luminance: FloatArray) -> FloatArray:
    """L (h, w) without specks and scratches, and with its contrast spread if it is faded."""
    return spread_tones(remove_specks(luminance))


def remove_specks(luminance: FloatArray) -> FloatArray:
    """L (h, w) in which pixels far from the median of their 3 x 3 neighborhood are replaced by it.

    This removes lines one pixel wide and specks of two by two pixels. The more grain, the smaller distances count
    as far.
    """
    median = median_of_nine(luminance)
    far = np.interp(grain_of(luminance), GRAIN, SPECK)
    return np.where(np.abs(luminance - median) > far, median, luminance)


def spread_tones(luminance: FloatArray) -> FloatArray:
    """L (h, w) with more contrast if the picture is faded; otherwise unchanged."""
    dark, light = _quantiles(luminance, (0.01, 0.99))
    gain = min(FRESH_RANGE / max(light - dark, 1), MOST_GAIN)
    if gain <= 1:
        return luminance
    half = gain * (light - dark) / 2
    middle = np.clip((dark + light) / 2, half, 100 - half)
    return np.clip((luminance - (dark + light) / 2) * gain + middle, 0, 100).astype(np.float32)


def grain_of(luminance: FloatArray) -> float:
    """The standard deviation of a picture's noise, in L units.

    It is measured by the difference of two Laplacians, on which edges and slopes have no effect (Immerkær 1996). The
    median is taken because noise is everywhere and texture is not.
    """
    padded = np.pad(luminance, 1, mode="edge")
    across = padded[:, :-2] - 2 * padded[:, 1:-1] + padded[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    (median,) = _quantiles(np.abs(both), (0.5,))
    return median / 0.6745 / 6  # of a normal distribution, through a mask of norm 6


def _quantiles(plane: FloatArray, shares: tuple[float, ...]) -> list[float]:
    """What these shares of a plane's values are below. NumPy's own function first loads a module for 15 ms."""
    places = np.multiply(shares, plane.size - 1)
    return list(np.interp(places, np.arange(plane.size), np.sort(plane, axis=None)))


def median_of_nine(plane: FloatArray) -> FloatArray:
    """The median of every pixel's 3 x 3 neighborhood, (h, w), from sorted columns (Paeth 1990)."""
    padded = np.pad(plane, 1, mode="edge")
    low, middle, high = _sorted(padded[:-2], padded[1:-1], padded[2:])
    lows = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    _, middles, _ = _sorted(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])
    highs = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    return _sorted(lows, middles, highs)[1]


def _sorted(one: FloatArray, two: FloatArray, three: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    low, high = np.minimum(one, two), np.maximum(one, two)
    return np.minimum(low, three), np.maximum(low, np.minimum(high, three)), np.maximum(high, three)
