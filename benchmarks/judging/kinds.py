"""What kind of file a picture is, told by its bytes alone."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

MOST_PAGES = 100  # that are looked at
MAGIC: tuple[tuple[str, str], ...] = (
    ("JPEG", r"\xff\xd8\xff"),
    ("PNG", r"\x89PNG"),
    ("GIF", r"GIF8"),
    ("BMP", r"BM"),
    ("WebP", r"RIFF....WEBP"),
    ("BigTIFF", r"(II\x2b\0|MM\0\x2b)"),
    ("TIFF", r"(II\x2a\0|MM\0\x2a)"),
    ("PSD", r"8BPS"),
    ("PDF", r"%PDF"),
    ("AVIF", r"....ftyp(avi[fs]|.{4,24}avi[fs])"),
    ("HEIC", r"....ftyp(he|hev|mif1|msf1)"),
    ("CR3", r"....ftypcrx"),
    ("JPEG 2000", r"(\0\0\0\x0cjP  |\xff\x4f\xff\x51)"),
    ("JPEG XL", r"(\xff\x0a|\0\0\0\x0cJXL )"),
    ("JPEG XR", r"II\xbc"),
    ("OpenEXR", r"\x76\x2f\x31\x01"),
    ("FITS", r"SIMPLE "),
    ("PNM", r"P[1-7]\s"),
    ("SVG", r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg"),
    ("DDS", r"DDS "),
    ("QOI", r"qoif"),
    ("EPS", r"%!PS"),
    ("ICO", r"\0\0[\1\2]\0[^\0]\0"),
    ("RAW", r"(IIRO|IIRS|MMOR|IIU\0|FUJIFILM|FOVb|\0MRM|II\x1a\0\0\0HEAPCCDR)"),
)


def sniff(data: bytes) -> str:
    """The format that a file's first bytes name."""
    start = data[:1024].decode("latin-1")
    return next((name for name, magic in MAGIC if re.match(magic, start, re.S)), "other")


def is_raw(data: bytes) -> bool:
    """Whether a file holds what a camera's sensor saw."""
    if sniff(data) in ("RAW", "CR3"):
        return True
    return "TIFF" in sniff(data) and raw_size(data) is not None


def raw_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of the sensor's picture in a TIFF, DNG, NEF and others of their kind; None if there is none."""
    import tifffile

    with suppress(Exception), tifffile.TiffFile(io.BytesIO(data)) as opened:
        firsts = islice(opened.pages, MOST_PAGES)  # a chain that comes back to itself has no end
        every = [page for first in firsts for page in (first, *islice(first.pages or (), MOST_PAGES))]
        sensors = [page for page in every if int(page.photometric) in (32803, 34892)]
        sizes = [(page.imagewidth, page.imagelength) for page in sensors]
        return max(sizes) if sizes else None
    return None


def png_chunk(data: bytes, name: bytes) -> bytes | None:
    """The content of a PNG's first chunk of a name."""
    return next((content for kind, content, _ in png_chunks(data) if kind == name), None)


def jp2_profile(data: bytes) -> bytes | None:
    """The ICC profile of a JPEG 2000 file's color box, which Pillow doesn't read."""
    place = data[:100_000].find(b"colr")
    if place < 4 or data[place + 4] not in (2, 3):
        return None
    return data[place + 7 : place - 4 + int.from_bytes(data[place - 4 : place], "big")]


def jp2_channels(data: bytes) -> int:
    """How many channels the codestream of a JPEG 2000 has; 0 for other formats."""
    start = data.find(b"\xff\x4f\xff\x51") if sniff(data) == "JPEG 2000" else -1
    return int.from_bytes(data[start + 40 : start + 42], "big") if start >= 0 else 0


def is_rotten(data: bytes) -> bool:
    """Whether a file is cut off or a part of it is not what was written, although some readers take it.

    A GIF without its end, a PNG whose pixels don't have their checksum, a HEIC or AVIF whose last box goes on.
    """
    kind = sniff(data)
    if kind == "GIF":
        return not data.rstrip(b"\0").endswith(b";")
    if kind == "PNG":
        return any(
            checksum != zlib.crc32(name + content) for name, content, checksum in png_chunks(data) if name == b"IDAT"
        )
    place = 0
    while kind in ("HEIC", "AVIF") and place + 8 <= len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        place += size if size >= 8 else len(data)
        if place > len(data) and size >= 8:
            return True
    return False


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Name, content and checksum of a PNG's chunks."""
    place = 8
    while place + 12 <= len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        content = data[place + 8 : place + 8 + length]
        yield name, content, int.from_bytes(data[place + 8 + length : place + 12 + length], "big")
        place += 12 + length
