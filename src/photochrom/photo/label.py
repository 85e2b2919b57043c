"""A visible line of text in the corner of a color version."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import PixelArray

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

HEIGHT = 1 / 40  # of the photograph's short side
SMALLEST = 9  # pixels: smaller letters can't be read
WIDEST = 0.9  # of the photograph's width
LONGEST = 200  # characters
DARK, LIGHT = 0.15, 0.95  # parts of white: the background and the letters
OPACITY = 0.65  # of the background
# Tried if the label has letters that Pillow's own font lacks, which is most that English doesn't have.
SYSTEM_FONTS: tuple[str, ...] = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
)
SYSTEM_FONTS += ("Arial Unicode.ttf", "NotoSansCJK-Regular.ttc", "msyh.ttc", "Helvetica.ttc")


def check_label(text: str) -> str:
    """The text of a label without spaces around it. Raises InputError for one that can't be drawn."""
    text = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text).strip()  # French has several spaces
    if not text:
        raise InputError("the label has no text")
    if len(text) > LONGEST or len(text.splitlines()) > 1:
        raise InputError(f"a label is one line of at most {LONGEST} characters")
    invisible = dict.fromkeys(c for c in text if not c.isprintable())
    if invisible:
        codes = ", ".join(f"U+{ord(c):04X}" for c in invisible)
        raise InputError(f"the label has characters that can't be drawn: {codes}")
    _font_for(text, SMALLEST)
    return text


def draw_label(pixels: PixelArray, text: str) -> None:
    """Draw a line of text into the lower right corner of pixels (H, W, 3), uint8 or uint16, in place."""
    height, width = pixels.shape[:2]
    size = max(SMALLEST, round(min(height, width) * HEIGHT))
    mask = _mask(text, size)
    if mask.shape[1] > width * WIDEST:
        mask = _mask(text, max(1, int(size * width * WIDEST / mask.shape[1])))
    rows, columns = min(mask.shape[0], height), min(mask.shape[1], width)
    white = np.iinfo(pixels.dtype).max
    corner = pixels[height - rows :, width - columns :]
    letters = mask[:rows, :columns, None].astype(np.float32) / 255
    shaded = corner * (1 - OPACITY) + DARK * white * OPACITY
    corner[:] = np.rint(shaded * (1 - letters) + LIGHT * white * letters)


def _mask(text: str, size: int) -> PixelArray:
    """The text with a margin, (h, w) uint8: 255 inside letters."""
    from PIL import Image, ImageDraw

    font = _font_for(text, size)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    margin = max(2, size // 3)
    mask = Image.new("L", (int(right - left) + 2 * margin, int(ascent + descent) + margin), 0)
    ImageDraw.Draw(mask).text((margin - left, margin / 2), text, fill=255, font=font)
    return np.asarray(mask)


def _font_for(text: str, size: int) -> FreeTypeFont:
    """The font that comes with Pillow, or else the first of the system's that has all letters."""
    from PIL import ImageFont

    fonts = [ImageFont.load_default(size)]
    for name in SYSTEM_FONTS:
        with suppress(OSError):
            fonts.append(ImageFont.truetype(name, size))
    missing = [_missing_letters(text, font) for font in fonts]  # type: ignore[arg-type]  # Pillow is built with FreeType
    if all(missing):
        letters = min(missing, key=len)
        raise InputError(f"no font here has these letters of the label: {letters} (install DejaVu Sans or Noto Sans)")
    return next(font for font, letters in zip(fonts, missing, strict=True) if not letters)  # type: ignore[return-value]


def _missing_letters(text: str, font: FreeTypeFont) -> str:
    """The characters that a font has no letter for."""
    unknown = bytes(font.getmask("\U0010fffd"))
    return "".join(dict.fromkeys(c for c in text if not c.isspace() and bytes(font.getmask(c)) == unknown))
