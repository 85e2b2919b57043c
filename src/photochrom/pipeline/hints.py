"""Color hints, as in `photo.hints` and `photo.hint_bounds`.

A hint is a row of seven numbers: x, y in pixels of the photograph; red, green, blue in 0..255; a radius in pixels, or 0
for a hint that reaches as far as its thing seems to; and 0. Of a stroke or an area, each point is a row. Their last
number is not 0, the same in all of one, and negative for an area; color and radius are those of the first.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from photochrom.photo.hint_bounds import (
    CELL,
    DOUBT,
    EDGE_COST,
    EDGE_FREE,
    FINE,
    FULL,
    LEAST_CHANGE,
    LUMINANCE_REACH,
    MAX_ROUNDS,
    NEIGHBORS,
    STEP_COST,
)
from photochrom.photo.hints import MARK_RADIUS, REACH, REACH_LUMINANCE, STROKE_RADIUS
from photochrom.pipeline.builder import Value, concat, exp, maximum, minimum, stack, where
from photochrom.pipeline.color import chroma_of
from photochrom.pipeline.drawing import area_mask, stroke_mask
from photochrom.pipeline.freshening import median_of
from photochrom.pipeline.hint_agreement import agree

COLUMNS = 7


@dataclass(frozen=True)
class Hints:
    """Hints inside the photograph, on the small picture of size (h, w).

    rows, columns: (K,) integers, of their first points. chroma: (K, 2). radius: (K,) in pixels of the small picture.
    drawn, filled: (K,) whether they end where they are drawn, and whether they are areas. first, last: (K,) numbers of
    their points, last not included. x, y: (P,) places in the small picture of all points, as fractions.
    """

    rows: Value
    columns: Value
    chroma: Value
    radius: Value
    drawn: Value
    filled: Value
    first: Value
    last: Value
    x: Value
    y: Value

    @property
    def count(self) -> Value:
        """K."""
        return self.rows.length(0)

    def only(self, chosen: Value) -> Hints:
        """Those that are chosen, (K,) of truth values."""
        names = [field.name for field in fields(self) if field.name not in ("x", "y")]
        return replace(self, **{name: getattr(self, name).op("Compress", chosen, axis=0) for name in names})


class Plane(NamedTuple):
    """Rows (h, 1) and columns (1, w) of the small picture, and its sides."""

    rows: Value
    columns: Value
    height: Value
    width: Value


def read_hints(table: Value, size: tuple[Value, Value], small: tuple[Value, Value]) -> Hints:
    """The hints of a table (P, 7) with points inside a photograph of size (H, W), over a small picture (h, w)."""
    x, y = table[:, 0], table[:, 1]
    height, width = (side.cast(np.float32) for side in size)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    table = table.op("Compress", inside, axis=0)
    y, x = (
        table[:, column].cast(np.float64) * inner.cast(np.float64) / outer.cast(np.float64)
        for column, outer, inner in ((1, size[0], small[0]), (0, size[1], small[1]))
    )
    numbers, before = table[:, 6], table[:, 6].padded([1], [0], "constant")[:-1]
    begins = numbers.op("Equal", 0, dtype=bool).op("Or", ~numbers.op("Equal", before, dtype=bool))
    first = begins.op("NonZero", dtype=np.int64).squeeze(0)
    last = concat([first, table.length(0).reshape(1)], 0)[1:]
    told, number = table.take(first), numbers.take(first)
    drawn = (told[:, 5] > 0).op("Or", ~number.op("Equal", 0, dtype=bool))
    radius = where(told[:, 5] > 0, told[:, 5], STROKE_RADIUS).cast(np.float64)
    return Hints(
        rows=y.take(first).cast(np.int64),
        columns=x.take(first).cast(np.int64),
        chroma=chroma_of(told[:, 2:5] / 255),
        radius=radius * (small[0].cast(np.float64) / size[0].cast(np.float64)),
        drawn=drawn,
        filled=number < 0,
        first=first,
        last=last,
        x=x,
        y=y,
    )


def plane_of(height: Value, width: Value) -> Plane:
    graph = height.graph
    return Plane(graph.arange(height).unsqueeze(1), graph.arange(width).unsqueeze(0), height, width)


def rasterize(hints: Hints, plane: Plane) -> Value:
    """Hints as the input of the generator, (3, h, w)."""

    def mark(index: Value, raster: Value) -> list[Value]:
        near_row = (plane.rows - hints.rows.take(index)).op("Abs") <= MARK_RADIUS
        near_column = (plane.columns - hints.columns.take(index)).op("Abs") <= MARK_RADIUS
        one = hints.chroma.graph.constant(np.ones(1, np.float32))
        told = concat([hints.chroma.take(index), one], 0).unsqueeze(1, 2)
        return [where(near_row & near_column, told, raster)]

    nothing = plane.rows.graph.filled([3, plane.height, plane.width], 0)
    (raster,) = plane.rows.graph.loop(hints.count, [nothing], mark)
    return raster


def follow_hints(plain: Value, hinted: Value, luminance: Value, hints: Hints, plane: Plane) -> Value:
    """Chroma that follows the hints, within their bounds if they are few, and how much it is theirs: (3, h, w)."""
    free, drawn = hints.only(~hints.drawn), hints.only(hints.drawn)
    reach = free_reach(luminance, free) * conviction(hinted - plain, free)
    agreed = agree(stack([plain, hinted]), plain, luminance, free.rows * plane.width + free.columns, free.chroma)
    outside, inside = agreed.take(0), correct_chroma(agreed.take(1), luminance, hints, plane)

    def join_in(index: Value, reach: Value) -> list[Value]:
        return [maximum(reach, coverage(drawn, index, plane))]

    def paint(index: Value, chroma: Value) -> list[Value]:
        return [chroma + coverage(drawn, index, plane) * (drawn.chroma.take(index).unsqueeze(1, 2) - chroma)]

    def mark(index: Value, theirs: Value) -> list[Value]:
        return [maximum(theirs, nearness(luminance, free, index, plane))]

    (reach,) = luminance.graph.loop(drawn.count, [reach], join_in)
    (chroma,) = luminance.graph.loop(drawn.count, [outside + reach * (inside - outside)], paint)
    (theirs,) = luminance.graph.loop(free.count, [reach], mark)
    return concat([chroma, theirs.unsqueeze(0)], 0)


def correct_chroma(chroma: Value, luminance: Value, hints: Hints, plane: Plane) -> Value:
    """Correct chroma (2, h, w) so that it has the hints' colors at their places."""
    graph = chroma.graph
    missing = hints.chroma - at_places(chroma, hints)

    def add(index: Value, total: Value, weight_sum: Value) -> list[Value]:
        weight = nearness(luminance, hints, index, plane)
        return [total + weight * missing.take(index).unsqueeze(1, 2), weight_sum + weight]

    nothing = graph.filled([plane.height, plane.width], 0)
    total, weight_sum = graph.loop(hints.count, [chroma * 0, nothing], add)
    return chroma + total / maximum(weight_sum, 1)


def nearness(luminance: Value, hints: Hints, index: Value, plane: Plane) -> Value:
    """1 at a hint, and less and less with distance in the picture and in luminance (h, w)."""
    reach = minimum(plane.height, plane.width).cast(np.float32) * REACH
    row, column = hints.rows.take(index), hints.columns.take(index)
    down, across = plane.rows - row, plane.columns - column
    near = (down * down + across * across).cast(np.float32) / (reach * reach)
    difference = luminance - luminance.take(row, 0).take(column, 0)
    return exp((near + difference * difference / REACH_LUMINANCE**2) * -0.5)


def at_places(planes: Value, hints: Hints) -> Value:
    """The numbers (K, C) of planes (C, h, w) at the hints' places."""
    places = hints.rows * planes.length(2) + hints.columns
    return planes.reshape(planes.length(0), -1).take(places, 1).transpose(1, 0)


def conviction(change: Value, hints: Hints) -> Value:
    """How sure the network is that a hint is meant for a place, 0..1, (h, w), by how much it changes there."""
    size = (change * change).reduced("Sum", 0).op("Sqrt")
    there = at_places(size.unsqueeze(0), hints).reshape(-1)
    typical = maximum(median_of(there), LEAST_CHANGE)
    share = ((size / typical - DOUBT[0]) / (DOUBT[1] - DOUBT[0])).clip(0, 1)
    return share * share * (3 - 2 * share)


def free_reach(luminance: Value, hints: Hints) -> Value:
    """How much of an effect at the hints arrives at each place, 0..1, (h, w)."""
    height, width = luminance.length(0), luminance.length(1)
    cells = shrink(blur(blur(luminance)), height, width)
    rows = minimum(hints.rows // CELL, cells.length(0) - 1)
    columns = minimum(hints.columns // CELL, cells.length(1) - 1)
    distance, level = path_lengths(cells, rows, columns)
    difference = (cells - level) / LUMINANCE_REACH
    reach = minimum(exp((distance * distance + difference * difference) * -0.5) * FULL, 1)
    doubled = [reach.graph.arange(side) // CELL for side in (height, width)]
    return blur(reach.take(doubled[0], 0).take(doubled[1], 1))


def path_lengths(cells: Value, rows: Value, columns: Value) -> tuple[Value, Value]:
    """The length of the shortest path from each cell (h, w) to a source, and that source's number in `cells`.

    In every round, each cell looks at its eight neighbors, until nothing changes.
    """
    graph = cells.graph
    height, width = cells.length(0), cells.length(1)
    places = concat([rows.unsqueeze(1), columns.unsqueeze(1)], 1)
    at_sources = rows.cast(np.float32) * 0
    start = graph.filled([height, width], np.inf).op("ScatterND", places, at_sources)
    padded = cells.padded([1, 1], [1, 1])
    moves = []
    for dy, dx in NEIGHBORS:
        there = slice(1 + dy, height + (1 + dy)), slice(1 + dx, width + (1 + dx))
        edge = maximum((cells - padded[there]).op("Abs") - EDGE_FREE, 0)
        moves.append((there, edge * EDGE_COST + float(STEP_COST * np.hypot(dy, dx))))

    def look_around(index: Value, before: Value, level: Value) -> list[Value]:
        distances, levels = before.padded([1, 1], [1, 1], "constant", np.inf), level.padded([1, 1], [1, 1])
        distance = before
        for there, cost in moves:
            by_neighbor = distances[there] + cost
            shorter = by_neighbor < distance
            distance, level = where(shorter, by_neighbor, distance), where(shorter, levels[there], level)
        changed = (distance < before).cast(np.int32).reduced("Max", 0, 1) > 0
        return [changed, distance, level]

    # A round here is a smaller step than in NumPy, where neighbors see each other's news within a round.
    rounds = graph.constant(np.array(4 * MAX_ROUNDS))
    distance, level = graph.loop(rounds, [start, cells], look_around, until=True)
    return distance, level


def coverage(hints: Hints, index: Value, plane: Plane) -> Value:
    """How much of each pixel of the small picture (h, w) a drawn hint covers, 0..1; its edge is soft."""
    points = slice(hints.first.take(index), hints.last.take(index))
    x, y = hints.x[points] * FINE, hints.y[points] * FINE
    height, width = plane.height * FINE, plane.width * FINE
    radius = maximum(hints.radius.take(index), 1) * FINE
    mask = x.graph.branch(
        hints.filled.take(index),
        lambda: area_mask(x, y, height, width),
        lambda: stroke_mask(x, y, radius, height, width),
    )
    return blur(mask.cast(np.float32).reshape(plane.height, FINE, plane.width, FINE).reduced("Mean", 1, 3))


def blur(plane: Value) -> Value:
    """Half of each pixel, and an eighth of each of its four neighbors."""
    padded = plane.padded([1, 1], [1, 1])
    sides = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return (sides + 4 * plane) / 8


def shrink(plane: Value, height: Value, width: Value) -> Value:
    """Means of CELL x CELL pixels."""
    rows, columns = ((side + (CELL - 1)) // CELL for side in (height, width))
    padded = plane.padded([0, 0], [rows * CELL - height, columns * CELL - width])
    return padded.reshape(rows, CELL, columns, CELL).reduced("Mean", 1, 3)
