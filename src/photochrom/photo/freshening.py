"""Old photographs as the network likes to see them: without specks and scratches, with the contrast they may have had.

For the network's eyes only: the photograph keeps its own luminance, damages included.
"""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray

FRESH_RANGE = 75.0  # L units between the 1st and the 99th percentile: the network sees no photograph with less
MOST_GAIN = 4.0  # on them: more would make pictures of noise
GRAIN = (1.0, 2.0, 4.0)  # L units: nine of ten fresh photographs have less than 1, one of a hundred has more than 2
SPECK = (22.0, 12.0, 7.5)  # L units from the median of the neighborhood, in that much grain: more is damage


def freshen(luminance: FloatArray) -> FloatArray:
    """L (h, w) without specks and scratches, and with its contrast spread if it is faded."""
    return spread_tones(remove_specks(luminance))


def remove_specks(luminance: FloatArray) -> FloatArray:
    """L (h, w) whose pixels are the median of their 3 x 3 neighborhood where they are far from it.

    That takes lines one pixel wide and specks of two by two. In a grainy picture less is far.
    """
    median = median_of_nine(luminance)
    far = np.interp(grain_of(luminance), GRAIN, SPECK)
    return np.where(np.abs(luminance - median) > far, median, luminance)


def spread_tones(luminance: FloatArray) -> FloatArray:
    """A faded picture's L (h, w) with the contrast it may have had; one with enough of it comes back as it is."""
    dark, light = np.percentile(luminance, (1, 99))
    gain = min(FRESH_RANGE / max(light - dark, 1), MOST_GAIN)
    if gain <= 1:
        return luminance
    half = gain * (light - dark) / 2
    middle = np.clip((dark + light) / 2, half, 100 - half)
    return np.clip((luminance - (dark + light) / 2) * gain + middle, 0, 100).astype(np.float32)


def grain_of(luminance: FloatArray) -> float:
    """The standard deviation of a picture's noise, L units.

    By the difference of two Laplacians, which sees no edges and no slopes (Immerkær 1996); its median, for noise is
    everywhere and texture is not.
    """
    padded = np.pad(luminance, 1, mode="edge")
    across = padded[:, :-2] - 2 * padded[:, 1:-1] + padded[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]
    return float(np.median(np.abs(both)) / 0.6745 / 6)  # of a normal distribution, through a mask of norm 6


def median_of_nine(plane: FloatArray) -> FloatArray:
    """The median of every pixel's 3 x 3 neighborhood, (h, w): of sorted columns (Paeth 1990)."""
    padded = np.pad(plane, 1, mode="edge")
    low, middle, high = _sorted(padded[:-2], padded[1:-1], padded[2:])
    lows = np.maximum(np.maximum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    _, middles, _ = _sorted(middle[:, :-2], middle[:, 1:-1], middle[:, 2:])
    highs = np.minimum(np.minimum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    return _sorted(lows, middles, highs)[1]


def _sorted(one: FloatArray, two: FloatArray, three: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    low, high = np.minimum(one, two), np.maximum(one, two)
    return np.minimum(low, three), np.maximum(low, np.minimum(high, three)), np.maximum(high, three)
