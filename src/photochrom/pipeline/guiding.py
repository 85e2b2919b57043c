"""Chroma as a function of luminance, fitted in the small picture and applied at full size, as in `photo.upsampling`."""

from __future__ import annotations

import numpy as np

from photochrom.photo.upsampling import EDGE, RADIUS
from photochrom.pipeline.balance import PARTS
from photochrom.pipeline.builder import Value, concat, maximum, minimum
from photochrom.pipeline.color import join, luminance_of, write_rgb


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

    weights (2, 5): of the guide's parts. Rows from `height` on, if there are any, are as the last one of the guide.
    """
    rows, width = pixels.length(0), pixels.length(1)
    luminance = luminance_of(pixels).unsqueeze(0)
    low = enlarge_rows(guide, first, rows, height)  # (10, n, w)
    balanced = weights @ low.reshape(2, PARTS, -1)  # slopes and offsets, of a and b each
    slope_and_offset = enlarge_columns(balanced.reshape(4, rows, low.length(2)), width)
    chroma = slope_and_offset[:2] * luminance + slope_and_offset[2:]
    linear_rgb = join(luminance.reshape(1, -1), chroma.reshape(2, -1))
    return write_rgb(linear_rgb).reshape(rows, width, 3)


def enlarge_rows(planes: Value, first: Value, count: Value, height: Value) -> Value:
    """Rows first .. first + count of planes (C, h, w) enlarged bilinearly to (C, height, w)."""
    small = planes.length(1)
    place = (planes.graph.arange(count) + first).cast(np.float64) + 0.5
    position = place * small.cast(np.float64) / height.cast(np.float64) - 0.5
    position = minimum(maximum(position, 0), (small - 1).cast(np.float64))
    low = position.cast(np.int64)
    high = minimum(low + 1, small - 1)
    share = (position - low.cast(np.float64)).cast(np.float32).unsqueeze(1)
    return planes.take(low, 1) * (1 - share) + planes.take(high, 1) * share


def enlarge_columns(planes: Value, width: Value) -> Value:
    """Planes (C, n, w) enlarged bilinearly to (C, n, width).

    Each row is a picture of its own, so that it comes out the same in a strip of any height, to the last bit.
    """
    graph = planes.graph
    count, rows = planes.length(0), planes.length(1)
    batch = planes.reshape(1, count * rows, 1, planes.length(2))
    nothing = graph.constant(np.zeros(0, np.float32))
    sizes = graph.vector([1, count * rows, 1, width])
    (enlarged,) = graph.node("Resize", [batch, nothing, nothing, sizes], [np.float32], mode="linear")
    return enlarged.reshape(count, rows, width)
