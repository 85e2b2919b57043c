"""Decoded pixels to libvips' pictures, so that what follows is one road for all formats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.vips import pyvips

BLOB = pyvips.GValue.blob_type
INT = pyvips.GValue.gint_type


def orientation_in(image: pyvips.Image) -> int:
    """EXIF's 1..8, by which a picture is to be turned."""
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1


def from_array(pixels: NDArray[Any], profile: bytes = b"", *, cmyk: bool = False) -> pyvips.Image:
    """Pixels (H, W) or (H, W, C) of gray, RGB or CMYK, with or without alpha; uint8, uint16, or float32 in [0, 1]."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    deep = pixels.dtype != np.uint8
    if cmyk:
        interpretation = "cmyk"
    elif channels < 3:
        interpretation = "grey16" if deep else "b-w"
    else:
        interpretation = "rgb16" if deep else "srgb"
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation=interpretation)
    if profile:
        image = image.copy()
        image.set_type(BLOB, "icc-profile-data", profile)
    return image
