"""WebP."""

from __future__ import annotations

from functools import partial

from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import pyvips


def open_webp(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported for an animation."""
    if _frames(data) > 1:
        raise Unsupported("WebP / animation", "save one of its pictures, or make a film of it")
    return Picture(lambda: pyvips.Image.webpload_buffer(data, fail_on="error"), "webp", partial(_damaged, data))


def _frames(data: bytes) -> int:
    """How many frames of an animation there are; 0 for a still picture."""
    position, frames = 12, 0
    while position + 8 <= len(data) and frames < 2:
        frames += data[position : position + 4] == b"ANMF"
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return frames


def _damaged(data: bytes) -> pyvips.Image:
    declared = 8 + int.from_bytes(data[4:8], "little")
    raise Damaged("it ends before its picture does" if declared > len(data) else "its picture can't be decoded")
