"""How far a hint reaches: to where its thing ends, or exactly as far as the user says.

A network that is told about one place changes its mind about others, too: a hint on an arm turned a whole sky salmon.
So the network predicts without and with the hints, and the difference counts only within the hints' bounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.color import FloatArray
from photochrom.photo.drawing import area_mask, stroke_mask
from photochrom.photo.hint_agreement import agree
from photochrom.photo.hints import Hint, correct_chroma, nearness, places

FINE = 4  # areas are drawn this many times larger, and averaged
CELL = 2  # pixels of the small picture: distances are measured in a picture this many times smaller
STEP_COST = 0.004  # of a step from cell to cell: a plain surface is crossed at little cost
EDGE_COST = 0.1  # of each unit of L that neighbors differ by
EDGE_FREE = 2.5  # L units: smaller differences are the texture of a surface
LUMINANCE_REACH = 60.0  # L units: what is much lighter or darker than the hint's place is another thing
FULL = 1.15  # cells that are almost as near as the hint's place get all of its effect
MAX_ROUNDS = 600
DOUBT = (0.1, 0.4)  # of the change at the hints: smaller changes are left out, larger ones count in full
LEAST_CHANGE = 3.0  # Lab units: a hint that changes less than this at its own place is a true one
NEIGHBORS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]

Place = tuple[int, int]  # row and column


def bound_hints(
    plain: FloatArray, hinted: FloatArray, luminance: FloatArray, hints: tuple[Hint, ...], size: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Chroma (2, h, w) that follows the hints within their bounds, and is `plain` outside; and how much it is theirs.

    plain, hinted: the prediction without and with the hints, (2, h, w) in Lab units, over luminance (h, w). size: the
    photograph's (H, W), in whose pixels the hints are. Inside a hint's radius, stroke or area, its color is exact.
    Several others change what is alike outside, too (photo/hint_agreement.py). The second value is (h, w) in 0..1, and
    1 at every hint, also at one that asks for what is predicted anyway.
    """
    drawn = [hint for hint in hints if hint.is_drawn]
    free = tuple(hint for hint in hints if not hint.is_drawn)
    coverages = [coverage(hint, size, luminance.shape) for hint in drawn]
    reach = np.zeros_like(luminance)
    if free:
        sources = places(free, size, luminance.shape)
        reach = free_reach(luminance, sources) * conviction(hinted - plain, sources)
    reach = np.maximum.reduce([reach, *coverages])
    outside, inside = agree(np.stack([plain, hinted]), plain, luminance, free, size)
    chroma = outside + reach * (correct_chroma(inside, luminance, hints, size) - outside)
    for hint, covered in zip(drawn, coverages, strict=True):
        chroma = chroma + covered * (hint.chroma[:, None, None] - chroma)
    at_hints = [nearness(luminance, place) for place in places(free, size, luminance.shape)]
    return chroma, np.maximum.reduce([reach, *at_hints])


def conviction(change: FloatArray, sources: list[Place]) -> FloatArray:
    """How sure the network is that a hint is meant for a place, 0..1, (h, w).

    Judged by how much it changes there, change (2, h, w), and how much at the sources.
    """
    size = np.hypot(*change)
    typical = max(LEAST_CHANGE, float(np.median([size[place] for place in sources])))
    share = np.clip((size / typical - DOUBT[0]) / (DOUBT[1] - DOUBT[0]), 0, 1)
    return share * share * (3 - 2 * share)


def free_reach(luminance: FloatArray, sources: list[Place]) -> FloatArray:
    """How much of an effect at the sources arrives at each place, 0..1, (h, w), over luminance (h, w) in 0..100.

    It falls with the length of the best path to a source, on which each edge of luminance costs as much as a long way
    over a plain surface.
    """
    cells = _shrink(_blur(_blur(luminance)))
    at = [(min(row // CELL, cells.shape[0] - 1), min(column // CELL, cells.shape[1] - 1)) for row, column in sources]
    distance, nearest = path_lengths(cells, at)
    levels = np.array([cells[place] for place in at], np.float32)
    difference = cells - levels[nearest]
    reach = np.exp(-(distance**2) / 2 - (difference / LUMINANCE_REACH) ** 2 / 2)
    return _blur(_enlarge(np.minimum(FULL * reach, 1), luminance.shape))


def path_lengths(cells: FloatArray, sources: list[Place]) -> tuple[FloatArray, NDArray[np.intp]]:
    """The length of the shortest path from each cell (h, w) to a source, and the number of that source.

    Bellman-Ford on the whole picture at a time: every round, each cell looks at its eight neighbors.
    """
    height, width = cells.shape
    distance = np.full((height + 2, width + 2), np.inf, np.float32)  # with a border that no path crosses
    nearest = np.zeros((height + 2, width + 2), np.intp)
    for number, (row, column) in enumerate(sources):
        distance[row + 1, column + 1], nearest[row + 1, column + 1] = 0, number
    inner = np.s_[1:-1, 1:-1]
    padded = np.pad(cells, 1, mode="edge")
    moves = []
    for dy, dx in NEIGHBORS:
        there = np.s_[1 + dy : height + 1 + dy, 1 + dx : width + 1 + dx]
        edge = np.maximum(np.abs(cells - padded[there]) - EDGE_FREE, 0)
        moves.append((there, STEP_COST * np.hypot(dy, dx) + EDGE_COST * edge))
    for _ in range(MAX_ROUNDS):
        before = distance[inner].copy()
        for there, cost in moves:
            by_neighbor = distance[there] + cost
            shorter = by_neighbor < distance[inner]
            distance[inner][shorter] = by_neighbor[shorter]
            nearest[inner][shorter] = nearest[there][shorter]
        if np.array_equal(before, distance[inner]):
            break
    return distance[inner], nearest[inner]


def coverage(hint: Hint, size: tuple[int, int], small: tuple[int, int]) -> FloatArray:
    """How much of each pixel of the small picture (h, w) a drawn hint covers, 0..1; its edge is soft."""
    scale = small[0] / size[0]
    height, width = FINE * small[0], FINE * small[1]
    points = np.array([(x * width / size[1], y * height / size[0]) for x, y in hint.points])
    if hint.filled:
        mask = area_mask(points, height, width)
    else:
        radius = min(FINE * max(hint.reach * scale, 1.0), height + width)  # which covers everything
        mask = stroke_mask(points, radius, height, width)
    low = mask.reshape(small[0], FINE, width).sum(axis=1, dtype=np.uint8)
    return _blur(low.reshape(*small, FINE).sum(axis=2, dtype=np.uint8) / np.float32(FINE * FINE))


def _blur(plane: FloatArray) -> FloatArray:
    """Half of each pixel, and an eighth of each of its four neighbors."""
    padded = np.pad(plane, 1, mode="edge")
    sides = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return (sides + 4 * plane) / 8


def _shrink(plane: FloatArray) -> FloatArray:
    padded = np.pad(plane, [(0, -side % CELL) for side in plane.shape], mode="edge")
    height, width = padded.shape
    return padded.reshape(height // CELL, CELL, width // CELL, CELL).mean(axis=(1, 3))


def _enlarge(plane: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    return plane.repeat(CELL, axis=0).repeat(CELL, axis=1)[: shape[0], : shape[1]]
