"""Numbers of TIFFs that are neither gray, RGB nor CMYK, turned into RGB."""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray, PixelArray
from photochrom.photo.formats.arrays import from_array
from photochrom.photo.formats.tiff_pages import LUMA, REFERENCE, Page
from photochrom.photo.vips import pyvips

BT601 = (0.299, 0.587, 0.114)  # of red, green and blue in luminance
FULL_RANGE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)  # black and white of Y, Cb and Cr
YCBCR, CIELAB, ICCLAB = 6, 8, 9  # photometric interpretations


def from_ycbcr(values: PixelArray, page: Page) -> pyvips.Image:
    """8-bit Y, Cb and Cr (H, W, 3) to RGB, as in TIFF 6.0, section 21."""
    red, green, blue = _fractions(page, LUMA) or BT601
    black_y, white_y, black_b, white_b, black_r, white_r = _fractions(page, REFERENCE) or FULL_RANGE
    y = (values[..., 0] - np.float32(black_y)) * np.float32(255 / (white_y - black_y))
    cb = (values[..., 1] - np.float32(black_b)) * np.float32(127 / (white_b - black_b))
    cr = (values[..., 2] - np.float32(black_r)) * np.float32(127 / (white_r - black_r))
    r, b = y + cr * np.float32(2 - 2 * red), y + cb * np.float32(2 - 2 * blue)
    g = (y - np.float32(red) * r - np.float32(blue) * b) / np.float32(green)
    return from_array(np.stack([r, g, b], axis=2).round().clip(0, 255).astype(np.uint8))


def from_lab(values: PixelArray, photometric: int) -> pyvips.Image:
    """CIELAB or ICCLab (H, W, 3) of 8 or 16 bits, D50, to sRGB of the same depth."""
    deep = values.dtype == np.uint16
    if photometric == ICCLAB:
        unit = 256 if deep else 1
        luminance = values[..., 0] * np.float32(100 / (0xFF00 if deep else 255))
        a, b = (values[..., n] / np.float32(unit) - np.float32(128) for n in (1, 2))
    else:
        unit = 256 if deep else 1
        luminance = values[..., 0] * np.float32(100 / (65535 if deep else 255))
        signed: PixelArray = values.view(np.int16 if deep else np.int8)
        a, b = (signed[..., n] / np.float32(unit) for n in (1, 2))
    lab: FloatArray = np.stack([luminance.clip(0, 100), a, b], axis=2).astype(np.float32)
    image = pyvips.Image.new_from_array(lab, interpretation="lab")
    converted = image.icc_export(output_profile="srgb", pcs="lab", depth=16 if deep else 8)
    return from_array(converted.numpy())


def _fractions(page: Page, tag: int) -> tuple[float, ...]:
    """The values of a tag of fractions, none if it isn't there or makes no sense."""
    if tag not in page.tags:
        return ()
    if page.tags[tag].dtype.kind == "f":
        return tuple(float(v) for v in page.tags[tag])
    numbers = page.values(tag)
    if not numbers or 0 in numbers[1::2] or len(numbers) != (6 if tag == LUMA else 12):
        return ()
    values = tuple(a / b for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    usable = all(values) if tag == LUMA else all(a != b for a, b in zip(values[::2], values[1::2], strict=True))
    return values if usable else ()
