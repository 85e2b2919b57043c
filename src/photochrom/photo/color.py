"""sRGB <-> CIELAB in float32 NumPy, and fitting chroma into the sRGB gamut.

CIELAB as in CIE 15:2004 with the D65 white and the 2 degree observer; sRGB as in IEC 61966-2-1.
`luminance` here always means CIELAB lightness L*, 0..100 (the colorimetric luminance is Y).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]  # float32 wherever it is stored; NumPy's types can't follow it through sums
PixelArray = NDArray[Any]  # uint8, uint16 or float32 in [0, 1]

SRGB_LINEAR_LIMIT = 0.04045  # below it the sRGB curve is a straight line
RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
XYZ_TO_RGB = tuple(tuple(float(v) for v in row) for row in np.linalg.inv(np.array(RGB_TO_XYZ)))
D65_WHITE = (0.95047, 1.0, 1.08883)  # XYZ of the white point, Y = 1
LAB_EPSILON = 0.008856  # (6/29)^3: below it the cube root becomes a straight line
LAB_KAPPA = 903.3  # (29/3)^3: that line's slope times 116
LAB_LIMIT = 6 / 29  # the cube root of LAB_EPSILON

LINEAR_LEVELS = 1 << 14  # of a table from linear sRGB to 8 bits: off by at most 1, and by 0.013 on average
GAMUT_STEPS = 9  # of bisection: chroma is found to within 1/512 of what was asked for
GAMUT_TOLERANCE = 1e-4  # in linear sRGB: much less than half a step of 8 bits


def rgb_to_linear(rgb: FloatArray) -> FloatArray:
    """Remove the sRGB transfer curve; any shape, [0, 1]."""
    return np.where(rgb <= SRGB_LINEAR_LIMIT, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_rgb(linear_rgb: FloatArray) -> FloatArray:
    """Apply the sRGB transfer curve; any shape. Values under 0 follow its straight part."""
    limit = SRGB_LINEAR_LIMIT / 12.92
    curved = 1.055 * np.maximum(linear_rgb, limit) ** np.float32(1 / 2.4) - 0.055
    return np.where(linear_rgb <= limit, linear_rgb * 12.92, curved).astype(np.float32)


def rgb_to_lab(rgb: FloatArray) -> FloatArray:
    """sRGB (..., 3) in [0, 1] to CIELAB (..., 3): L in 0..100, a, b."""
    linear_rgb = rgb_to_linear(rgb)
    x, y, z = (_lab_root(_dot(row, linear_rgb) / white) for row, white in zip(RGB_TO_XYZ, D65_WHITE, strict=True))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(lab: FloatArray) -> FloatArray:
    """CIELAB (..., 3) to sRGB (..., 3), unclipped: outside [0, 1] means outside the gamut."""
    return linear_to_rgb(np.moveaxis(lab_to_linear_rgb(lab[..., 0], lab[..., 1], lab[..., 2]), 0, -1))


def lab_to_linear_rgb(luminance: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """CIELAB planes of any one shape to planes of linear sRGB (3, ...), unclipped."""
    y = (luminance + np.float32(16)) / np.float32(116)
    return _roots_to_linear_rgb(a / np.float32(500) + y, y, y - b / np.float32(200))


def _roots_to_linear_rgb(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Linear sRGB (3, ...) of the cube roots of X, Y and Z, each over the white's."""
    cubes = [_lab_cube(root) for root in (x, y, z)]
    linear_rgb = np.empty((3, *x.shape), np.float32)
    for channel, weights in zip(linear_rgb, XYZ_TO_RGB, strict=True):
        np.multiply(cubes[0], np.float32(weights[0] * D65_WHITE[0]), out=channel)
        for cube, weight, white in zip(cubes[1:], weights[1:], D65_WHITE[1:], strict=True):
            channel += cube * np.float32(weight * white)
    return linear_rgb


def luminance_of(pixels: PixelArray) -> FloatArray:
    """L in 0..100, (H, W), of sRGB pixels (H, W) or (H, W, 3): uint8, uint16, or float32 in [0, 1]."""
    gray = pixels.ndim == 2
    if pixels.dtype == np.uint8 or pixels.dtype == np.uint16:
        linear = _linear_table(pixels.dtype.itemsize * 8)
        if gray:
            return _lab_luminance(linear).take(pixels)
        y: FloatArray = sum((np.float32(m) * linear).take(pixels[..., i]) for i, m in enumerate(RGB_TO_XYZ[1]))  # type: ignore[assignment]
        return _lab_luminance(y)
    return _lab_luminance(rgb_to_linear(pixels) if gray else _dot(RGB_TO_XYZ[1], rgb_to_linear(pixels)))


def join(luminance: FloatArray, chroma: FloatArray) -> FloatArray:
    """Join L (H, W) and chroma (2, H, W) to sRGB (H, W, 3) in [0, 1] whose luminance is L: `join_linear`, curved."""
    return linear_to_rgb(np.moveaxis(join_linear(luminance, chroma), 0, -1))


def join_linear(luminance: FloatArray, chroma: FloatArray) -> FloatArray:
    """Join L (H, W) and chroma (2, H, W) to planes of linear sRGB (3, H, W) in [0, 1] whose luminance is L.

    Colors that sRGB can't show get the most chroma that it can show at the same L and hue. R, G and B are not
    clipped one by one, because that would change L and hue.
    """
    a, b = chroma
    luminance = np.clip(luminance, 0, 100)
    linear_rgb = lab_to_linear_rgb(luminance, a, b)
    outside = np.flatnonzero(~_displayable(linear_rgb))
    if len(outside):
        linear_rgb.reshape(3, -1)[:, outside] = _into_gamut(*(plane.take(outside) for plane in (luminance, a, b)))
    return np.clip(linear_rgb, 0, 1, out=linear_rgb)


def write_rgb(linear_rgb: FloatArray, pixels: PixelArray) -> None:
    """Write planes of linear sRGB (3, H, W) in [0, 1] as sRGB into pixels (H, W, 3): uint8, uint16 or float32."""
    for number, channel in enumerate(linear_rgb):
        if pixels.dtype == np.uint8:  # several times as fast as the curve's power
            levels = (channel * np.float32(LINEAR_LEVELS) + np.float32(0.5)).astype(np.int32)
            pixels[..., number] = _curve_table().take(levels)
        elif pixels.dtype == np.uint16:
            pixels[..., number] = np.rint(linear_to_rgb(channel) * np.float32(65535))
        else:
            pixels[..., number] = linear_to_rgb(channel)


def _into_gamut(luminance: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Linear sRGB (3, N) with the most chroma that can be shown at L and hue (N,), by bisection."""
    share, step = np.zeros_like(a), np.float32(0.5)
    for _ in range(GAMUT_STEPS):
        tried = share + step
        share = np.where(_displayable(lab_to_linear_rgb(luminance, a * tried, b * tried)), tried, share)
        step /= 2
    return lab_to_linear_rgb(luminance, a * share, b * share)


def _displayable(linear_rgb: FloatArray) -> NDArray[np.bool_]:
    r, g, b = linear_rgb
    low = np.minimum(np.minimum(r, g), b)
    high = np.maximum(np.maximum(r, g), b)
    return (low >= -GAMUT_TOLERANCE) & (high <= 1 + GAMUT_TOLERANCE)


def _dot(weights: tuple[float, ...], rgb: FloatArray) -> FloatArray:
    return sum(np.float32(w) * rgb[..., i] for i, w in enumerate(weights))  # type: ignore[return-value]


def _lab_root(ratio: FloatArray) -> FloatArray:
    line = (np.float32(LAB_KAPPA) * ratio + np.float32(16)) / np.float32(116)
    return np.where(ratio <= LAB_EPSILON, line, np.cbrt(ratio))


def _lab_cube(root: FloatArray) -> FloatArray:
    """The inverse of `_lab_root`: a cube, and below the limit the line that touches it there."""
    curved = np.maximum(root, np.float32(LAB_LIMIT))
    cube = curved * curved
    cube *= curved
    straight = np.minimum(root, np.float32(LAB_LIMIT))
    straight -= np.float32(LAB_LIMIT)
    straight *= np.float32(116 / LAB_KAPPA)
    cube += straight
    return cube


def _lab_luminance(y: FloatArray) -> FloatArray:
    return np.float32(116) * _lab_root(y) - np.float32(16)


@cache
def _linear_table(bits: int) -> FloatArray:
    return rgb_to_linear(np.linspace(0, 1, 2**bits, dtype=np.float32))


@cache
def _curve_table() -> NDArray[np.uint8]:
    """8-bit sRGB of linear sRGB in LINEAR_LEVELS equal steps from 0 to 1."""
    linear = np.linspace(0, 1, LINEAR_LEVELS + 1, dtype=np.float32)
    return np.rint(linear_to_rgb(linear) * np.float32(255)).astype(np.uint8)


def colorfulness(rgb: FloatArray) -> float:
    """Colorfulness of sRGB (H, W, 3) in [0, 1], on the 0..255 scale of the literature.

    Hasler & Suesstrunk 2003, M3, with absolute rg and yb, as the colorization literature computes it.
    """
    r, g, b = np.moveaxis(rgb.astype(np.float64) * 255, -1, 0)
    rg, yb = np.abs(r - g), np.abs((r + g) / 2 - b)
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))
