"""Chroma from the network's size to the photograph's, along the edges of its luminance.

The guided filter (He, Sun & Tang 2010) in its fast form (He & Sun 2015, arXiv 1505.00996): near every
pixel of a small picture, chroma is fitted as a linear function of luminance; the functions, not the
chroma, are enlarged and applied to the full luminance. Where luminance has an edge, so has the chroma,
at full resolution; where it has none, chroma stays smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photochrom.photo.color import FloatArray

RADIUS = 4  # pixels of the small picture
EDGE = 4.0  # L units: weaker edges don't carry color edges


@dataclass(frozen=True)
class GuidedChroma:
    """Chroma as a function of luminance: a, b = slope * L + offset.

    slope and offset: (2, h, w), at the small picture's size.
    """

    slope: FloatArray
    offset: FloatArray

    def rows(self, luminance: FloatArray, first: int, height: int) -> FloatArray:
        """Chroma (2, n, W) for rows first .. first + n of a photograph `height` pixels high.

        luminance (n, W): L of those rows.
        """
        count, width = luminance.shape
        slope = _enlarge(self.slope, first, count, height, width)
        offset = _enlarge(self.offset, first, count, height, width)
        return slope * luminance + offset


def guide_chroma(chroma: FloatArray, luminance: FloatArray) -> GuidedChroma:
    """Fit chroma (2, h, w) to luminance (h, w), both at the small picture's size."""
    means = _box_mean(np.concatenate([luminance[None], (luminance**2)[None], chroma, chroma * luminance]))
    mean_luminance, mean_square = means[0], means[1]
    mean_chroma, mean_product = means[2:4], means[4:6]
    variance = np.maximum(mean_square - mean_luminance**2, 0)
    slope = (mean_product - mean_chroma * mean_luminance) / (variance + EDGE**2)
    offset = mean_chroma - slope * mean_luminance
    # Each pixel belongs to many windows: it takes the mean of their functions.
    averaged = _box_mean(np.concatenate([slope, offset]))
    return GuidedChroma(averaged[:2], averaged[2:])


def _box_mean(planes: FloatArray) -> FloatArray:
    """Mean over windows of 2 * RADIUS + 1 pixels squared, cut off at the border; planes (C, h, w)."""
    rows, columns = (_window_matrix(n) for n in planes.shape[-2:])
    return rows @ planes @ columns.T


def _window_matrix(length: int) -> FloatArray:
    index = np.arange(length)
    inside = (np.abs(index[:, None] - index) <= RADIUS).astype(np.float32)
    return inside / inside.sum(axis=1, keepdims=True)


def _enlarge(planes: FloatArray, first: int, count: int, height: int, width: int) -> FloatArray:
    """Rows first .. first + count of planes (C, h, w) enlarged bilinearly to (C, height, width)."""
    low, high, share = _neighbors(planes.shape[1], height)
    rows = slice(first, first + count)
    share_y = share[rows, None]
    narrow = planes[:, low[rows]] * (1 - share_y) + planes[:, high[rows]] * share_y  # (C, count, w)
    low, high, share = _neighbors(planes.shape[2], width)
    left = np.take(narrow, low, axis=2)
    right = np.take(narrow, high, axis=2)
    return left + (right - left) * share


def _neighbors(inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray, FloatArray]:
    """For each output pixel: its two input neighbors, and the share of the second."""
    position = np.clip((np.arange(outputs) + 0.5) * inputs / outputs - 0.5, 0, inputs - 1)
    low = position.astype(np.int64)
    return low, np.minimum(low + 1, inputs - 1), (position - low).astype(np.float32)


