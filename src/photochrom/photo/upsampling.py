"""Enlarge chroma from the network's size to the photograph's, along the edges of its luminance, in two steps.

From the network's coarse chroma to the small picture that it saw: joint bilateral upsampling (Kopf, Cohen,
Lischinski & Uyttendaele 2007). A pixel takes the chroma of the neighboring cells whose luminance is like
its own, so a cell that straddles an edge doesn't bleed to either side.

From the small picture to the photograph, of whatever size: the guided filter (He, Sun & Tang 2010) in its
fast form (He & Sun 2015, arXiv 1505.00996). Near every pixel of the small picture, chroma is fitted as a
linear function of luminance; the functions, not the chroma, are enlarged and applied to the full luminance.
Where luminance has an edge, so has the chroma, at full resolution; where it has none, chroma is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from photochrom.photo.color import FloatArray

CELL_REACH = 0.7  # cells: standard deviation of the weight over distance
CELL_LUMINANCE = 5.0  # L units: standard deviation of the weight over difference in luminance
FAR_WEIGHT = 1e-4  # of a cell with a very different luminance, for pixels that are unlike all their neighbors
RADIUS = 2  # pixels of the small picture: the guided filter's windows
EDGE = 3.0  # L units: weaker edges don't carry color edges


def enlarge_along_edges(chroma: FloatArray, luminance: FloatArray) -> FloatArray:
    """Enlarge coarse chroma (2, h, w) to (2, H, W), the size of luminance; H / h and W / w are one whole number."""
    _, rows, columns = chroma.shape
    factor = luminance.shape[0] // rows
    if factor == 1:
        return chroma
    fine = luminance.reshape(rows, factor, columns, factor)
    cells = np.pad(fine.mean(axis=(1, 3)), 1, "edge")
    padded = np.pad(chroma, ((0, 0), (1, 1), (1, 1)), "edge")
    place = ((np.arange(factor) + 0.5) / factor - 0.5).astype(np.float32)  # of a pixel in its cell
    total = np.zeros((2, *fine.shape), np.float32)
    weight_sum = np.zeros(fine.shape, np.float32)
    for dy, dx in product((-1, 0, 1), repeat=2):
        neighbor = np.s_[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns]
        near_y, near_x = (np.exp(-(((d - place) / CELL_REACH) ** 2) / 2) for d in (dy, dx))
        difference = fine - cells[neighbor][:, None, :, None]
        alike = np.exp(-((difference / CELL_LUMINANCE) ** 2) / 2) + FAR_WEIGHT
        weight = near_y[None, :, None, None] * near_x * alike
        total += weight * padded[(slice(None), *neighbor)][:, :, None, :, None]
        weight_sum += weight
    return (total / weight_sum).reshape(2, *luminance.shape)


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
        return self.across(width, first, count, height).rows(luminance, first)

    def across(self, width: int, first: int, count: int, height: int) -> WideChroma:
        """What rows first .. first + count of a photograph (height, width) need, enlarged to its width."""
        planes = np.concatenate([self.slope, self.offset])
        down = _bilinear_matrix(planes.shape[1], height, first, count)
        needed = np.flatnonzero(down.any(axis=0))
        low, high = needed[0], needed[-1] + 1
        left, right, share = _neighbors(planes.shape[2], width)
        few = planes[:, low:high]
        wide = few.take(right, 2)
        start = few.take(left, 2)
        wide -= start
        wide *= share
        wide += start
        return WideChroma(wide, down[:, low:high], first)


@dataclass(frozen=True)
class WideChroma:
    """Slopes and offsets (4, h, W) for some rows of a photograph, as wide as the photograph.

    down: the matrix (n, h) that enlarges them to rows first .. first + n.
    """

    planes: FloatArray
    down: FloatArray
    first: int

    def rows(self, luminance: FloatArray, first: int) -> FloatArray:
        """Chroma (2, n, W) of rows first .. first + n, whose L is luminance (n, W)."""
        down = self.down[first - self.first :][: len(luminance)]
        needed = np.flatnonzero(down.any(axis=0))
        low = max(0, min(needed[0], self.planes.shape[1] - 2))
        few = slice(low, max(needed[-1] + 1, low + 2))  # at least two, because NumPy is slow with one
        planes = down[:, few] @ self.planes[:, few]
        chroma: FloatArray = planes[:2]
        chroma *= luminance
        chroma += planes[2:]
        return chroma


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
    height, width = planes.shape[-2:]
    padded = np.pad(planes, ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)))
    starts = range(2 * RADIUS + 1)
    rows = sum((padded[:, i : i + height] for i in starts[1:]), padded[:, :height])
    sums = sum((rows[..., i : i + width] for i in starts[1:]), rows[..., :width])
    return sums / (_window_sizes(height)[:, None] * _window_sizes(width))


def _window_sizes(length: int) -> FloatArray:
    """How many pixels of a row the window around each has."""
    index = np.arange(length, dtype=np.float32)
    return np.minimum(index, RADIUS) + np.minimum(length - 1 - index, RADIUS) + 1


def _bilinear_matrix(inputs: int, outputs: int, first: int, count: int) -> FloatArray:
    """Rows first .. first + count of the (outputs, inputs) matrix of a bilinear enlargement."""
    low, high, share = (each[first : first + count] for each in _neighbors(inputs, outputs))
    matrix = np.zeros((count, inputs), np.float32)
    matrix[np.arange(count), low] = 1 - share
    matrix[np.arange(count), high] += share
    return matrix


def _neighbors(inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray, FloatArray]:
    """For each output pixel: its two input neighbors, and the weight of the second."""
    position = np.clip((np.arange(outputs) + 0.5) * inputs / outputs - 0.5, 0, inputs - 1)
    low = position.astype(np.int64)
    return low, np.minimum(low + 1, inputs - 1), (position - low).astype(np.float32)
