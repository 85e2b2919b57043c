"""A photograph in memory, and how it becomes a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from photochrom.disk import replacing
from photochrom.errors import EncodingError, InputError, OutputError, reason_of
from photochrom.photo.color import PixelArray
from photochrom.photo.encoding import HEIC_BITS, HOLDS_BITS_BETWEEN, encode, join_pages, make_thumbnail
from photochrom.photo.metadata.record import Metadata
from photochrom.photo.metadata.writing import WITHOUT_THUMBNAIL, embed, left_out
from photochrom.photo.spool import pieces
from photochrom.settings import FORMATS, QUALITY, format_of, written_suffixes

DEFAULT_QUALITY = int(QUALITY.default)


@dataclass(frozen=True)
class Photograph:
    """An upright photograph in sRGB.

    pixels: (H, W) gray or (H, W, 3), uint8 or uint16. alpha: (H, W) of the same type, or None. format: a name
    from settings.FORMATS. metadata: what its file says beside the pixels, as far as it is true of these pixels.
    bits: per channel in its file, if they are between 8 and 16. lossless: its file is a WebP without loss.
    notes: what of its file isn't here, each in words. pages: the others of a file with more than one page, in order.
    Raises InputError for transparency of another size or type.
    """

    pixels: PixelArray
    alpha: PixelArray | None = None
    format: str = "png"
    metadata: Metadata = field(default_factory=Metadata)
    bits: int | None = None
    lossless: bool = False
    notes: tuple[str, ...] = ()
    pages: tuple[Photograph, ...] = ()

    def __post_init__(self) -> None:
        pixels, alpha = self.pixels, self.alpha
        if alpha is None:
            return
        arrays = isinstance(pixels, np.ndarray) and isinstance(alpha, np.ndarray)
        if not arrays or alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype:
            raise InputError("a photograph's transparency is an array (H, W) of the same size and type as its pixels")

    def encode(self, format: str | None = None, quality: int = DEFAULT_QUALITY) -> bytes:
        """The content of its file, in the given format or else its own. Raises InputError, EncodingError."""
        format = format or self.format
        if self.pages and format != "tiff":
            raise EncodingError(f"has {len(self.pages) + 1} pages, and only TIFF holds more than one")
        metadata = self.metadata
        if metadata.mark and format in FORMATS:
            written = replace(metadata.mark, format=format, quality=quality if FORMATS[format].lossy else 0)
            metadata = replace(metadata, mark=written)
        content = encode(self.pixels, self.alpha, format, quality, self.bits, self.lossless)
        if self.pages:
            content = join_pages([content, *(page.encode(format, quality) for page in self.pages)])
        thumbnail = make_thumbnail(self.pixels) if metadata.thumbnail and format not in WITHOUT_THUMBNAIL else b""
        return embed(content, metadata, format, thumbnail)

    def left_out(self, format: str | None = None) -> tuple[str, ...]:
        """What its file in the given format, or else its own, doesn't have of the source's, each in words."""
        format = format or self.format
        return self.notes + self._lost_depth(format) + self._lost_transparency(format) + left_out(self.metadata, format)

    def _lost_depth(self, format: str) -> tuple[str, ...]:
        """That a photograph of more than 8 bits comes out with fewer."""
        if self.pixels.dtype != np.uint16 or format not in FORMATS or FORMATS[format].deep:
            return ()
        bits = self.bits if self.bits and 8 < self.bits < 16 else 16
        kept = HEIC_BITS if format == "heic" else bits if bits < 16 and format in HOLDS_BITS_BETWEEN else 8
        return (f"{bits - kept} of {bits} bits per channel, which {FORMATS[format].label} can't hold",) * (bits > kept)

    def _lost_transparency(self, format: str) -> tuple[str, ...]:
        """That something transparent becomes opaque."""
        if self.alpha is None or format not in FORMATS or FORMATS[format].alpha:
            return ()
        clear = bool((self.alpha < np.iinfo(self.alpha.dtype).max).any())
        return (f"transparency, which {FORMATS[format].label} can't hold",) if clear else ()

    def save(self, path: str | os.PathLike[str], *, format: str | None = None, quality: int = DEFAULT_QUALITY) -> None:
        """Write a file, completely or not at all, in the given format or else its suffix's. Raises OutputError."""
        if not isinstance(path, (str, os.PathLike)):
            raise OutputError(f"a photograph is saved at a path, not at a value of type {type(path).__name__}")
        path = Path(path)
        format = format or format_of(path)
        if format is None:
            choices = ", ".join(written_suffixes())
            raise OutputError(f"no photograph format is called {path.suffix or path.name!r}: choose one of {choices}")
        try:
            content = self.encode(format, quality)
        except EncodingError as error:
            raise OutputError(f"{path} {error}") from error
        write_bytes(path, content)


def write_bytes(path: Path, content: bytes, modified: int | None = None) -> None:
    """Write a photograph's file, completely or not at all; modified: its date, in ns. Raises OutputError."""
    try:
        with replacing(path, modified=modified) as file:
            for piece in pieces(content):
                file.write(piece)
    except (OSError, ValueError) as error:  # the second for a name with a NUL
        raise OutputError(f"cannot write {path}: {reason_of(error)}") from error
