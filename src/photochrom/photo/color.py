"""sRGB <-> CIELAB in float32 NumPy.

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
LAB_LINE = 116 / LAB_KAPPA  # the slope of that line, from root to XYZ
ROOT_CUBES_TO_RGB = np.array(XYZ_TO_RGB, np.float32) * np.array(D65_WHITE, np.float32)
TERMS_TO_RGB = np.concatenate([ROOT_CUBES_TO_RGB * np.float32(LAB_LINE), ROOT_CUBES_TO_RGB], axis=1)

LUMINANCE_LEVELS = 1 << 14  # of a table from Y to L; between them lines are right to 0.00004


def look_up(table: FloatArray, position: FloatArray) -> FloatArray:
    """Numbers of a table (N,) at positions in 0..N - 2, of any shape, which are overwritten; between two, on a line."""
    return between(table, split_position(position), position)


def between(table: FloatArray, cell: NDArray[np.intp], share: FloatArray) -> FloatArray:
    """Numbers between those of a table, of any shape, at cell and cell + 1: by a share of the way."""
    start, end = table.take(cell, mode="clip"), table.take(cell + 1, mode="clip")  # of NaN there is no cell
    end -= start
    end *= share
    start += end
    return start


def split_position(position: FloatArray) -> NDArray[np.intp]:
    """The whole parts of positions in a table, which are 0 or more; the positions keep what is behind them."""
    whole = np.floor(position)
    position -= whole
    return whole.astype(np.intp)


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
    # All in one piece: glibc gives back what is freed beyond twice its largest piece. To get it again takes longer
    # than the arithmetic.
    work = np.empty((9, luminance.size), np.float32)
    terms, light = work[:6], work[6:]
    roots, cubes = terms[:3], terms[3:]  # of X, Y and Z, each over the white's
    np.multiply(a.ravel(), np.float32(1 / 500), out=roots[0])
    np.add(luminance.ravel(), np.float32(16), out=roots[1])
    np.multiply(b.ravel(), np.float32(-1 / 200), out=roots[2])
    roots[1] *= np.float32(1 / 116)
    roots[0] += roots[1]
    roots[2] += roots[1]
    # X, Y and Z are cubes, and below the limit the lines that touch them there: with w = max(root, limit) both are
    # w^3 + LAB_LINE * (root - w), which needs no case for dark pixels.
    np.maximum(roots, np.float32(LAB_LIMIT), out=light)
    np.multiply(light, light, out=cubes)
    cubes -= np.float32(LAB_LINE)
    cubes *= light
    linear_rgb = np.matmul(TERMS_TO_RGB, terms, out=light)
    return linear_rgb.reshape(3, *luminance.shape)


def luminance_of(pixels: PixelArray) -> FloatArray:
    """L in 0..100, (H, W), of sRGB pixels (H, W) or (H, W, 3): uint8, uint16, or float32 in [0, 1]."""
    gray = pixels.ndim == 2
    if pixels.dtype == np.uint8 or pixels.dtype == np.uint16:
        bits = pixels.dtype.itemsize * 8
        if gray:
            return _gray_luminance_table(bits).take(pixels)
        red, green, blue = (table.take(pixels[..., i]) for i, table in enumerate(luminance_levels(bits)))
        red += green
        red += blue
        return look_up(luminance_table(), red)
    return _lab_luminance(rgb_to_linear(pixels) if gray else _dot(RGB_TO_XYZ[1], rgb_to_linear(pixels)))


def _dot(weights: tuple[float, ...], rgb: FloatArray) -> FloatArray:
    return sum(np.float32(w) * rgb[..., i] for i, w in enumerate(weights))  # type: ignore[return-value]


def _lab_root(ratio: FloatArray) -> FloatArray:
    line = (np.float32(LAB_KAPPA) * ratio + np.float32(16)) / np.float32(116)
    return np.where(ratio <= LAB_EPSILON, line, np.cbrt(ratio))


def _lab_luminance(y: FloatArray) -> FloatArray:
    return np.float32(116) * _lab_root(y) - np.float32(16)


@cache
def _linear_table(bits: int) -> FloatArray:
    return rgb_to_linear(np.linspace(0, 1, 2**bits, dtype=np.float32))


@cache
def _gray_luminance_table(bits: int) -> FloatArray:
    """L of a gray level."""
    return _lab_luminance(_linear_table(bits))


@cache
def luminance_levels(bits: int) -> list[FloatArray]:
    """What a level of R, G and B adds to Y, in steps of `luminance_table`."""
    return [np.float32(m * LUMINANCE_LEVELS) * _linear_table(bits) for m in RGB_TO_XYZ[1]]


@cache
def luminance_table() -> FloatArray:
    """L of Y in LUMINANCE_LEVELS equal steps from 0 to 1, and one more."""
    return _lab_luminance(np.arange(LUMINANCE_LEVELS + 2, dtype=np.float32) / np.float32(LUMINANCE_LEVELS))


def colorfulness(rgb: FloatArray) -> float:
    """Colorfulness of sRGB (H, W, 3) in [0, 1], on the 0..255 scale of the literature.

    Hasler & Suesstrunk 2003, M3, with absolute rg and yb, as the colorization literature computes it.
    """
    r, g, b = np.moveaxis(rgb.astype(np.float64) * 255, -1, 0)
    rg, yb = np.abs(r - g), np.abs((r + g) / 2 - b)
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))
