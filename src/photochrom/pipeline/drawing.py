"""Strokes and areas as masks, as in `photo.drawing`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from photochrom.pipeline.builder import Value, concat, maximum, minimum, where

MOST_LINES = 64  # drawn at a time, so that they take little memory

Points = tuple[Value, Value]  # x and y, (n,) of float64
Crossings = tuple[Value, Value]  # their x, and 1, -1 or 0; (h, n) each
Outline = Callable[[Points, Points, Value], list[Crossings]]  # of lines from some points to others, at rows (h, 1)


def stroke_mask(x: Value, y: Value, radius: Value, height: Value, width: Value) -> Value:
    """The pixels (h, w) whose middle is nearer than radius to the line through points (n,)."""

    def crossings(start: Points, end: Points, rows: Value) -> list[Crossings]:
        across, down = end[0] - start[0], end[1] - start[1]
        scale = radius / maximum((across * across + down * down).op("Sqrt"), 1e-9)
        side = -down * scale, across * scale
        left, right = [(at[0] + side[0], at[1] + side[1]) for at in (start, end)]
        back, front = [(at[0] - side[0], at[1] - side[1]) for at in (end, start)]
        corners = [left, right, back, front, left]
        lines = [line_crossings(one, other, rows) for one, other in pairwise(corners)]
        return [disc_crossings(start, radius, rows), *lines]

    following = minimum(x.graph.arange(x.length(0)) + 1, x.length(0) - 1)
    around = turns_around((x, y), following, crossings, height, width)
    return ~(around.op("Equal", 0, dtype=bool))


def area_mask(x: Value, y: Value, height: Value, width: Value) -> Value:
    """The pixels (h, w) whose middle lies inside the outline through points (n,)."""
    following = (x.graph.arange(x.length(0)) + 1) % x.length(0)
    around = turns_around((x, y), following, lambda *lines: [line_crossings(*lines)], height, width)
    return (around.cast(np.int64) % 2).op("Equal", 1, dtype=bool)


def disc_crossings(middles: Points, radius: Value, rows: Value) -> Crossings:
    x, y = middles
    square = radius * radius - (rows - y) * (rows - y)
    half = maximum(square, 0).op("Sqrt")
    inside = (square > 0).cast(np.int32)
    return concat([x - half, x + half], 1), concat([inside, -inside], 1)


def line_crossings(start: Points, end: Points, rows: Value) -> Crossings:
    (x0, y0), (x1, y1) = start, end
    rise = y1 - y0
    slope = (x1 - x0) / where(rise.op("Equal", 0, dtype=bool), 1, rise)
    down, up = (y0 <= rows) & (rows < y1), (y1 <= rows) & (rows < y0)
    return x0 + (rows - y0) * slope, down.cast(np.int32) - up.cast(np.int32)


def turns_around(points: Points, following: Value, crossings: Outline, height: Value, width: Value) -> Value:
    """How often the lines from each point to the following one go around the middle of each pixel, (h, w)."""
    graph = height.graph
    rows = (graph.arange(height).cast(np.float64) + 0.5).unsqueeze(1)

    def add_portion(index: Value, change: Value) -> list[Value]:
        some = slice(index * MOST_LINES, (index + 1) * MOST_LINES)
        starts, ends = (
            [axis.take(at[some]) for axis in points] for at in (graph.arange(following.length(0)), following)
        )
        parts = crossings((starts[0], starts[1]), (ends[0], ends[1]), rows)
        x, turns = (concat(each, 1) for each in zip(*parts, strict=True))
        columns = (minimum(maximum(x, 0), width.cast(np.float64)) - 0.5).op("Ceil").cast(np.int64)
        return [change.op("ScatterElements", columns, turns, axis=1, reduction="add")]

    portions = (following.length(0) + (MOST_LINES - 1)) // MOST_LINES
    (change,) = graph.loop(portions, [graph.filled([height, width + 1], 0).cast(np.int32)], add_portion)
    return change.op("CumSum", graph.constant(np.array(1)))[:, :-1]
