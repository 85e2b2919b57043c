"""From the photograph to the small luminance that the network sees, as `Colorizer.small_luminance` does it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from photochrom.inference.colorizer import MAX_WORKING_ASPECT
from photochrom.pipeline.builder import Value, maximum, minimum
from photochrom.pipeline.color import luminance_of

PART_PIXELS = 1 << 19  # pixels of the rows that are made at a time


def small_luminance(pixels: Value, working_size: int) -> Value:
    """L (h, w) in 0..100 at the working size, of pixels (H, W, 3); part by part, so that it takes little memory."""
    height, width = pixels.length(0), pixels.length(1)
    small_height, small_width = working_shape(height, width, working_size)
    low = resized(lambda rows: luminance_of(pixels[rows]), height, width, small_height).transpose(1, 0)  # (W, h)
    return resized(lambda rows: low[rows], width, small_height, small_width).transpose(1, 0).clip(0, 100)


def resized(rows_of: Callable[[slice], Value], inputs: Value, width: Value, outputs: Value) -> Value:
    """Rows (outputs, width) of an antialiased bilinear resize of one axis, as in `photo.resize`.

    rows_of: makes some of the rows (inputs, width) that are resized. The filter is a triangle; only the rows that it
    reaches are made.
    """
    graph = inputs.graph
    scale = inputs.cast(np.float64) / outputs.cast(np.float64)
    support = maximum(scale, 1)
    together = PART_PIXELS / (scale * width.cast(np.float64))
    together = minimum(maximum(together.cast(np.int64), 1), outputs)

    def resize_part(index: Value) -> list[Value]:
        some = minimum(graph.arange(together) + index * together, outputs - 1)  # all parts have as many rows
        centers = (some.cast(np.float64) + 0.5) * scale
        first = maximum((centers[0] - support).cast(np.int64), 0)
        last = minimum((centers[-1] + support).cast(np.int64) + 1, inputs)
        return [triangles(graph.arange(last - first) + first, centers, support) @ rows_of(slice(first, last))]

    (parts,) = graph.loop((outputs + together - 1) // together, [], resize_part)
    return parts.reshape(-1, width)[:outputs]


def resize_matrix(inputs: Value, outputs: Value, scale: Value) -> Value:
    """The whole matrix (outputs, inputs) of such a resize. scale: the size of an output in inputs, float64."""
    graph = inputs.graph
    centers = (graph.arange(outputs).cast(np.float64) + 0.5) * scale
    return triangles(graph.arange(inputs), centers, maximum(scale, 1))


def triangles(inputs: Value, centers: Value, support: Value) -> Value:
    """The weights (n, m) of inputs (m,), integers, in outputs around centers (n,)."""
    distance = (inputs.cast(np.float64) + 0.5 - centers.unsqueeze(1)).op("Abs") / support
    weights = maximum(1 - distance, 0)
    return (weights / weights.reduced("Sum", 1, keep=True)).cast(np.float32)


def working_shape(height: Value, width: Value, working_size: int) -> tuple[Value, Value]:
    """The height and width at which the network sees a photograph: its short side is working_size."""
    longest = maximum(height, width).cast(np.float64)
    scale = working_size / minimum(height, width).cast(np.float64)
    scale = minimum(scale, MAX_WORKING_ASPECT * working_size / longest)
    sides = ((side.cast(np.float64) * scale).op("Round").cast(np.int64) for side in (height, width))
    small_height, small_width = (maximum(side, 1) for side in sides)
    return small_height, small_width
