"""Joining luminance and chroma to sRGB whose luminance is exactly that: the only work at full size.

Colors that sRGB can't show get the most chroma that it can show at the same L and hue. R, G and B are not clipped one
by one, because that would change L and hue.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.color import FloatArray, PixelArray, lab_to_linear_rgb, linear_to_rgb, look_up

LINEAR_LEVELS = 1 << 14  # of a table of the sRGB curve: 8 bits are off by at most 1, and by 0.013 on average
GAMUT_TOLERANCE = 1e-4  # in linear sRGB: much less than half a step of 8 bits
GAMUT_STEPS = 9  # of bisection: chroma is found to within 1/512 of what was asked for


def join(luminance: FloatArray, chroma: FloatArray) -> FloatArray:
    """Join L (H, W) and chroma (2, H, W) to sRGB (H, W, 3) in [0, 1] whose luminance is L."""
    linear_rgb = join_linear(np.clip(luminance, 0, 100), chroma)
    return linear_to_rgb(np.moveaxis(np.clip(linear_rgb, 0, 1, out=linear_rgb), 0, -1))


def join_linear(luminance: FloatArray, chroma: FloatArray) -> FloatArray:
    """Join L (H, W) in 0..100 and chroma (2, H, W) to planes of linear sRGB (3, H, W) whose luminance is L.

    They are in [0, 1], give or take GAMUT_TOLERANCE.
    """
    a, b = chroma
    linear_rgb = lab_to_linear_rgb(luminance, a, b)
    outside = np.flatnonzero(~_displayable(linear_rgb))
    if len(outside):
        mapped = _into_gamut(*(plane.take(outside) for plane in (luminance, a, b)))
        linear_rgb.reshape(3, -1)[:, outside] = mapped
    return linear_rgb


def write_rgb(linear_rgb: FloatArray, pixels: PixelArray) -> None:
    """Write planes of linear sRGB (3, H, W), clipped to [0, 1], as sRGB into pixels (H, W, 3).

    pixels: uint8, uint16 or float32. linear_rgb is overwritten.
    """
    if pixels.dtype == np.float32:
        pixels[:] = linear_to_rgb(np.moveaxis(np.clip(linear_rgb, 0, 1), 0, -1))
        return
    linear_rgb *= np.float32(LINEAR_LEVELS)
    if pixels.dtype == np.uint8:
        linear_rgb += np.float32(0.5)
        for number, level in enumerate(linear_rgb):
            pixels[..., number] = _curve_8_bits().take(level.astype(np.intp), mode="clip")
        return
    for number, level in enumerate(np.clip(linear_rgb, 0, LINEAR_LEVELS, out=linear_rgb)):
        pixels[..., number] = look_up(_curve_16_bits(), level)


def _displayable(linear_rgb: FloatArray) -> NDArray[np.bool_]:
    r, g, b = linear_rgb
    low = np.minimum(np.minimum(r, g), b)
    high = np.maximum(np.maximum(r, g), b)
    return (low >= -GAMUT_TOLERANCE) & (high <= 1 + GAMUT_TOLERANCE)


def _into_gamut(luminance: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Linear sRGB (3, N) with the most chroma that can be shown at L and hue (N,), by bisection."""
    share, step = np.zeros_like(a), np.float32(0.5)
    for _ in range(GAMUT_STEPS):
        tried = share + step
        share += step * _displayable(lab_to_linear_rgb(luminance, a * tried, b * tried))
        step /= 2
    return lab_to_linear_rgb(luminance, a * share, b * share)


@cache
def _curve_8_bits() -> NDArray[np.uint8]:
    """sRGB of linear sRGB in LINEAR_LEVELS equal steps from 0 to 1."""
    linear = np.linspace(0, 1, LINEAR_LEVELS + 1, dtype=np.float32)
    return np.rint(linear_to_rgb(linear) * np.float32(255)).astype(np.uint8)


@cache
def _curve_16_bits() -> FloatArray:
    """The same, not rounded, plus the half that rounds what is cut off; between its numbers lines are right to 0.1."""
    levels = np.minimum(np.arange(LINEAR_LEVELS + 2, dtype=np.float32), LINEAR_LEVELS)  # `look_up` wants one more
    return linear_to_rgb(levels / np.float32(LINEAR_LEVELS)) * np.float32(65535) + np.float32(0.5)
