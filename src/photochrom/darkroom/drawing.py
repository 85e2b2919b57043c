"""Pictures for the page: previews as files, and marks at the hints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from photochrom.darkroom.session import Session
from photochrom.photo.color import PixelArray
from photochrom.photo.photograph import Photograph

MARK = 0.011  # of the preview's long side: the radius of a hint's mark
THUMBNAIL_SIDE = 360  # pixels


def write_preview(pixels: PixelArray, path: Path) -> str:
    """Write a picture for the page, and return its path."""
    Photograph(np.ascontiguousarray(pixels)).save(path, format="jpeg", quality=92)
    return str(path)


def with_marks(picture: PixelArray, session: Session) -> PixelArray:
    """A preview with a ring at every hint and a cross at the chosen place."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    radius = max(5.0, MARK * max(image.size))
    for number, hint in enumerate(session.look.hints):
        x, y = session.to_preview((hint.x, hint.y))
        width = 4 if number == session.chosen else 2
        for extra, color in ((2, "black"), (0, "white")):
            r = radius + extra
            draw.ellipse((x - r, y - r, x + r, y + r), outline=color, width=width)
        r = radius - width - 1
        draw.ellipse((x - r, y - r, x + r, y + r), fill=hint.color)
    if session.place is not None and session.chosen is None:
        x, y = session.to_preview(session.place)
        for width, color in ((5, "black"), (2, "white")):
            draw.line((x - radius, y, x + radius, y), fill=color, width=width)
            draw.line((x, y - radius, x, y + radius), fill=color, width=width)
    return np.asarray(image)


def thumbnail(picture: PixelArray) -> PixelArray:
    """A small version of a preview, which leaves out rows and columns."""
    step = max(1, -(-max(picture.shape[:2]) // THUMBNAIL_SIDE))
    return picture[::step, ::step]


def swatch(color: str, folder: Path) -> str:
    """A tile of one color, as a file."""
    path = folder / f"swatch-{color[1:]}.jpg"
    if not path.exists():
        tile = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
        write_preview(np.broadcast_to(tile, (48, 48, 3)), path)
    return str(path)
