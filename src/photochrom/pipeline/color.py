"""sRGB and CIELAB, as in `photo.color`; planes lie along the first axis."""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import (
    D65_WHITE,
    GAMUT_STEPS,
    GAMUT_TOLERANCE,
    LAB_EPSILON,
    LAB_KAPPA,
    RGB_TO_XYZ,
    SRGB_LINEAR_LIMIT,
    XYZ_TO_RGB,
    rgb_to_linear,
)
from photochrom.pipeline.builder import Value, concat, where

LINEAR = rgb_to_linear(np.linspace(0, 1, 256, dtype=np.float32))  # of each number of 8 bits
# From the cubes of Lab's three roots, times the white, to linear sRGB.
CUBES_TO_RGB = (np.array(XYZ_TO_RGB) * np.array(D65_WHITE)).astype(np.float32)
# From a and b to what they add to the three roots.
TINTS = np.array([[1 / 500, 0], [0, 0], [0, -1 / 200]], np.float32)


def luminance_of(pixels: Value) -> Value:
    """L (H, W) in 0..100 of sRGB pixels (H, W, 3), uint8."""
    weights = np.array(RGB_TO_XYZ[1], np.float32)
    table = np.concatenate([weight * LINEAR for weight in weights])
    places = pixels.cast(np.int32) + np.array([0, 256, 512], np.int32)
    return 116 * lab_root(pixels.graph.constant(table).take(places).reduced("Sum", -1)) - 16


def lab_root(ratio: Value) -> Value:
    """CIELAB's function of X, Y and Z over those of the white."""
    return where(ratio <= LAB_EPSILON, (LAB_KAPPA * ratio + 16) / 116, power(ratio, 1 / 3))


def power(base: Value, exponent: float) -> Value:
    """Of numbers above 0."""
    return base.op("Pow", exponent)


def join(luminance: Value, chroma: Value) -> Value:
    """sRGB (N, 3) in [0, 1] of luminance (1, N) and chroma (2, N), with the most chroma that sRGB can show."""
    gray = (luminance.clip(0, 100) + 16) / 116
    tint = chroma.graph.constant(TINTS) @ chroma  # (3, N)
    linear_rgb = linear_rgb_of(gray + tint)
    outside = (~displayable(linear_rgb)).op("NonZero", dtype=np.int64)  # (1, M)
    places = outside.squeeze(0)
    shown = into_gamut(gray.take(places, axis=1), tint.take(places, axis=1))
    mapped = linear_rgb.transpose(1, 0).op("ScatterND", outside.transpose(1, 0), shown.transpose(1, 0))
    return linear_to_rgb(mapped.clip(0, 1))


def linear_rgb_of(roots: Value) -> Value:
    """Linear sRGB (3, N), unclipped, of CIELAB's roots of X, Y and Z (3, N)."""
    cubes = roots * roots * roots
    ratios = where(cubes <= LAB_EPSILON, (116 * roots - 16) / LAB_KAPPA, cubes)
    return roots.graph.constant(CUBES_TO_RGB) @ ratios


def into_gamut(gray: Value, tint: Value) -> Value:
    """Linear sRGB (3, M) with the most of the tint (3, M) that can be shown over gray (1, M), by bisection."""
    low, high = gray * 0, gray * 0 + 1
    for _ in range(GAMUT_STEPS):
        share = (low + high) / 2
        fits = displayable(linear_rgb_of(gray + tint * share))
        low, high = where(fits, share, low), where(fits, high, share)
    return linear_rgb_of(gray + tint * low)


def displayable(linear_rgb: Value) -> Value:
    """Whether sRGB can show each of the colors (3, N)."""
    low, high = linear_rgb.reduced("Min", 0), linear_rgb.reduced("Max", 0)
    return (low >= -GAMUT_TOLERANCE) & (high <= 1 + GAMUT_TOLERANCE)


def linear_to_rgb(linear_rgb: Value) -> Value:
    """Apply the sRGB transfer curve; any shape, [0, 1]."""
    limit = SRGB_LINEAR_LIMIT / 12.92
    curved = 1.055 * power(linear_rgb.op("Max", limit), 1 / 2.4) - 0.055
    return where(linear_rgb <= limit, linear_rgb * 12.92, curved)


def chroma_of(rgb: Value) -> Value:
    """a and b (N, 2) of sRGB colors (N, 3) in [0, 1]."""
    curved = power((rgb + 0.055) / 1.055, 2.4)
    linear_rgb = where(rgb <= SRGB_LINEAR_LIMIT, rgb / 12.92, curved)
    to_ratios = (np.array(RGB_TO_XYZ).T / np.array(D65_WHITE)).astype(np.float32)
    roots = lab_root(linear_rgb @ to_ratios)
    x, y, z = roots[:, :1], roots[:, 1:2], roots[:, 2:]
    return concat([500 * (x - y), 200 * (y - z)], 1)

