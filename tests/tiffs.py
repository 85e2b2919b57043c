"""TIFFs by tifffile, with one page or several, and with other numbers in their tags."""

import io

import numpy as np
import tifffile

from photochrom.photo.photograph import Photograph


def tiff(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def alpha_of(photograph: Photograph) -> np.ndarray:
    assert photograph.alpha is not None
    return photograph.alpha


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else ((pixels.astype(int) + 128) // 257).astype(np.uint8)


def with_tag(content: bytes, tag: int, value: int) -> bytes:
    """A file with another number in a short tag of its first directory."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        entry = file.pages[0].tags[tag]
        big = file.byteorder == ">"
    return (
        content[: entry.valueoffset] + value.to_bytes(2, "big" if big else "little") + content[entry.valueoffset + 2 :]
    )


def pages(*described: dict) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for page in described:
            writer.write(page.pop("pixels"), photometric=page.pop("photometric", "rgb"), **page)
    return buffer.getvalue()
