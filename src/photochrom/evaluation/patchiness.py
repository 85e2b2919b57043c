"""Patchiness: how much color varies within things that have one color in the truth.

A network that is in doubt may color one half of a shirt and leave the other half gray. A mean color difference
hardly tells that from a shirt of one wrong color, but people see the patches at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import MissingExtra
from photochrom.photo.color import FloatArray

CELL = 4  # pixels per side: means over cells remove the noise of single pixels
MERGE_SCALE = 25.0  # Lab units: k of Felzenszwalb & Huttenlocher; larger values make larger regions
MAX_TRUE_SPREAD = 8.0  # Lab units: regions that vary more in the truth aren't of one color
MIN_REGION_SHARE = 0.004  # of all cells; a smaller region doesn't count
NO_CHROMA = 0.1  # Lab units: weaker colorings are gray, and what varies in them is rounding


def one_color_regions(true_chroma: FloatArray) -> NDArray[np.int64]:
    """Label connected regions of nearly one color in the truth.

    true_chroma: a and b (2, H, W). Returns labels (H / 4, W / 4) of cells of 4 x 4 pixels: 1, 2, ... for regions, 0
    for all other cells. Regions come from the graph-based segmentation of the cells' mean a and b (Felzenszwalb &
    Huttenlocher 2004, by scikit-image). Cells at a border between regions are left out, because they mix two colors;
    so are regions smaller than 0.4 % of the picture, and those whose a and b spread by more than 8 Lab units.
    Raises MissingExtra.
    """
    try:
        from skimage.segmentation import felzenszwalb, find_boundaries
    except ImportError as error:
        raise MissingExtra("patchiness", "evaluate") from error
    cells = _cell_means(true_chroma)
    # scikit-image divides `scale` by 255 because it expects pixels in 0..1.
    labels = felzenszwalb(np.moveaxis(cells, 0, -1), scale=255 * MERGE_SCALE, sigma=0, min_size=1) + 1
    labels[find_boundaries(labels)] = 0
    spreads, counts = _region_spreads(cells, labels)
    kept = (counts >= MIN_REGION_SHARE * labels.size) & (spreads <= MAX_TRUE_SPREAD)
    new_labels = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)])
    return new_labels[labels]


def region_spread(chroma: FloatArray, regions: NDArray[np.int64]) -> tuple[float, float]:
    """How much color varies within regions, and how strong it is there, both in Lab units.

    chroma: a and b (2, H, W) of the coloring, or of the truth. regions: what `one_color_regions` returns for the
    truth. A region's spread is the standard deviation of its cells' (a, b) as a distance, the root of the sum of both
    variances: it covers chroma and hue. The first result is the mean over regions, weighted by size; the second is
    the root mean square of the chroma of their cells, which is never less. Both are 0 for a gray
    coloring, and NaN without regions.

    The patchiness of a set of photographs is the mean of the first result over the mean of the second: a coloring
    doesn't look more even just because it is duller. It is compared with the truth's own patchiness.
    """
    if not regions.any():
        return np.nan, np.nan
    cells = _cell_means(chroma)
    strength = float(np.sqrt(np.square(cells[:, regions > 0]).sum(axis=0).mean()))
    if strength < NO_CHROMA:
        return 0.0, 0.0
    spreads, counts = _region_spreads(cells, regions)
    return float(counts @ spreads / counts.sum()), strength


def _cell_means(chroma: FloatArray) -> FloatArray:
    """Means over cells: (2, H, W) to (2, H / 4, W / 4); what doesn't fill a cell is left out."""
    height, width = (side // CELL for side in chroma.shape[1:])
    whole = chroma[:, : CELL * height, : CELL * width].astype(np.float64)
    return whole.reshape(2, height, CELL, width, CELL).mean(axis=(2, 4))


def _region_spreads(cells: FloatArray, regions: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.intp]]:
    """Spread, and number of cells, of regions 1, 2, ...; cells (2, h, w), regions (h, w)."""
    inside = regions > 0
    number, values = regions[inside] - 1, cells[:, inside]
    region_count = int(regions.max())
    counts = np.bincount(number, minlength=region_count)
    divisors = np.maximum(counts, 1)  # a region may have no cell but those at its border
    means = [np.bincount(number, v, region_count) / divisors for v in values]
    squares = sum(np.square(v - mean[number]) for v, mean in zip(values, means, strict=True))
    return np.sqrt(np.bincount(number, squares, region_count) / divisors), counts
