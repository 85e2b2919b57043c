"""JPEG XL and JPEG XR, through imagecodecs (extra `formats`), which keeps their depth."""

from __future__ import annotations

import io
import struct
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import InputError
from photochrom.photo.formats.arrays import from_array
from photochrom.photo.formats.extras import imagecodecs, jpeg_xl_plugin
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.jpeg_xl import read_header
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import pyvips

XR_WIDTH, XR_HEIGHT, XR_OFFSET, XR_LENGTH = 0xBC80, 0xBC81, 0xBCC0, 0xBCC1  # tags


def open_jpeg_xl(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported without the extra."""
    imagecodecs("JPEG XL")
    jpeg_xl_plugin()
    return Picture(partial(_decode, _jpeg_xl, data, check_size), "png")


def open_jpeg_xr(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported without the extra."""
    imagecodecs("JPEG XR")
    return Picture(partial(_decode, _jpeg_xr, data, check_size), "png")


def _decode(load: Any, data: bytes, check_size: CheckSize) -> pyvips.Image:
    try:
        return load(data, check_size)
    except (InputError, Unsupported, Damaged, MemoryError):
        raise
    except Exception as error:  # the decoders raise many kinds for a damaged file
        raise Damaged("it ends before its picture does, or a part of it can't be decoded") from error


def _jpeg_xl(data: bytes, check_size: CheckSize) -> pyvips.Image:
    with closing(jpeg_xl_plugin().JXLImageFile(io.BytesIO(data))) as opened:
        check_size(opened.width, opened.height)
        profile, mode = opened.info.get("icc_profile", b""), opened.mode
    decode, header = imagecodecs("JPEG XL").jpegxl_decode, read_header(data)
    if header.is_animated and _has_second_frame(decode, data):
        raise Unsupported("JPEG XL / animation", "save one of its pictures, or make a film of it")
    pixels = _photographic(decode(data, index=0) if header.is_animated else decode(data), "JPEG XL")
    if pixels.dtype == np.uint16 and header.bits < 16:  # colors and transparency, from 0 to the largest of these bits
        pixels = (pixels * np.float32(65535 / (2**header.bits - 1))).round().astype(np.uint16)
    return from_array(pixels, profile, cmyk=mode == "CMYK")


def _has_second_frame(decode: Any, data: bytes) -> bool:
    try:
        decode(data, index=1)
    except Exception:  # it has no frame of that number
        return False
    return True


def _jpeg_xr(data: bytes, check_size: CheckSize) -> pyvips.Image:
    """Its directory is a TIFF's with other tags; pixels are sRGB, or gray, if they are integers."""
    (offset,) = struct.unpack_from("<I", data, 4)
    (amount,) = struct.unpack_from("<H", data, offset)
    sizes = {}
    for place in range(offset + 2, offset + 2 + 12 * amount, 12):
        tag, kind, _, value = struct.unpack_from("<HHII", data, place)
        sizes[tag] = value & 0xFFFF if kind == 3 else value
    check_size(sizes[XR_WIDTH], sizes[XR_HEIGHT])
    if sizes[XR_OFFSET] + sizes[XR_LENGTH] > len(data):
        raise Damaged("it ends before its picture does")
    return from_array(_photographic(imagecodecs("JPEG XR").jpegxr_decode(data), "JPEG XR"))


def _photographic(pixels: NDArray[Any], label: str) -> NDArray[Any]:
    """Pixels of 8 or 16 bits, (H, W) or (H, W, C)."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise Unsupported(f"{label} / floating-point numbers (high dynamic range)")
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
