"""Formats that Pillow reads: BMP, GIF, PPM and PGM, JPEG 2000."""

from __future__ import annotations

import io
import struct
from contextlib import closing
from functools import partial

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PpmImagePlugin import PpmImageFile

from photochrom.errors import InputError
from photochrom.photo.color import PixelArray
from photochrom.photo.formats.arrays import from_array
from photochrom.photo.formats.extras import imagecodecs
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.isobmff import boxes
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import pyvips

OPENERS = {"BMP": BmpImageFile, "GIF": GifImageFile, "PPM": PpmImageFile, "JPEG 2000": Jpeg2KImageFile}
JP2_CMYK, JP2_ALPHA = b"\0\0\0\x0c", 1  # an enumerated color space; a kind of channel
KEPT_MODES = {"L", "LA", "RGB", "RGBA", "CMYK"}
DEEP_GRAY = {"I;16", "I;16B", "I;16L", "I;16N", "I"}  # Pillow stretches them to 0..65535


def open_plain(label: str, data: bytes, check_size: CheckSize) -> Picture:
    """A picture of one of the formats in OPENERS."""
    return Picture(partial(_load, label, data, check_size), "bmp" if label == "BMP" else "png")


def _load(label: str, data: bytes, check_size: CheckSize) -> pyvips.Image:
    try:
        if label == "JPEG 2000" and len(_depths(data)) > 4:
            return _ink_and_alpha(data, check_size)
        with closing(OPENERS[label](io.BytesIO(data))) as opened:
            check_size(opened.width, opened.height)
            if label == "GIF" and getattr(opened, "n_frames", 1) > 1:
                raise Unsupported("GIF / animation", "save one of its pictures, or make a film of it")
            if label == "PPM" and opened.mode == "RGB" and data[:2] == b"P6" and _ppm_header(data)[2] > 255:
                return _deep_ppm(data)
            if label == "JPEG 2000":
                return _jpeg_2000(opened, data)
            return from_array(pillow_pixels(opened), cmyk=opened.mode == "CMYK")
    except (InputError, Unsupported, Damaged):
        raise
    except Exception as error:  # Pillow raises many kinds of errors for a damaged file
        if str(error).startswith("Unsupported"):
            raise Unsupported(f"{label} / an unusual arrangement of bits") from error
        raise Damaged("it ends before its picture does, or a part of it can't be decoded") from error


def pillow_pixels(opened: Image.Image) -> PixelArray:
    """All pixels, decoded: (H, W) or (H, W, 2 to 4), uint8, or uint16 for deep gray."""
    if opened.mode in DEEP_GRAY:
        return np.asarray(opened).astype(np.uint16)
    if opened.mode in KEPT_MODES:
        return np.asarray(opened)
    if opened.mode == "1":
        return np.asarray(opened.convert("L"))
    return np.asarray(opened.convert("RGBA" if opened.has_transparency_data else "RGB"))


def _ppm_header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, the largest value, and where the pixels begin."""
    position = 2
    numbers: list[int] = []
    while len(numbers) < 3:
        if data[position : position + 1].isspace():
            position += 1
        elif data[position : position + 1] == b"#":
            position = data.index(b"\n", position)
        else:
            end = position
            while data[end : end + 1].isdigit():
                end += 1
            numbers.append(int(data[position:end]))
            position = end
    return numbers[0], numbers[1], numbers[2], position + 1


def _deep_ppm(data: bytes) -> pyvips.Image:
    """Color of more than 8 bits, which Pillow would reduce to 8."""
    width, height, largest, start = _ppm_header(data)
    values = np.frombuffer(data, ">u2", width * height * 3, start).reshape(height, width, 3)
    if largest > 65535 or values.max() > largest:
        raise Damaged("it has values above its maximum")
    return from_array((values * np.float32(65535 / largest)).round().astype(np.uint16))


def _jpeg_2000(opened: Image.Image, data: bytes) -> pyvips.Image:
    profile = _jp2_profile(data)
    bits = _bits_of_color(data)
    if bits <= 8:
        return from_array(pillow_pixels(opened), profile, cmyk=opened.mode == "CMYK")
    # Pillow would reduce these to 8 bits.
    values = imagecodecs(f"JPEG 2000 / color with {bits} bits per channel").jpeg2k_decode(data)
    return from_array((values * np.float32(65535 / (2**bits - 1))).round().astype(np.uint16), profile)


def _bits_of_color(data: bytes) -> int:
    """Bits per channel of a JPEG 2000 in color; 0 for one in gray, whose depth Pillow keeps."""
    depths = _depths(data)
    return max(depths) if len(depths) > 1 else 0


def _depths(data: bytes) -> list[int]:
    """Bits of each channel of a JPEG 2000."""
    start = data.index(b"\xff\x4f\xff\x51") + 40  # where the number of channels stands, then 3 bytes of each
    channels = int.from_bytes(data[start : start + 2], "big")
    return [(byte & 0x7F) + 1 for byte in data[start + 2 : start + 2 + 3 * channels : 3]]


def _ink_and_alpha(data: bytes, check_size: CheckSize) -> pyvips.Image:
    """CMYK with transparency, which Pillow doesn't open. Raises Unsupported for other colors of so many channels."""
    colors = _jp2_boxes(data, b"colr")
    if set(_depths(data)) != {8} or not any(each[:1] == b"\1" and each[3:7] == JP2_CMYK for each in colors):
        raise Unsupported(f"JPEG 2000 / {len(_depths(data))} channels")
    decode = imagecodecs("JPEG 2000 / CMYK with transparency").jpeg2k_decode
    start = data.index(b"\xff\x4f\xff\x51") + 8
    right, bottom, left, top = struct.unpack_from(">4I", data, start)
    check_size(right - left, bottom - top)
    pixels = decode(data)
    kinds = {n: kind for each in _jp2_boxes(data, b"cdef") for n, kind, _ in struct.iter_unpack(">3H", each[2:])}
    alpha = next((n for n in range(4, pixels.shape[2]) if kinds.get(n) == JP2_ALPHA), None)
    kept = pixels[..., :4] if alpha is None else pixels[..., [0, 1, 2, 3, alpha]]
    return from_array(kept, _jp2_profile(data), cmyk=True)


def _jp2_profile(data: bytes) -> bytes:
    """The color profile of a JPEG 2000 file, which Pillow doesn't give; empty for none."""
    return next((each[3:] for each in _jp2_boxes(data, b"colr") if each[:1] in (b"\2", b"\3")), b"")


def _jp2_boxes(data: bytes, name: bytes) -> list[bytes]:
    """The contents of the boxes of a name in the header of a JPEG 2000 file."""
    headers = [(start, end) for kind, start, end in boxes(data) if kind == b"jp2h"]
    return [data[a:b] for start, end in headers for kind, a, b in boxes(data, start, end) if kind == name]
