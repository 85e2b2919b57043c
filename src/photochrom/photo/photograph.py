"""A photograph in memory, and how it becomes a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photochrom.disk import replacing
from photochrom.errors import EncodingError, OutputError, reason_of
from photochrom.photo.color import PixelArray
from photochrom.photo.encoding import encode
from photochrom.settings import QUALITY, format_of, written_suffixes

DEFAULT_QUALITY = int(QUALITY.default)


@dataclass(frozen=True)
class Photograph:
    """An upright photograph in sRGB.

    pixels: (H, W) gray or (H, W, 3), uint8 or uint16. alpha: (H, W) of the same type, or None. format: a name
    from settings.FORMATS. metadata: libvips' header fields; resolution: pixels per mm, horizontally and vertically.
    """

    pixels: PixelArray
    alpha: PixelArray | None = None
    format: str = "png"
    metadata: dict[str, tuple[int, Any]] = field(default_factory=dict)
    resolution: tuple[float, float] = (1.0, 1.0)

    def encode(self, format: str | None = None, quality: int = DEFAULT_QUALITY) -> bytes:
        """The content of the photograph's file, in the given format or else its own. Raises OutputError."""
        return encode(self.pixels, self.alpha, self.metadata, self.resolution, format or self.format, quality)

    def save(self, path: str | Path, *, format: str | None = None, quality: int = DEFAULT_QUALITY) -> None:
        """Write a file, completely or not at all, in the given format or else its suffix's. Raises OutputError."""
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
            file.write(content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}") from error
