"""HEIC, through pillow-heif (extra `heic`): the photographs of phones."""

from __future__ import annotations

import io
from functools import partial

import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import PixelArray
from photochrom.photo.formats.arrays import from_array
from photochrom.photo.formats.avif import refuse_hdr
from photochrom.photo.formats.extras import pillow_heif
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.isobmff import boxes, is_whole, properties
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.signature import brands_of
from photochrom.photo.vips import pyvips

PRESET = "ultrafast"  # of the encoder: a seventh of the time for larger files of the same quality, see docs/usage.md
SEQUENCES = {b"hevc", b"hevx"}  # major brands


def open_heic(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported without the extra."""
    pillow_heif()
    if brands_of(data)[0] in SEQUENCES and any(kind == b"moov" for kind, _, _ in boxes(data)):
        raise Unsupported("HEIC / animation", "save one of its pictures, or make a film of it")
    refuse_hdr("HEIC", properties(data))
    return Picture(partial(_load, data, check_size), "heic")


def _load(data: bytes, check_size: CheckSize) -> pyvips.Image:
    if not is_whole(data):
        raise Damaged("it ends before its picture does")
    try:
        file = pillow_heif().open_heif(_with_known_brands(data), convert_hdr_to_8bit=False)
        opened = file[file.primary_index]  # upright
        check_size(*opened.size)
        pixels = np.asarray(opened)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # it raises several kinds for a damaged file
        raise Damaged("a part of its picture can't be decoded") from error
    image = from_array(pixels, opened.info.get("icc_profile") or b"")
    bits = int(opened.info.get("bit_depth", 8))
    if bits > 8:
        image = image.copy()
        image.set_type(pyvips.GValue.gint_type, "bits-per-sample", bits)
    return image


def _with_known_brands(data: bytes) -> bytes:
    """The file with brands that libheif opens: it refuses some by their brands alone, whatever is in them."""
    end = 12 + 4 * len(brands_of(data))
    return data[:16] + b"mif1" * ((end - 16) // 4) + data[end:]


def encode_heic(pixels: PixelArray, profile: bytes, quality: int) -> bytes:
    """Pixels (H, W) or (H, W, 3 or 4): uint8, or uint16 for 10 bits. Raises Unsupported without the extra."""
    heif = pillow_heif()
    deep = pixels.dtype == np.uint16
    mode = {2: "L", 3: "RGB", 4: "RGBA"}[pixels.ndim if pixels.ndim == 2 else pixels.shape[2]]
    if deep:
        mode = {"L": "I;16", "RGB": "RGB;16", "RGBA": "RGBA;16"}[mode]
    size = (pixels.shape[1], pixels.shape[0])
    image = heif.from_bytes(mode=mode, size=size, data=np.ascontiguousarray(pixels).tobytes())
    if profile:
        image.info["icc_profile"] = profile
    buffer = io.BytesIO()
    image.save(buffer, quality=quality, chroma=444, enc_params={"preset": PRESET})
    return buffer.getvalue()
