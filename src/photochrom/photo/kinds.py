"""The kinds of photographs that `photochrom.colorize` takes: what it gives back is of the same kind."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import PixelArray
from photochrom.photo.decoding import decode_photograph, read_photograph
from photochrom.photo.encoding import to_8_bits
from photochrom.photo.photograph import Photograph

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = "a path, the content of a file (bytes), an array, an image of Pillow or a Photograph"
AS_PNG = {"1", "L", "LA", "P", "RGB", "RGBA"}  # modes of Pillow's images that a PNG holds as they are
TO_RGB = {
    "YCbCr": "RGB",
    "HSV": "RGB",
    "RGBX": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
}  # others


def to_photograph(given: Any) -> Photograph:
    """A photograph of any of the kinds. Raises InputError."""
    if isinstance(given, Photograph):
        return given
    if isinstance(given, (str, os.PathLike)):
        return read_photograph(os.fspath(given))
    if isinstance(given, (bytes, bytearray, memoryview)):
        return decode_photograph(bytes(given))
    if isinstance(given, np.ndarray):
        return Photograph(*split_array(given))
    if _is_image(given):
        return _from_image(given)
    raise InputError(f"a photograph is {KINDS}, not {_named(given)}")


def to_kind(photograph: Photograph, given: Any) -> Any:
    """A photograph as the kind that was given; for a path it stays a Photograph."""
    if isinstance(given, (bytes, bytearray, memoryview)):
        return bytes(photograph.encode())
    if isinstance(given, np.ndarray):
        return join_array(photograph.pixels, photograph.alpha, given)
    return _to_image(photograph) if _is_image(given) else photograph


def split_array(array: Any) -> tuple[PixelArray, PixelArray | None]:
    """The pixels (H, W) or (H, W, 3) and the transparency (H, W) of an array, as uint8, uint16 or float32.

    array: (H, W), or (H, W, C) of gray, gray and alpha, RGB or RGBA; bool, uint8, uint16, or floating-point numbers in
    [0, 1]. Raises InputError.
    """
    if not isinstance(array, np.ndarray):
        raise InputError(f"a photograph's pixels are an array of NumPy, not {_named(array)}")
    if not (array.ndim == 2 or (array.ndim == 3 and 1 <= array.shape[2] <= 4)) or 0 in array.shape:
        raise InputError(f"a photograph is an array (H, W) or (H, W, C) with 1 to 4 channels, not {array.shape}")
    if array.dtype == bool:
        array = array * np.uint8(255)
    elif array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise InputError("an array of floating-point numbers is in [0, 1], without NaN: divide it by its white")
        array = array.astype(np.float32, copy=False)
    elif array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
    else:
        raise InputError(
            f"a photograph's pixels are bool, uint8, uint16 or floating-point numbers in [0, 1], not {array.dtype}"
        )
    if array.ndim == 2:
        return array, None
    channels = array.shape[2]
    pixels = array[..., :3] if channels >= 3 else array[..., 0]
    return pixels, array[..., -1] if channels in (2, 4) else None


def join_array(pixels: PixelArray, alpha: PixelArray | None, given: PixelArray) -> PixelArray:
    """Pixels (H, W, 3) and transparency as an array (H, W, 3) or (H, W, 4); floats of the type that was given."""
    joined = pixels if alpha is None else np.dstack([pixels, alpha])
    return joined.astype(given.dtype, copy=False) if given.dtype.kind == "f" else joined


def _is_image(given: Any) -> TypeGuard[Image]:
    pillow = sys.modules.get("PIL.Image")  # without it nobody can have an image of it
    return pillow is not None and isinstance(given, pillow.Image)


def _from_image(image: Image) -> Photograph:
    """An image of Pillow, upright, with its color profile followed, as from a file."""
    from PIL import ImageOps

    try:
        image = ImageOps.exif_transpose(image)
        image = image.convert(TO_RGB[image.mode]) if image.mode in TO_RGB else image
        if image.mode == "I":
            raise InputError("an image of Pillow's mode I doesn't say which number is white: give an array of uint16")
        if image.mode == "F" or image.mode.startswith("I;16"):
            return Photograph(*split_array(np.asarray(image)))
        encoded = io.BytesIO()
        if image.mode in AS_PNG:
            image.save(encoded, "PNG", compress_level=0)
        else:
            image.save(encoded, "TIFF")  # CMYK and LAB
    except (OSError, ValueError, KeyError, SyntaxError) as error:  # a file that Pillow had not read yet is damaged
        raise InputError(f"Pillow can't give the pixels of this image (mode {image.mode}): {error}") from error
    return decode_photograph(encoded.getvalue(), "the image")


def _to_image(photograph: Photograph) -> Image:
    """An image of Pillow of mode RGB or RGBA, 8 bits per channel, because it has none of 16."""
    from PIL import Image

    planes = [photograph.pixels] if photograph.alpha is None else [photograph.pixels, photograph.alpha]
    pixels = np.dstack(planes)
    if pixels.dtype == np.float32:
        pixels = np.rint(pixels * np.float32(255)).astype(np.uint8)
    return Image.fromarray(to_8_bits(pixels) if pixels.dtype == np.uint16 else pixels)


def _named(given: Any) -> str:
    """What a value is, for messages."""
    return "None" if given is None else f"a value of type {type(given).__name__}"
