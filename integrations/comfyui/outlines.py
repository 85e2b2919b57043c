"""The outlines of what is painted in a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]  # x and y of a corner between pixels


def outlines(painted: NDArray[np.bool_]) -> list[list[Corner]]:
    """The outline of each painted part of a mask (H, W), as the corners between its pixels, clockwise.

    Parts that touch at a corner only may be one part or two. Holes are not outlines: they count as painted.
    """
    following = _sides(painted)
    found = []
    while following:
        start = corner = next(iter(following))
        loop = [start]
        while True:
            ends = following[corner]
            end = ends.pop()
            if not ends:
                del following[corner]
            if end == start:
                break
            loop.append(end)
            corner = end
        if _area(loop) > 0:  # the outlines of holes go the other way round
            found.append(_without_straight_ones(loop))
    return found


def _sides(painted: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """From each corner, where the sides of painted pixels lead that have nothing painted beyond them, clockwise."""
    padded = np.pad(painted, 1)
    sides: dict[Corner, list[Corner]] = {}
    for (dx, dy), (x0, y0), (x1, y1) in (
        ((0, -1), (0, 0), (1, 0)),  # the upper side leads to the right
        ((1, 0), (1, 0), (1, 1)),
        ((0, 1), (1, 1), (0, 1)),
        ((-1, 0), (0, 1), (0, 0)),
    ):
        beyond = np.roll(padded, (-dy, -dx), (0, 1))
        for y, x in np.argwhere(padded & ~beyond) - 1:
            sides.setdefault((int(x) + x0, int(y) + y0), []).append((int(x) + x1, int(y) + y1))
    return sides


def _area(loop: list[Corner]) -> float:
    """The area inside a loop, positive if it goes clockwise in a picture, whose y points down."""
    following = [*loop[1:], loop[0]]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(loop, following, strict=True)) / 2


def _without_straight_ones(loop: list[Corner]) -> list[Corner]:
    """The loop without the corners at which it goes straight on."""
    triples = zip([loop[-1], *loop[:-1]], loop, [*loop[1:], loop[0]], strict=True)
    return [b for a, b, c in triples if (b[0] - a[0], b[1] - a[1]) != (c[0] - b[0], c[1] - b[1])]
