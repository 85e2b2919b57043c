"""sRGB and CIELAB, as in `photo.color` and `photo.joining`; planes lie along the first axis."""

from __future__ import annotations

import numpy as np

from photochrom.photo import color, joining
from photochrom.photo.color import D65_WHITE, LAB_EPSILON, LAB_KAPPA, LAB_LIMIT, RGB_TO_XYZ, SRGB_LINEAR_LIMIT
from photochrom.photo.joining import (
    GAMUT_HUES,
    GAMUT_LEVELS,
    GAMUT_STEPS,
    GAMUT_TOLERANCE,
    LINEAR_LEVELS,
    WEAK_CHROMA,
)
from photochrom.pipeline.builder import Value, concat, maximum, minimum, power, where

RGB_TO_RATIOS = (np.array(RGB_TO_XYZ).T / np.array(D65_WHITE)).astype(np.float32)  # X, Y and Z over those of the white
TINTS = (1 / 500, -1 / 200)  # what a and b add to CIELAB's roots of X and Z


def luminance_of(pixels: Value) -> Value:
    """L (H, W) in 0..100 of sRGB pixels (H, W, 3), uint8."""
    graph = pixels.graph
    levels = pixels.reshape(-1, 3).transpose(1, 0).cast(np.int32)
    red, green, blue = (
        graph.constant(table).look_up(levels[channel]) for channel, table in enumerate(color.luminance_levels(8))
    )
    table, sum_of_all = graph.constant(color.luminance_table()), red + green + blue
    cell = sum_of_all.cast(np.int32)
    luminance = between(table.look_up(cell), table.look_up(cell + 1), sum_of_all - cell.cast(np.float32))
    return luminance.reshape(pixels.length(0), pixels.length(1))


def lab_root(ratio: Value) -> Value:
    """CIELAB's function of X, Y and Z over those of the white: a cube root, and a straight line where it is dark."""
    line = (minimum(ratio, LAB_EPSILON) - LAB_EPSILON) * (LAB_KAPPA / 116)
    return power(maximum(ratio, LAB_EPSILON), 1 / 3) + line


def lab_cube(root: Value) -> Value:
    """The inverse of `lab_root`."""
    light = maximum(root, LAB_LIMIT)
    return light * light * light + (minimum(root, LAB_LIMIT) - LAB_LIMIT) * (116 / LAB_KAPPA)


def join(luminance: Value, x: Value, z: Value) -> Value:
    """Linear sRGB (3, N) of luminance and tints, (N,) each, give or take GAMUT_TOLERANCE.

    x, z: what chroma adds to the roots of X and Z, a / 500 and -b / 200. Where sRGB can't show them, they are the most
    that it can show at the same L and hue.
    """
    linear_rgb = linear_rgb_of(luminance, x, z)
    places = displayable(linear_rgb).op("Not").op("NonZero", dtype=np.int64).squeeze(0)
    luminance, x, z = (value.look_up(places) for value in (luminance, x, z))
    share = displayable_share(luminance, x, z)
    shown = linear_rgb_of(luminance, x * share, z * share)
    count = linear_rgb.length(1)
    everywhere = concat([places, places + count, places + 2 * count], 0)
    return linear_rgb.reshape(-1).op("ScatterElements", everywhere, shown.reshape(-1)).reshape(3, -1)


def linear_rgb_of(luminance: Value, x: Value, z: Value) -> Value:
    """Linear sRGB (3, N), unclipped, of luminance and tints, (N,) each."""
    y = (luminance + 16) * (1 / 116)
    cubes = [lab_cube(root).unsqueeze(0) for root in (x + y, y, z + y)]
    return y.graph.constant(color.ROOT_CUBES_TO_RGB) @ concat(cubes, 0)


def displayable_share(luminance: Value, x: Value, z: Value) -> Value:
    """How much of the tints sRGB can show at a luminance, (M,) each: looked up or found by bisection, as in NumPy."""
    a, b = x * (1 / TINTS[0]), z * (1 / TINTS[1])
    amount = maximum(a.op("Abs") + b.op("Abs"), 1e-9)
    weak = minimum(displayable_amount(luminance, a, b / amount) / amount, 1)
    strong = luminance * 0
    for step in range(1, GAMUT_STEPS + 1):
        more = strong + 0.5**step
        fits = displayable(linear_rgb_of(luminance, x * more, z * more))
        strong = strong + fits.cast(np.float32) * 0.5**step
    return where(amount > WEAK_CHROMA, strong, weak)


def displayable_amount(luminance: Value, a: Value, part: Value) -> Value:
    """The largest |a| + |b| that sRGB can show, (M,), as in `photo.joining`."""
    rest = 1 - part
    level, turn = luminance * (GAMUT_LEVELS / 100), (2 - where(a < 0, -rest, rest)) * GAMUT_HUES
    row, column = level.cast(np.int32), turn.cast(np.int32)
    table = joining.gamut_table()
    numbers, cell = luminance.graph.constant(table.ravel()), row * table.shape[1] + column
    below, above = (
        between(numbers.look_up(each), numbers.look_up(each + 1), turn - column.cast(np.float32))
        for each in (cell, cell + table.shape[1])
    )
    return between(below, above, level - row.cast(np.float32))


def displayable(linear_rgb: Value) -> Value:
    """Whether sRGB can show each of the colors (3, N): (N,)."""
    red, green, blue = (linear_rgb[channel] for channel in range(3))
    low, high = minimum(minimum(red, green), blue), maximum(maximum(red, green), blue)
    return (low >= -GAMUT_TOLERANCE).op("And", high <= 1 + GAMUT_TOLERANCE)


def between(start: Value, end: Value, share: Value) -> Value:
    """start, moved toward end by a share of the way."""
    return start + (end - start) * share


def write_rgb(linear_rgb: Value) -> Value:
    """sRGB (N, 3) of 8 bits of linear sRGB (3, N), clipped to [0, 1]: from a table, as in NumPy."""
    levels = (linear_rgb * LINEAR_LEVELS).clip(0, LINEAR_LEVELS).cast(np.int32)
    curve = linear_rgb.graph.constant(joining.curve_8_bits())
    return curve.look_up(levels.reshape(-1)).reshape(3, -1).transpose(1, 0)


def chroma_of(rgb: Value) -> Value:
    """a and b (N, 2) of sRGB colors (N, 3) in [0, 1]."""
    linear_rgb = where(rgb <= SRGB_LINEAR_LIMIT, rgb / 12.92, power((rgb + 0.055) / 1.055, 2.4))
    roots = lab_root(linear_rgb @ RGB_TO_RATIOS)
    x, y, z = roots[:, :1], roots[:, 1:2], roots[:, 2:]
    return concat([500 * (x - y), 200 * (y - z)], 1)
