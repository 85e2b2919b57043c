"""Encoded photographs to small arrays, quickly: Pillow for plain ones, libvips for everything else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from photochrom.photo import collections
from photochrom.photo.collections import Member
from photochrom.photo.thumbnails import reduce
from photochrom.settings import usable_cores

THREADS = min(4, usable_cores())
PLAIN = {"JPEG", "MPO", "PNG", "WEBP", "AVIF", "BMP"}  # Pillow's names of formats
MEANINGS = {"icc_profile", "gamma", "cicp"}  # in a file's header: its numbers aren't sRGB
MAX_ASPECT = 1.5  # of the long side to the short one; the rest is cut off on both sides


def decode_all(members: list[Member], side: int) -> Iterator[NDArray[np.uint8] | None]:
    """Each photograph as `decode` makes it, in order; None for a damaged one."""
    _limit_avif_threads()
    return collections.decode_all(members, lambda data: decode(data, side), THREADS)


def _limit_avif_threads() -> None:
    with suppress(ImportError):  # Pillow before 11.3 reads no AVIF
        from PIL import AvifImagePlugin

        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # it would start a thread per core for every photograph


def decode(data: bytes, side: int) -> NDArray[np.uint8]:
    """An encoded photograph, upright, as sRGB (H, W, 3).

    Its short side is at most `side` pixels and never enlarged; its long side is at most MAX_ASPECT times the short
    one, the middle of it. Raises InputError for what can't wholly be decoded.
    """
    plain = _decode_plain(data, side)
    rgb8 = _decode_any(data, side) if plain is None else plain
    height, width = rgb8.shape[:2]
    longest = round(MAX_ASPECT * min(height, width))
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return rgb8[top : top + longest, left : left + longest]


def _decode_plain(data: bytes, side: int) -> NDArray[np.uint8] | None:
    """A photograph of three 8-bit channels without a color profile; None for any other, or one that Pillow can't read.

    For small AVIF and WebP files this takes less than a tenth of the time of libvips' thumbnails.
    """
    try:
        file = Image.open(io.BytesIO(data))
        if file.mode != "RGB" or file.format not in PLAIN or not MEANINGS.isdisjoint(file.info):
            return None
        if file.format != "JPEG" and getattr(file, "is_animated", False):
            return None
        file.draft("RGB", (side, side))  # JPEG only: decodes to a half, a quarter or an eighth, but no smaller
        image = ImageOps.exif_transpose(file)
        width, height = _scaled(*image.size, side)
        if (width, height) != image.size:
            image = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        return np.asarray(image)
    except Exception:  # Pillow raises many kinds for a damaged file, and libvips may still read it
        return None


def _decode_any(data: bytes, side: int) -> NDArray[np.uint8]:
    """Any photograph that is colored, too, converted to sRGB, transparency on white."""
    return reduce(data, lambda width, height: _scaled(width, height, side), size="down")


def _scaled(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height with a short side of at most `side`."""
    scale = min(1.0, side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
