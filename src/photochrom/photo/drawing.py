"""Strokes and areas as masks, by how often their outlines go around the middle of each pixel.

A row is crossed by an outline that goes down (+1) or up (-1). The sum of all crossings on a pixel's left is how often
the outline goes around it. A stroke is made of discs and of rectangles between them that go around in one direction,
so a pixel is inside if the sum isn't 0. An area is inside where the sum is odd.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.color import FloatArray

MOST_LINES = 64  # drawn at a time, so that it takes little memory

Mask = NDArray[np.bool_]
Crossings = tuple[FloatArray, NDArray[np.signedinteger]]  # their x, and 1, -1 or (no crossing) 0; (h, n) each


def stroke_mask(points: FloatArray, radius: float, height: int, width: int) -> Mask:
    """The pixels (h, w) whose middle is nearer than radius to the line through points (n, 2) of x, y."""
    ends = np.concatenate([points[1:], points[-1:]])
    rows = np.arange(height)[:, None] + 0.5
    around = np.zeros((height, width), np.int32)
    for some in _portions(len(points)):
        start, end = points[some], ends[some]
        across, down = (end - start).T
        scale = radius / np.maximum(np.sqrt(across * across + down * down), 1e-9)
        side = np.stack([-down * scale, across * scale], axis=1)
        corners = [start + side, end + side, end - side, start - side, start + side]
        parts = [disc_crossings(start, radius, rows)]
        parts += [line_crossings(one, other, rows) for one, other in pairwise(corners)]
        around += turns_around(parts, width)
    return around != 0


def area_mask(points: FloatArray, height: int, width: int) -> Mask:
    """The pixels (h, w) whose middle lies inside the outline through points (n, 2) of x, y."""
    ends = np.concatenate([points[1:], points[:1]])
    rows = np.arange(height)[:, None] + 0.5
    around = np.zeros((height, width), np.int32)
    for some in _portions(len(points)):
        around += turns_around([line_crossings(points[some], ends[some], rows)], width)
    return around % 2 == 1


def disc_crossings(middles: FloatArray, radius: float, rows: FloatArray) -> Crossings:
    """Where the outlines of discs around middles (n, 2) cross rows (h, 1): the left side down, the right side up."""
    x, y = middles.T
    square = radius * radius - (rows - y) * (rows - y)
    half = np.sqrt(np.maximum(square, 0))
    inside = (square > 0).astype(np.int32)
    return np.concatenate([x - half, x + half], axis=1), np.concatenate([inside, -inside], axis=1)


def line_crossings(start: FloatArray, end: FloatArray, rows: FloatArray) -> Crossings:
    """Where lines from start to end, (n, 2) each, cross rows (h, 1)."""
    (x0, y0), (x1, y1) = start.T, end.T
    slope = (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    down, up = (y0 <= rows) & (rows < y1), (y1 <= rows) & (rows < y0)
    return x0 + (rows - y0) * slope, down.astype(np.int32) - up.astype(np.int32)


def turns_around(parts: list[Crossings], width: int) -> NDArray[np.int32]:
    """How often the lines that cross the rows go around the middle of each pixel, (h, w)."""
    x, turns = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
    columns = np.ceil(np.clip(x, 0, width) - 0.5).astype(np.intp)
    change = np.zeros((len(x), width + 1), np.int32)
    rows, numbers = np.nonzero(turns)
    np.add.at(change, (rows, columns[rows, numbers]), turns[rows, numbers])
    return change.cumsum(axis=1, dtype=np.int32)[:, :-1]


def _portions(count: int) -> list[slice]:
    return [slice(first, first + MOST_LINES) for first in range(0, count, MOST_LINES)]
