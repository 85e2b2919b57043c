"""Decoding files to photographs: pixels, transparency and metadata.

libvips (through pyvips) does the work. Unlike Pillow it reads 16-bit color, converts ICC profiles without an 8-bit
step, keeps metadata and streams files of 100 megapixels. Pillow reads BMP, which libvips' binary wheel leaves out.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from photochrom.errors import InputError, TooLargeError, reason_of
from photochrom.photo.color import PixelArray
from photochrom.photo.metadata.reading import read_true_metadata
from photochrom.photo.metadata.webp import is_lossless
from photochrom.photo.photograph import Photograph
from photochrom.photo.vips import first_line, pyvips
from photochrom.settings import FORMAT_LABELS, FORMATS, MAX_PIXELS

MIN_SIDE = 8  # pixels: in a smaller picture there is nothing to recognize
MAX_ASPECT = 100.0  # longer strips shrink to nothing at the network's size
LOADER_FORMATS = {f.loader: name for name, f in FORMATS.items() if f.loader}


def read_photograph(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photograph:
    """Read a photograph from a file. Raises InputError with one line that says what is wrong.

    max_pixels: a larger photograph raises TooLargeError before it is decoded. Coloring takes about 14 bytes per
    pixel.
    """
    return decode_photograph(read_bytes(Path(path)), str(path), max_pixels)


def read_bytes(path: Path) -> bytes:
    """The content of a photograph's file. Raises InputError."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a photograph")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason_of(error)}") from error


def decode_photograph(data: bytes, name: str = "the photograph", max_pixels: int = MAX_PIXELS) -> Photograph:
    """Decode an encoded photograph; `name` is for messages. Raises InputError."""
    if not data:
        raise InputError(f"{name} is empty")
    try:
        image, format_name = _open(data, name, max_pixels)
        _check_size(image.width, image.height, name, max_pixels)
        metadata = replace(read_true_metadata(data), source=hashlib.sha256(data).hexdigest())
        bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else None
        image = image.autorot()
        pixels, alpha = _to_srgb(image, name)
    except pyvips.Error as error:
        raise InputError(f"{name} {_diagnosis(data, error)}") from error
    lossless = format_name == "webp" and is_lossless(data)
    return Photograph(pixels, alpha, format_name, metadata, bits, lossless)


def _open(data: bytes, name: str, max_pixels: int) -> tuple[pyvips.Image, str]:
    if data[:2] == b"BM":
        return _open_bmp(data, name, max_pixels), "bmp"
    # A truncated file raises an error; otherwise its missing part would be gray.
    image = pyvips.Image.new_from_buffer(data, "", fail_on="truncated")
    loader = image.get("vips-loader").removesuffix("_buffer")
    if loader == "tiffload":
        _check_tiff_is_whole(data)
    return image, LOADER_FORMATS.get(loader, "png")


def _open_bmp(data: bytes, name: str, max_pixels: int) -> pyvips.Image:
    from PIL.BmpImagePlugin import BmpImageFile

    try:
        with closing(BmpImageFile(io.BytesIO(data))) as opened:
            _check_size(opened.width, opened.height, name, max_pixels)
            mode = opened.mode if opened.mode in ("L", "RGBA") else "RGB"
            return pyvips.Image.new_from_array(
                np.asarray(opened.convert(mode)), interpretation="b-w" if mode == "L" else "srgb"
            )
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds of errors for a damaged file
        raise pyvips.Error(f"BMP: {error}") from error


def _check_tiff_is_whole(data: bytes) -> None:
    """Check that every strip is there, because libtiff fills the missing part of a truncated file with guesses."""
    from PIL.TiffImagePlugin import TiffImageFile

    try:
        with closing(TiffImageFile(io.BytesIO(data))) as opened:
            tags = opened.tag_v2
            ends = [
                offset + length
                for starts, lengths in ((273, 279), (324, 325))  # strips, tiles
                for offset, length in zip(tags.get(starts, ()), tags.get(lengths, ()), strict=False)
            ]
    except Exception:  # Pillow raises many kinds of errors
        return  # a TIFF that only libtiff can read
    if ends and max(ends) > len(data):
        raise pyvips.Error("TIFF: the file ends before its picture does")


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width * height > max_pixels:
        limit = f"more than the limit of {max_pixels / 1e6:g} million: raise max-pixels if you trust the file"
        raise TooLargeError(f"{name} declares {width} x {height} pixels, {limit}")
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels: too small, each side needs at least {MIN_SIDE}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InputError(f"{name} is {width} x {height} pixels: too long and narrow, cut it into parts first")


def _to_srgb(image: pyvips.Image, name: str) -> tuple[PixelArray, PixelArray | None]:
    """Pixels and alpha as upright sRGB or gray arrays of 8 or 16 bits."""
    if image.format in ("float", "double"):
        image = _float_to_16_bits(image, name)
    elif image.format not in ("uchar", "ushort"):
        raise InputError(f"{name} has pixels of type {image.format}, which is not a photograph's")
    deep = image.format == "ushort"
    alpha = None
    if image.hasalpha():
        alpha = _to_array(image[image.bands - 1], deep)
        image = image[: image.bands - 1] if image.bands > 2 else image[0]
    cmyk = image.interpretation == "cmyk" or image.bands == 4
    if image.get_typeof("icc-profile-data") or cmyk:
        # Without relative intent and black point compensation, scanner profiles turn black into gray.
        profile = {"input_profile": "cmyk"} if cmyk else {}
        with suppress(pyvips.Error):  # a broken profile: take the numbers as sRGB, as browsers do
            converted = image.icc_transform("srgb", embedded=True, depth=16 if deep else 8, **profile)
            image = converted.copy_memory()
    if image.bands >= 3:
        target = "rgb16" if deep else "srgb"
        image = image if image.interpretation in ("srgb", "rgb16", "rgb", "multiband") else image.colourspace(target)
        return _to_array(image[:3], deep), alpha
    return _to_array(image[0], deep), alpha


def _float_to_16_bits(image: pyvips.Image, name: str) -> pyvips.Image:
    values = image.numpy()
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds numbers that are not finite (NaN or infinity)")
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"{name} holds floating-point numbers outside 0..1: rescale it first")
    array = np.round(values * 65535).astype(np.uint16)
    gray = array.ndim == 2 or array.shape[2] < 3
    return pyvips.Image.new_from_array(array, interpretation="grey16" if gray else "rgb16")


def _to_array(image: pyvips.Image, deep: bool) -> PixelArray:
    array = image.numpy()
    kind = np.uint16 if deep else np.uint8
    return array if array.dtype == kind else array.astype(kind)


def _diagnosis(data: bytes, error: pyvips.Error) -> str:
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "is a web page, not a photograph: download the picture itself"
    if "not in a known format" in str(error):
        return f"is not a photograph in a format this program reads ({FORMAT_LABELS})"
    return f"is damaged or incomplete ({first_line(error)})"
