"""Pictures whose file gives a transfer curve and primaries as numbers (PNG's gAMA, cHRM and cICP), turned into sRGB."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from photochrom.photo.color import RGB_TO_XYZ, FloatArray, linear_to_rgb, rgb_to_linear
from photochrom.photo.vips import pyvips

Curve = Callable[[FloatArray], FloatArray]  # values in [0, 1] to light in [0, 1]
Primaries = tuple[float, ...]  # x and y of white, red, green and blue

SRGB_PRIMARIES: Primaries = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
SAME = 0.002  # primaries that differ by less are equal


def power(exponent: float) -> Curve:
    """The curve value ** exponent."""
    return lambda values: values ** np.float32(exponent)


def bt709(values: FloatArray) -> FloatArray:
    """The inverse of the curve of ITU-R BT.709."""
    return np.where(values < 0.081, values / 4.5, ((values + 0.099) / 1.099) ** (1 / 0.45)).astype(np.float32)


srgb: Curve = rgb_to_linear


def to_srgb(image: pyvips.Image, curve: Curve, primaries: Primaries | None) -> pyvips.Image:
    """Gray or RGB of 8 or 16 bits, with or without alpha, in sRGB of the same depth.

    primaries: None for sRGB's, as for gray.
    """
    alpha = image[image.bands - 1] if image.hasalpha() else None
    color = image[:3] if image.bands > 2 else image[0]
    levels = 65536 if image.format == "ushort" else 256
    light = curve(np.linspace(0, 1, levels, dtype=np.float32))
    if color.bands < 3 or primaries is None or np.abs(np.subtract(primaries, SRGB_PRIMARIES)).max() < SAME:
        converted = color.maplut(_table(linear_to_rgb(light), levels))
    else:
        matrix = np.linalg.inv(np.array(RGB_TO_XYZ)) @ _adapted(primaries)
        linear = color.maplut(pyvips.Image.new_from_array(light[None].astype(np.float32)))
        fine = (linear.recomb(pyvips.Image.new_from_array(matrix.tolist())) * 65535).rint().cast("ushort")
        converted = fine.maplut(_table(linear_to_rgb(np.linspace(0, 1, 65536, dtype=np.float32)), levels))
    converted = converted if alpha is None else converted.bandjoin(alpha)
    return converted.copy(interpretation=image.interpretation)


def _table(values: FloatArray, levels: int) -> pyvips.Image:
    kind = np.uint8 if levels == 256 else np.uint16
    return pyvips.Image.new_from_array(np.round(np.clip(values, 0, 1) * (levels - 1)).astype(kind)[None])


def _adapted(primaries: Primaries) -> FloatArray:
    """The matrix from light in these primaries to XYZ, with their white moved to D65 (Bradford)."""
    white, columns = _xyz(*primaries[:2]), np.stack([_xyz(*primaries[n : n + 2]) for n in (2, 4, 6)], axis=1)
    to_xyz = columns * np.linalg.solve(columns, white)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    scale = (bradford @ np.sum(RGB_TO_XYZ, axis=1)) / (bradford @ white)
    return np.linalg.inv(bradford) @ np.diag(scale) @ bradford @ to_xyz


def _xyz(x: float, y: float) -> FloatArray:
    return np.array([x / y, 1.0, (1 - x - y) / y])
