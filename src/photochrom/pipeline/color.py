"""sRGB and CIELAB, as in `photo.color`; planes lie along the first axis."""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import (
    D65_WHITE,
    LAB_EPSILON,
    LAB_KAPPA,
    RGB_TO_XYZ,
    SRGB_LINEAR_LIMIT,
    XYZ_TO_RGB,
    linear_to_rgb,
    rgb_to_linear,
)
from photochrom.photo.joining import GAMUT_STEPS, GAMUT_TOLERANCE, LINEAR_LEVELS
from photochrom.pipeline.builder import Value, concat, maximum, minimum, power, where

LINEAR = rgb_to_linear(np.linspace(0, 1, 256, dtype=np.float32))  # of each number of 8 bits
LAB_LIMIT = LAB_EPSILON ** (1 / 3)  # below it the cube becomes a straight line
CURVE = np.rint(linear_to_rgb(np.linspace(0, 1, LINEAR_LEVELS + 1, dtype=np.float32)) * 255).astype(np.uint8)
RGB_TO_RATIOS = (np.array(RGB_TO_XYZ).T / np.array(D65_WHITE)).astype(np.float32)  # X, Y and Z over those of the white
RATIOS_TO_RGB = (np.array(XYZ_TO_RGB) * np.array(D65_WHITE)).astype(np.float32)
TINTS = np.array([[1 / 500, 0], [0, 0], [0, -1 / 200]], np.float32)  # what a and b add to CIELAB's three roots


def luminance_of(pixels: Value) -> Value:
    """L (H, W) in 0..100 of sRGB pixels (H, W, 3), uint8."""
    places = pixels.cast(np.int32)
    tables = [pixels.graph.constant(np.float32(weight) * LINEAR) for weight in RGB_TO_XYZ[1]]
    red, green, blue = (table.take(places[..., channel]) for channel, table in enumerate(tables))
    return 116 * lab_root(red + green + blue) - 16


def lab_root(ratio: Value) -> Value:
    """CIELAB's function of X, Y and Z over those of the white: a cube root, and a straight line where it is dark."""
    line = (minimum(ratio, LAB_EPSILON) - LAB_EPSILON) * (LAB_KAPPA / 116)
    return power(maximum(ratio, LAB_EPSILON), 1 / 3) + line


def lab_cube(root: Value) -> Value:
    """The inverse of `lab_root`."""
    light = maximum(root, LAB_LIMIT)
    return light * light * light + (minimum(root, LAB_LIMIT) - LAB_LIMIT) * (116 / LAB_KAPPA)


def join(luminance: Value, chroma: Value) -> Value:
    """Linear sRGB (N, 3) in [0, 1] of luminance (1, N) and chroma (2, N), with the most chroma that sRGB can show."""
    gray = (luminance.clip(0, 100) + 16) / 116
    tint = chroma.graph.constant(TINTS) @ chroma  # (3, N)
    linear_rgb = linear_rgb_of(gray + tint)
    outside = (~displayable(linear_rgb)).squeeze(0).op("NonZero", dtype=np.int64)  # (1, M)
    places = outside.squeeze(0)
    shown = into_gamut(gray.take(places, axis=1), tint.take(places, axis=1))
    mapped = linear_rgb.transpose(1, 0).op("ScatterND", outside.transpose(1, 0), shown.transpose(1, 0))
    return mapped.clip(0, 1)


def linear_rgb_of(roots: Value) -> Value:
    """Linear sRGB (3, N), unclipped, of CIELAB's roots of X, Y and Z (3, N)."""
    return roots.graph.constant(RATIOS_TO_RGB) @ lab_cube(roots)


def into_gamut(gray: Value, tint: Value) -> Value:
    """Linear sRGB (3, M) with the most of the tint (3, M) that can be shown over gray (1, M), by bisection."""
    share = gray * 0
    for step in range(1, GAMUT_STEPS + 1):
        more = share + 0.5**step
        fits = displayable(linear_rgb_of(gray + tint * more))
        share = share + fits.cast(np.float32) * 0.5**step
    return linear_rgb_of(gray + tint * share)


def displayable(linear_rgb: Value) -> Value:
    """Whether sRGB can show each of the colors (3, N): (1, N)."""
    far = (linear_rgb - 0.5).op("Abs")
    return maximum(maximum(far[:1], far[1:2]), far[2:]) <= 0.5 + GAMUT_TOLERANCE


def write_rgb(linear_rgb: Value) -> Value:
    """sRGB of 8 bits of linear sRGB in [0, 1], any shape: from a table, as in `photo.color`."""
    levels = (linear_rgb * LINEAR_LEVELS + 0.5).cast(np.int32)
    return linear_rgb.graph.constant(CURVE).take(levels)


def chroma_of(rgb: Value) -> Value:
    """a and b (N, 2) of sRGB colors (N, 3) in [0, 1]."""
    linear_rgb = where(rgb <= SRGB_LINEAR_LIMIT, rgb / 12.92, power((rgb + 0.055) / 1.055, 2.4))
    roots = lab_root(linear_rgb @ RGB_TO_RATIOS)
    x, y, z = roots[:, :1], roots[:, 1:2], roots[:, 2:]
    return concat([500 * (x - y), 200 * (y - z)], 1)
