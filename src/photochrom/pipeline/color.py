"""sRGB and CIELAB, as in `photo.color` and `photo.joining`; planes lie along the first axis."""

from __future__ import annotations

import numpy as np

from photochrom.photo import color, joining
from photochrom.photo.color import D65_WHITE, LAB_EPSILON, LAB_KAPPA, LAB_LIMIT, RGB_TO_XYZ, SRGB_LINEAR_LIMIT
from photochrom.photo.joining import GAMUT_HUES, GAMUT_LEVELS, GAMUT_TOLERANCE, LINEAR_LEVELS
from photochrom.pipeline.builder import Value, concat, maximum, minimum, power, where

RGB_TO_RATIOS = (np.array(RGB_TO_XYZ).T / np.array(D65_WHITE)).astype(np.float32)  # X, Y and Z over those of the white
TINTS = np.array([[1 / 500], [-1 / 200]], np.float32)  # what a and b add to CIELAB's roots of X and Z


def luminance_of(pixels: Value) -> Value:
    """L (H, W) in 0..100 of sRGB pixels (H, W, 3), uint8."""
    graph = pixels.graph
    levels = [graph.constant(level) for level in color._luminance_levels(8)]
    red, green, blue = (level.take(pixels[..., i].cast(np.int32)) for i, level in enumerate(levels))
    return graph.constant(color._luminance_table()).take((red + green + blue).cast(np.int32))


def lab_root(ratio: Value) -> Value:
    """CIELAB's function of X, Y and Z over those of the white: a cube root, and a straight line where it is dark."""
    line = (minimum(ratio, LAB_EPSILON) - LAB_EPSILON) * (LAB_KAPPA / 116)
    return power(maximum(ratio, LAB_EPSILON), 1 / 3) + line


def lab_cube(root: Value) -> Value:
    """The inverse of `lab_root`."""
    light = maximum(root, LAB_LIMIT)
    return light * light * light + (minimum(root, LAB_LIMIT) - LAB_LIMIT) * (116 / LAB_KAPPA)


def join(luminance: Value, tint: Value) -> Value:
    """Linear sRGB (3, N) of luminance (1, N) and tint (2, N), give or take GAMUT_TOLERANCE.

    tint: chroma times TINTS. Where sRGB can't show it, it is the most that it can show at the same L and hue.
    """
    gray = (luminance + 16) * (1 / 116)
    linear_rgb = linear_rgb_of(gray, tint)
    far = (linear_rgb - 0.5).op("Abs").reduced("Max", 0)
    places = (far > 0.5 + GAMUT_TOLERANCE).op("NonZero", dtype=np.int64).squeeze(0)
    luminance, gray, tint = (value.take(places, 1) for value in (luminance, gray, tint))
    shown = linear_rgb_of(gray, tint * displayable_share(luminance, tint))
    count = linear_rgb.length(1)
    everywhere = concat([places, places + count, places + 2 * count], 0)
    return linear_rgb.reshape(-1).op("ScatterElements", everywhere, shown.reshape(-1)).reshape(3, -1)


def linear_rgb_of(gray: Value, tint: Value) -> Value:
    """Linear sRGB (3, N), unclipped, of the root of Y (1, N) and the tint (2, N) of the roots of X and Z."""
    roots = gray + tint
    return gray.graph.constant(color.ROOT_CUBES_TO_RGB) @ concat([lab_cube(roots[:1]), lab_cube(gray), lab_cube(roots[1:])], 0)


def displayable_share(luminance: Value, tint: Value) -> Value:
    """How much of the tint (2, M) sRGB can show at luminance (1, M), at most 1, (1, M): from a table, as in NumPy."""
    chroma = tint / TINTS
    a, b = chroma[:1], chroma[1:]
    size = a.op("Abs") + b.op("Abs")
    hue = 1 - a / size
    column, share_x = cell((where(b < 0, -hue, hue) + 2) * (GAMUT_HUES / 4), GAMUT_HUES)
    row, share_y = cell(luminance * (GAMUT_LEVELS / 100), GAMUT_LEVELS)
    place = row * (GAMUT_HUES + 1) + column
    gamut = luminance.graph.constant(joining._gamut())
    above, below = (
        between(gamut.take(first), gamut.take(first + 1), share_x) for first in (place, place + (GAMUT_HUES + 1))
    )
    return minimum(between(above, below, share_y) / size, 1)


def cell(position: Value, cells: int) -> tuple[Value, Value]:
    """The cell in which each position is, and how far in it."""
    found = minimum(position.cast(np.int32), cells - 1)
    return found, position - found.cast(np.float32)


def between(start: Value, end: Value, share: Value) -> Value:
    return start + (end - start) * share


def write_rgb(linear_rgb: Value) -> Value:
    """sRGB (N, 3) of 8 bits of linear sRGB (3, N), clipped to [0, 1]: from a table, as in NumPy."""
    levels = (linear_rgb * LINEAR_LEVELS + 0.5).cast(np.int32).clip(0, LINEAR_LEVELS)
    return linear_rgb.graph.constant(joining._curve_8_bits()).take(levels).transpose(1, 0)


def chroma_of(rgb: Value) -> Value:
    """a and b (N, 2) of sRGB colors (N, 3) in [0, 1]."""
    linear_rgb = where(rgb <= SRGB_LINEAR_LIMIT, rgb / 12.92, power((rgb + 0.055) / 1.055, 2.4))
    roots = lab_root(linear_rgb @ RGB_TO_RATIOS)
    x, y, z = roots[:, :1], roots[:, 1:2], roots[:, 2:]
    return concat([500 * (x - y), 200 * (y - z)], 1)
