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
    return linear_to_rgb(lab_to_linear_rgb(lab[..., 0], lab[..., 1], lab[..., 2]))


def lab_to_linear_rgb(luminance: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """CIELAB planes of any one shape to linear sRGB (..., 3), unclipped."""
    y = (luminance + np.float32(16)) / np.float32(116)
    roots = (y + a / np.float32(500), y, y - b / np.float32(200))
    xyz = [_lab_cube(root) * np.float32(white) for root, white in zip(roots, D65_WHITE, strict=True)]
    channels = [sum(np.float32(m) * plane for m, plane in zip(row, xyz, strict=True)) for row in XYZ_TO_RGB]
    return np.stack(channels, axis=-1)


def luminance_of(pixels: PixelArray) -> FloatArray:
    """L in 0..100, (H, W), of sRGB pixels (H, W) or (H, W, 3): uint8, uint16, or float32 in [0, 1]."""
    gray = pixels.ndim == 2
    if pixels.dtype == np.uint8 or pixels.dtype == np.uint16:
        linear = _linear_table(pixels.dtype.itemsize * 8)
        if gray:
            return _lab_luminance(linear)[pixels]
        y: FloatArray = sum(np.float32(m) * linear[pixels[..., i]] for i, m in enumerate(RGB_TO_XYZ[1]))  # type: ignore[assignment]
        return _lab_luminance(y)
    return _lab_luminance(rgb_to_linear(pixels) if gray else _dot(RGB_TO_XYZ[1], rgb_to_linear(pixels)))


def join(luminance: FloatArray, chroma: FloatArray) -> FloatArray:
    """Join L (H, W) and chroma (2, H, W) to sRGB (H, W, 3) in [0, 1] whose luminance is L.

    Colors that sRGB can't show get the most chroma that it can show at the same L and hue. R, G and B are not
    clipped one by one, because that would change L and hue.
    """
    a, b = chroma
    luminance = np.clip(luminance, 0, 100)
    linear_rgb = lab_to_linear_rgb(luminance, a, b)
    outside = ~_displayable(linear_rgb)
    if outside.any():
        linear_rgb[outside] = _into_gamut(luminance[outside], a[outside], b[outside])
    return linear_to_rgb(np.clip(linear_rgb, 0, 1))


def _into_gamut(luminance: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """Linear sRGB (N, 3) with the most chroma that can be shown at L and hue (N,), by bisection."""
    low, high = np.zeros_like(a), np.ones_like(a)
    for _ in range(GAMUT_STEPS):
        share = (low + high) / 2
        fits = _displayable(lab_to_linear_rgb(luminance, a * share, b * share))
        low, high = np.where(fits, share, low), np.where(fits, high, share)
    return lab_to_linear_rgb(luminance, a * low, b * low)


def _displayable(linear_rgb: FloatArray) -> NDArray[np.bool_]:
    r, g, b = linear_rgb[..., 0], linear_rgb[..., 1], linear_rgb[..., 2]
    low = np.minimum(np.minimum(r, g), b)
    high = np.maximum(np.maximum(r, g), b)
    return (low >= -GAMUT_TOLERANCE) & (high <= 1 + GAMUT_TOLERANCE)


def _dot(weights: tuple[float, ...], rgb: FloatArray) -> FloatArray:
    return sum(np.float32(w) * rgb[..., i] for i, w in enumerate(weights))  # type: ignore[return-value]


def _lab_root(ratio: FloatArray) -> FloatArray:
    line = (np.float32(LAB_KAPPA) * ratio + np.float32(16)) / np.float32(116)
    return np.where(ratio <= LAB_EPSILON, line, np.cbrt(ratio))


def _lab_cube(root: FloatArray) -> FloatArray:
    cube = root * root * root
    return np.where(cube <= LAB_EPSILON, (np.float32(116) * root - np.float32(16)) / np.float32(LAB_KAPPA), cube)


def _lab_luminance(y: FloatArray) -> FloatArray:
    return np.float32(116) * _lab_root(y) - np.float32(16)


@cache
def _linear_table(bits: int) -> FloatArray:
    return rgb_to_linear(np.linspace(0, 1, 2**bits, dtype=np.float32))
