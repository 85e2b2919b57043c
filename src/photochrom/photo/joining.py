"""Joining luminance and chroma to sRGB whose luminance is exactly that: the only work at full size.

Colors that sRGB can't show get the most chroma that it can show at the same L and hue. R, G and B are not clipped one
by one, because that would change L and hue.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.color import (
    FloatArray,
    PixelArray,
    between,
    lab_to_linear_rgb,
    linear_to_rgb,
    look_up,
    split_position,
)

LINEAR_LEVELS = 1 << 14  # of a table of the sRGB curve: 8 bits are off by at most 1, and by 0.013 on average
GAMUT_TOLERANCE = 1e-4  # in linear sRGB: much less than half a step of 8 bits
GAMUT_STEPS = 9  # of bisection: chroma is found to within 1/512 of what was asked for
WEAK_CHROMA = 24  # |a| + |b| up to which chroma is looked up instead
GAMUT_LEVELS, GAMUT_HUES = 128, 64  # steps of the table for that: of L, and of a quarter of the hues
TABLE_STEPS = 14  # of the bisection that fills it
MOST_CHROMA = 188  # the largest |a| + |b| of sRGB, that of blue, and a little more


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
        white = luminance.take(outside) >= 100  # often whole skies and margins
        linear_rgb.reshape(3, -1)[:, outside[white]] = 1
        outside = outside[~white]
        mapped = _into_gamut(*(plane.take(outside) for plane in (luminance, a, b)))
        for plane, values in zip(linear_rgb, mapped, strict=True):
            plane.reshape(-1)[outside] = values
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
        for number, level in enumerate(linear_rgb):
            pixels[..., number] = curve_8_bits().take(level.astype(np.intp), mode="clip")
        return
    for number, level in enumerate(np.clip(linear_rgb, 0, LINEAR_LEVELS, out=linear_rgb)):
        pixels[..., number] = look_up(_curve_16_bits(), level)


def _displayable(linear_rgb: FloatArray) -> NDArray[np.bool_]:
    r, g, b = linear_rgb
    low = np.minimum(np.minimum(r, g), b)
    high = np.maximum(np.maximum(r, g), b)
    return (low >= -GAMUT_TOLERANCE) & (high <= 1 + GAMUT_TOLERANCE)


def _into_gamut(luminance: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Linear sRGB (3, N) with the most chroma that can be shown at L and hue (N,), at most what is asked for.

    Most of such pixels are nearly black, with weak chroma. Of strong chroma the table's lines would miss the corners of
    what can be shown, at yellow and blue.
    """
    amount = np.abs(a)
    amount += np.abs(b)
    np.maximum(amount, np.float32(1e-9), out=amount)
    share = _displayable_amount(luminance, a, b / amount)
    share /= amount
    np.minimum(share, np.float32(1), out=share)
    strong = np.flatnonzero(amount > WEAK_CHROMA)
    if len(strong):
        share[strong] = _most(luminance.take(strong), a.take(strong), b.take(strong), GAMUT_STEPS)
    return lab_to_linear_rgb(luminance, a * share, b * share)


def _most(luminance: FloatArray, a: FloatArray, b: FloatArray, steps: int) -> FloatArray:
    """The share of chroma, under 1, that can be shown at L and hue, by bisection; planes of any one shape."""
    share, step = np.zeros(a.shape, np.float32), np.float32(0.5)
    for _ in range(steps):
        tried = share + step
        share += step * _displayable(lab_to_linear_rgb(luminance, a * tried, b * tried))
        step /= 2
    return share


def _displayable_amount(luminance: FloatArray, a: FloatArray, part: FloatArray) -> FloatArray:
    """The largest |a| + |b| (N,) that can be shown at L and a hue: the sign of a, and b / (|a| + |b|)."""
    table = gamut_table()
    level = luminance * np.float32(GAMUT_LEVELS / 100)
    turn = np.float32(GAMUT_HUES) * (np.float32(2) - np.copysign(np.float32(1) - part, a))
    cell, column = split_position(level), split_position(turn)
    cell *= table.shape[1]
    cell += column
    amount = between(table, cell, turn)
    cell += table.shape[1]
    above = between(table, cell, turn)
    above -= amount
    above *= level
    amount += above
    return amount


@cache
def gamut_table() -> FloatArray:
    """The largest |a| + |b| that sRGB can show, by L and hue, with one more row and column for `between`.

    L has GAMUT_LEVELS equal steps from 0 to 100. Hues go once around, with GAMUT_HUES steps of b / (|a| + |b|) from
    each axis to the next, beginning at -b. Between its numbers, chroma is right to 0.01 on average.
    """
    level = np.minimum(np.arange(GAMUT_LEVELS + 2, dtype=np.float32) * np.float32(100 / GAMUT_LEVELS), 100)
    turn = np.minimum(np.arange(4 * GAMUT_HUES + 2, dtype=np.float32) / np.float32(GAMUT_HUES), 4)
    part = np.minimum(turn - 1, 3 - turn) * np.float32(MOST_CHROMA)
    rest = np.copysign(np.float32(MOST_CHROMA) - np.abs(part), 2 - turn)
    luminance, a, b = np.broadcast_arrays(level[:, None], rest, part)
    return np.float32(MOST_CHROMA) * _most(luminance, a, b, TABLE_STEPS)


@cache
def curve_8_bits() -> NDArray[np.uint8]:
    """sRGB of linear sRGB in the middle of each of LINEAR_LEVELS equal parts of 0 to 1, and of 1."""
    middles = (np.arange(LINEAR_LEVELS + 1, dtype=np.float32) + np.float32(0.5)) / np.float32(LINEAR_LEVELS)
    return np.rint(linear_to_rgb(np.minimum(middles, 1)) * np.float32(255)).astype(np.uint8)


@cache
def _curve_16_bits() -> FloatArray:
    """The same, not rounded, plus the half that rounds what is cut off; between its numbers lines are right to 0.1."""
    levels = np.minimum(np.arange(LINEAR_LEVELS + 2, dtype=np.float32), LINEAR_LEVELS)  # `look_up` wants one more
    return linear_to_rgb(levels / np.float32(LINEAR_LEVELS)) * np.float32(65535) + np.float32(0.5)
