"""Formats that Pillow reads: BMP, GIF, PPM and PGM."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import PixelArray
from photochrom.photo.formats.arrays import from_array
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import pyvips

if TYPE_CHECKING:
    from PIL import Image
    from PIL.ImageFile import ImageFile

PLAIN = ("BMP", "GIF", "PPM")
KEPT_MODES = {"L", "LA", "RGB", "RGBA", "CMYK"}
DEEP_GRAY = {"I;16", "I;16B", "I;16L", "I;16N", "I"}  # Pillow stretches them to 0..65535


def open_plain(label: str, data: bytes, check_size: CheckSize) -> Picture:
    """A picture of one of the formats in PLAIN."""
    return Picture(partial(_load, label, data, check_size), "bmp" if label == "BMP" else "png")


def _load(label: str, data: bytes, check_size: CheckSize) -> pyvips.Image:
    try:
        with closing(_opener(label)(io.BytesIO(data))) as opened:
            check_size(opened.width, opened.height)
            if label == "GIF" and getattr(opened, "n_frames", 1) > 1:
                raise Unsupported("GIF / animation", "save one of its pictures, or make a film of it")
            if label == "PPM" and _goes_on(data):
                raise Unsupported("PPM / several pictures", "divide it with pamsplit")
            if label == "PPM" and opened.mode == "RGB" and data[:2] == b"P6" and _ppm_header(data)[2] > 255:
                return _deep_ppm(data)
            return from_array(pillow_pixels(opened), cmyk=opened.mode == "CMYK")
    except (InputError, Unsupported, Damaged):
        raise
    except Exception as error:  # Pillow raises many kinds of errors for a damaged file
        if str(error).startswith("Unsupported"):
            raise Unsupported(f"{label} / an unusual arrangement of bits") from error
        raise Damaged("it ends before its picture does, or a part of it can't be decoded") from error


def _opener(label: str) -> Callable[[io.BytesIO], ImageFile]:
    """Pillow's reader, imported only here: most photographs need none of it."""
    from PIL.BmpImagePlugin import BmpImageFile
    from PIL.GifImagePlugin import GifImageFile
    from PIL.PpmImagePlugin import PpmImageFile

    return {"BMP": BmpImageFile, "GIF": GifImageFile, "PPM": PpmImageFile}[label]


def pillow_pixels(opened: Image.Image) -> PixelArray:
    """All pixels, decoded: (H, W) or (H, W, 2 to 4), uint8, or uint16 for deep gray."""
    if opened.mode in DEEP_GRAY:
        return np.asarray(opened).astype(np.uint16)
    gray = opened.mode in ("1", "L", "LA")
    if opened.has_transparency_data:
        return np.asarray(opened.convert("LA" if gray else "RGBA"))
    return np.asarray(opened if opened.mode in KEPT_MODES else opened.convert("L" if gray else "RGB"))


def _goes_on(data: bytes) -> bool:
    """Whether another picture follows the first one, which only the binary kinds allow."""
    if data[:2] not in (b"P4", b"P5", b"P6"):
        return False
    width, height, largest, start = _ppm_header(data)
    row = (width + 7) // 8 if data[:2] == b"P4" else width * (1 if data[:2] == b"P5" else 3) * (1 + (largest > 255))
    return re.match(rb"\s*P[1-6]\s", data[start + row * height :]) is not None


def _ppm_header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, the largest value (1 in a P4, which has none), and where the pixels begin."""
    position = 2
    numbers: list[int] = []
    wanted = 2 if data[:2] == b"P4" else 3
    while len(numbers) < wanted:
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
    return numbers[0], numbers[1], numbers[2] if wanted == 3 else 1, position + 1


def _deep_ppm(data: bytes) -> pyvips.Image:
    """Color of more than 8 bits, which Pillow would reduce to 8."""
    width, height, largest, start = _ppm_header(data)
    values = np.frombuffer(data, ">u2", width * height * 3, start).reshape(height, width, 3)
    if largest > 65535 or values.max() > largest:
        raise Damaged("it has values above its maximum")
    return from_array((values * np.float32(65535 / largest)).round().astype(np.uint16))
