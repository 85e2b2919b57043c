"""Encoding pixels to the content of a file. What a new format needs is in CONTRIBUTING.md."""

from __future__ import annotations

import io
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import EncodingError, InputError
from photochrom.photo.color import PixelArray
from photochrom.photo.formats.faults import Unsupported
from photochrom.photo.formats.heic import encode_heic
from photochrom.photo.spool import by_bands, content_of, is_spooled, let_go_meanwhile
from photochrom.photo.vips import company, first_line, pyvips
from photochrom.settings import FORMATS, QUALITY

# What libvips is told for each format; lossy formats also get the quality, as "Q".
OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {"subsample_mode": "off"},
    "png": {},
    "webp": {"smart_subsample": True},
    "tiff": {"compression": "deflate", "predictor": "horizontal"},
    # At its usual effort of 4 the encoder takes 7 times as long, and makes the files no smaller: docs/usage.md.
    "avif": {"compression": "av1", "subsample_mode": "off", "effort": 3},
}

# Optimized coding makes a JPEG a tenth smaller, but the encoder has to hold all of it: 270 MB for 24 megapixels, and
# two thirds of its time.
OPTIMIZED_PIXELS = 8_000_000
HOLDS_BITS_BETWEEN = ("avif", "heic")  # formats with 10 and 12 bits
HEIC_BITS = 10  # the most that the encoder writes
THUMBNAIL_SIDE = 160  # pixels: the long side


def encode(
    pixels: PixelArray,
    alpha: PixelArray | None,
    format: str,
    quality: int,
    bits: int | None = None,
    lossless: bool = False,
) -> bytes | memoryview:
    """Encode the pixels of a `Photograph` to the content of a file without metadata, except the profile.

    If the format can't hold 16 bits, they become 8, or `bits` in an AVIF. If it can't hold transparency, that is left
    out. lossless: a WebP is. Raises InputError for an unknown format or quality, and EncodingError for a photograph
    that the format can't hold.
    """
    if format not in FORMATS:
        raise InputError(f"no photograph format is called {format!r}: choose one of {', '.join(FORMATS)}")
    QUALITY.check(quality, "quality")
    height, width = pixels.shape[:2]
    if max(height, width) > FORMATS[format].max_side:
        limit = f"{FORMATS[format].label} holds at most {FORMATS[format].max_side} pixels on a side"
        raise EncodingError(f"can't be written as {FORMATS[format].label}: it is {width} x {height}, and {limit}")
    if format == "heic":
        return _encode_heic(pixels, alpha, quality)
    between = bits is not None and 8 < bits < 16 and format in HOLDS_BITS_BETWEEN and pixels.dtype == np.uint16
    if not FORMATS[format].deep and not between and pixels.dtype == np.uint16:
        pixels, alpha = to_8_bits(pixels), None if alpha is None else to_8_bits(alpha)
    if format == "bmp":
        return _encode_bmp(pixels)
    deep = pixels.dtype == np.uint16
    if alpha is not None and FORMATS[format].alpha:
        pixels = _with_alpha(pixels, alpha)
    color = pixels.ndim == 3 and pixels.shape[2] >= 3
    interpretation = ("rgb16" if deep else "srgb") if color else ("grey16" if deep else "b-w")
    options = OPTIONS[format] | {"keep": "icc"}
    options |= ({"profile": "srgb"} if color else {}) | ({"Q": quality} if FORMATS[format].lossy else {})
    options |= ({"bitdepth": bits} if between else {}) | ({"lossless": True} if lossless and format == "webp" else {})
    options |= {"optimize_coding": True} if format == "jpeg" and height * width <= OPTIMIZED_PIXELS else {}
    try:
        with company():
            image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation=interpretation)
            if is_spooled(pixels):
                let_go_meanwhile(image, pixels)
                with tempfile.TemporaryFile() as file:
                    image.write_to_target(
                        pyvips.Target.new_to_descriptor(file.fileno()), FORMATS[format].suffixes[0], **options
                    )
                    file.seek(0)
                    return content_of(file)
            return memoryview(image.write_to_buffer(FORMATS[format].suffixes[0], **options))
    except pyvips.Error as error:
        raise EncodingError(f"can't be written as {FORMATS[format].label}: {first_line(error)}") from error


def make_thumbnail(pixels: PixelArray) -> bytes:
    """A small JPEG of a photograph, as file managers and cameras show it."""
    height, width = pixels.shape[:2]
    step = max(1, max(height, width) // (4 * THUMBNAIL_SIDE))
    few = np.ascontiguousarray(
        pixels[::step, ::step] if pixels.dtype == np.uint8 else to_8_bits(pixels[::step, ::step])
    )
    image = pyvips.Image.new_from_array(few, interpretation="srgb" if few.ndim == 3 else "b-w")
    small = image.thumbnail_image(THUMBNAIL_SIDE, height=THUMBNAIL_SIDE, size="down")
    return bytes(small.write_to_buffer(".jpg", Q=80, keep="none"))


def _encode_heic(pixels: PixelArray, alpha: PixelArray | None, quality: int) -> bytes:
    """16 bits per channel become 10."""
    color = pixels.ndim == 3
    if alpha is not None:
        pixels = np.dstack([pixels if color else np.dstack([pixels] * 3), alpha])
    profile = bytes(pyvips.Image.profile_load("srgb")) if color or alpha is not None else b""
    try:
        return encode_heic(pixels, profile, quality)
    except Unsupported as fault:
        raise EncodingError(f"can't be written as HEIC: {fault.advice}") from fault


def join_pages(pages: list[bytes | memoryview]) -> bytes:
    """TIFF files of one page each, put together to one file."""
    from PIL.TiffImagePlugin import AppendingTiffWriter

    buffer = io.BytesIO()
    with AppendingTiffWriter(buffer, new=True) as file:
        for page in pages:
            file.write(page)
            file.newFrame()
    return buffer.getvalue()


def _encode_bmp(pixels: PixelArray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()


def _with_alpha(pixels: PixelArray, alpha: PixelArray) -> PixelArray:
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    shape = (*channels.shape[:2], channels.shape[2] + 1)
    return by_bands(lambda rows: np.dstack([channels[rows], alpha[rows]]), shape, pixels.dtype, channels, alpha)


def to_8_bits(values: PixelArray) -> NDArray[np.uint8]:
    """16-bit values, rounded to 8 bits."""

    def rounded(rows: slice) -> PixelArray:
        return ((values[rows].astype(np.uint32) + 128) // 257).astype(np.uint8)

    return by_bands(rounded, values.shape, np.dtype(np.uint8), values)
