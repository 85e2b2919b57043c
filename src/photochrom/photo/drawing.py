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

MOST_LINES = 512  # drawn at a time, so that they take little memory

Mask = NDArray[np.bool_]
Numbers = NDArray[np.signedinteger]


def stroke_mask(points: FloatArray, radius: float, height: int, width: int) -> Mask:
    """The pixels (h, w) whose middle is nearer than radius to the line through points (n, 2) of x, y."""
    ends = np.concatenate([points[1:], points[-1:]])
    change = np.zeros((height, width + 1), np.int32)
    for some in _portions(len(points)):
        start, end = points[some], ends[some]
        across, down = (end - start).T
        scale = radius / np.maximum(np.sqrt(across * across + down * down), 1e-9)
        side = np.stack([-down * scale, across * scale], axis=1)
        corners = [start + side, end + side, end - side, start - side, start + side]
        _add_discs(change, start, radius)
        for one, other in pairwise(corners):
            _add_lines(change, one, other)
    return _turns_around(change) != 0


def area_mask(points: FloatArray, height: int, width: int) -> Mask:
    """The pixels (h, w) whose middle lies inside the outline through points (n, 2) of x, y."""
    ends = np.concatenate([points[1:], points[:1]])
    change = np.zeros((height, width + 1), np.int32)
    for some in _portions(len(points)):
        _add_lines(change, points[some], ends[some])
    return _turns_around(change) % 2 == 1


def _add_discs(change: Numbers, middles: FloatArray, radius: float) -> None:
    """Add where the outlines of discs around middles (n, 2) cross the rows: the left side down, the right side up."""
    which, rows = _rows_between(middles[:, 1] - radius, middles[:, 1] + radius, len(change))
    x, y = middles[which].T
    square = radius * radius - (rows + 0.5 - y) * (rows + 0.5 - y)
    half = np.sqrt(np.maximum(square, 0))
    inside = (square > 0).astype(np.int32)
    _add(change, rows, x - half, inside)
    _add(change, rows, x + half, -inside)


def _add_lines(change: Numbers, start: FloatArray, end: FloatArray) -> None:
    """Add where lines from start to end, (n, 2) each, cross the rows."""
    (x0, y0), (x1, y1) = start.T, end.T
    which, rows = _rows_between(np.minimum(y0, y1), np.maximum(y0, y1), len(change))
    slope = (x1 - x0) / np.where(y1 == y0, 1, y1 - y0)
    x = x0[which] + (rows + 0.5 - y0[which]) * slope[which]
    _add(change, rows, x, np.sign(y1 - y0).astype(np.int32)[which])


def _rows_between(low: FloatArray, high: FloatArray, height: int) -> tuple[Numbers, Numbers]:
    """The rows whose middle lies from low to high, (n,) each: for each of them the number of its pair, and the row."""
    first, last = (np.ceil(np.clip(y, 0, height) - 0.5).astype(np.intp) for y in (low, high))
    counts = last - first
    which = np.repeat(np.arange(len(low)), counts)
    return which, np.arange(len(which)) - (np.cumsum(counts) - counts - first)[which]


def _add(change: Numbers, rows: Numbers, x: FloatArray, turns: Numbers) -> None:
    columns = np.ceil(np.clip(x, 0, change.shape[1] - 1) - 0.5).astype(np.intp)
    np.add.at(change, (rows, columns), turns)


def _turns_around(change: Numbers) -> Numbers:
    """How often lines go around the middle of each pixel (h, w), from how that changes along each row (h, w + 1)."""
    crossed = np.flatnonzero(change.any(axis=1))
    change[crossed] = change[crossed].cumsum(axis=1)
    return change[:, :-1]


def _portions(count: int) -> list[slice]:
    return [slice(first, first + MOST_LINES) for first in range(0, count, MOST_LINES)]
