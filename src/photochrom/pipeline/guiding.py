"""Chroma as a function of luminance, fitted in the small picture and applied at full size, as in `photo.upsampling`."""

from __future__ import annotations

import numpy as np

from photochrom.photo.upsampling import EDGE, RADIUS
from photochrom.pipeline.balance import PARTS
from photochrom.pipeline.builder import Value, concat, maximum, minimum
from photochrom.pipeline.color import join, luminance_of, write_rgb

STRIP_PIXELS = 1 << 16  # pixels joined at a time: small enough for the processor's cache


def fit_parts(parts: Value, luminance: Value) -> Value:
    """Fit the parts of chroma (5, h, w) to luminance (h, w): the guide (10, h, w), their slopes and their offsets."""
    windows = [window_matrix(luminance.length(axis)) for axis in (0, 1)]
    plane = luminance.unsqueeze(0)
    means = box_mean(concat([plane, plane * plane, parts, parts * luminance], 0), windows)
    mean_luminance, mean_square, mean_part, mean_product = means[:1], means[1:2], means[2:7], means[7:]
    variance = maximum(mean_square - mean_luminance * mean_luminance, 0)
    slope = (mean_product - mean_part * mean_luminance) / (variance + EDGE**2)
    offset = mean_part - slope * mean_luminance
    return box_mean(concat([slope, offset], 0), windows)


def box_mean(planes: Value, windows: list[Value]) -> Value:
    """Mean over square windows, cut off at the border; planes (C, h, w)."""
    return windows[0] @ planes @ windows[1].transpose(1, 0)


def window_matrix(length: Value) -> Value:
    """The (length, length) matrix of a mean over 2 * RADIUS + 1 neighbors."""
    index = length.graph.arange(length)
    inside = ((index.unsqueeze(1) - index).op("Abs") <= RADIUS).cast(np.float32)
    return inside / inside.reduced("Sum", 1, keep=True)


def color_rows(pixels: Value, first: Value, height: Value, guide: Value, weights: Value) -> Value:
    """The colors (n, W, 3), uint8, of rows first .. first + n, pixels (n, W, 3), of a photograph `height` pixels high.

    weights (2, 5): of the guide's parts. Strip by strip, so that it takes little memory.
    """
    graph, count, width = pixels.graph, pixels.length(0), pixels.length(1)
    most = maximum(width.like(STRIP_PIXELS) // width, 1)
    strips = (count + most - 1) // most
    rows = maximum((count + strips - 1) // strips, 2)  # a product with one row is rounded in another way

    def color_strip(index: Value) -> list[Value]:
        begin = index * rows
        strip = pixels.take(minimum(graph.arange(rows) + begin, count - 1))  # all strips have as many rows
        luminance = luminance_of(strip)
        tints = tints_of(luminance, first + begin, height, guide, weights)
        linear_rgb = join(*(plane.reshape(-1) for plane in (luminance, *tints)))
        return [write_rgb(linear_rgb).reshape(rows, width, 3)]

    (colors,) = graph.loop(strips, [], color_strip)
    return colors.reshape(-1, width, 3)[:count]


def tints_of(luminance: Value, first: Value, height: Value, guide: Value, weights: Value) -> tuple[Value, Value]:
    """The tints, as `color.join` takes them, of rows first .. first + n with luminance (n, W): (n, W) each.

    The few rows of the guide (10, h, w) that these need become as wide as the photograph, and then as many.
    """
    graph, small = guide.graph, guide.length(1)
    rows, width = luminance.length(0), luminance.length(1)
    place = (graph.arange(rows) + first).cast(np.float64) + 0.5
    position = place * small.cast(np.float64) / height.cast(np.float64) - 0.5
    position = minimum(maximum(position, 0), (small - 1).cast(np.float64))
    low, high = position[0].cast(np.int64), position[-1].cast(np.int64) + 2
    few = guide[:, low:high]
    count = few.length(1)
    distance = (position.unsqueeze(1) - (graph.arange(count) + low).cast(np.float64)).op("Abs")
    down = maximum(1 - distance, 0).cast(np.float32)  # (n, count), two numbers of each row aren't 0
    balanced = weights @ few.reshape(2, PARTS, -1)  # slopes and offsets of both tints
    wide = enlarge_columns(balanced.reshape(4, count, few.length(2)), width)
    slope_x, slope_z, offset_x, offset_z = (down @ wide[number] for number in range(4))
    return slope_x * luminance + offset_x, slope_z * luminance + offset_z


def enlarge_columns(planes: Value, width: Value) -> Value:
    """Planes (C, n, w) enlarged bilinearly to (C, n, width); each row is a picture of its own."""
    graph = planes.graph
    count, rows = planes.length(0), planes.length(1)
    batch = planes.reshape(1, count * rows, 1, planes.length(2))
    nothing = graph.constant(np.zeros(0, np.float32))
    sizes = graph.vector([1, count * rows, 1, width])
    (enlarged,) = graph.node("Resize", [batch, nothing, nothing, sizes], [np.float32], mode="linear")
    return enlarged.reshape(count, rows, width)
