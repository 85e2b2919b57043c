"""Reading the metadata of a file of any format."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

from photochrom.photo.formats.faults import Unsupported
from photochrom.photo.formats.signature import recognize
from photochrom.photo.metadata import isobmff, jpeg, png, stale, tiff, webp
from photochrom.photo.metadata.exif import orientation_of
from photochrom.photo.metadata.record import OTHER_PICTURES, Metadata, Resolution
from photochrom.settings import FORMATS

UNREADABLE = "metadata that can't be read"
NOT_READ = "EXIF or XMP, which are not read from JPEG 2000, JPEG XL and GIF"
NAMES = {format.label: name for name, format in FORMATS.items()}
BY_EXIF = ("jpeg", "png", "webp")
OF_ITEMS = ("avif", "heic")
GIF_XMP = b"XMP DataXMP"  # the name of a GIF's block
GIF_PICTURE, GIF_EXTENSION, GIF_COMMENT = 0x2C, 0x21, 0xFE
COMMENT = "the comment, which is not read from GIF"


def _read_bmp(data: bytes) -> Metadata:
    """The resolution; a BMP has nothing else."""
    if len(data) < 46 or struct.unpack_from("<I", data, 14)[0] < 40:
        return Metadata()  # OS/2's header has none
    x, y = struct.unpack_from("<ii", data, 38)
    found = Resolution(x / 100, y / 100, "cm").in_inches_if_whole() if x > 0 and y > 0 else None
    return Metadata(resolution=found)


READERS: dict[str, Callable[[bytes], Metadata]] = {
    "jpeg": jpeg.read,
    "png": png.read,
    "webp": webp.read,
    "tiff": tiff.read,
    "avif": isobmff.read,
    "heic": isobmff.read,
    "bmp": _read_bmp,
}


def read_metadata(data: bytes) -> Metadata:
    """What a file's container holds, as it is; an empty value for formats without metadata."""
    format = format_by_content(data)
    try:
        return READERS[format](data) if format in READERS else Metadata(left_out=_unread(data))
    except (ValueError, struct.error, IndexError):
        return Metadata(left_out=(UNREADABLE,))


def _unread(data: bytes) -> tuple[str, ...]:
    """What formats that are read, but whose metadata are not, have of them."""
    kinds = {box.kind for box in isobmff.boxes(data)} if data[4:8] in (b"jP  ", b"JXL ") else set()
    has_some = bool(kinds & {b"Exif", b"xml ", b"uuid", b"brob"}) or (data[:4] == b"GIF8" and GIF_XMP in data)
    has_comment = data[:4] == b"GIF8" and _has_gif_comment(data)
    has_more = sum(box.kind == b"jp2c" for box in isobmff.boxes(data)) > 1 if data[4:8] == b"jP  " else False
    found = {NOT_READ: has_some, OTHER_PICTURES: has_more, COMMENT: has_comment}
    return tuple(what for what, is_there in found.items() if is_there)


def _has_gif_comment(data: bytes) -> bool:
    """Whether a GIF has a comment of its author."""
    at = 13 + _palette_size(data[10])
    while at + 2 < len(data):
        if data[at] == GIF_PICTURE:
            at += 11 + _palette_size(data[at + 9])
        elif data[at] == GIF_EXTENSION and data[at + 1] == GIF_COMMENT:
            return True
        elif data[at] == GIF_EXTENSION:
            at += 2
        else:
            return False
        while at < len(data) and data[at]:  # blocks, each with its length
            at += 1 + data[at]
        at += 1
    return False


def _palette_size(flags: int) -> int:
    """Bytes of a GIF's palette."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def format_by_content(data: bytes) -> str:
    """The format of a file by its first bytes, as settings.FORMATS calls it; empty for one that isn't written."""
    with suppress(Unsupported):
        return NAMES.get(recognize(data), "")
    return ""


def read_true_metadata(data: bytes) -> Metadata:
    """What stays true of a file's metadata when its picture is turned upright, converted to sRGB and colored."""
    metadata = read_metadata(data)
    return stale.made_true(metadata, turned_by(data, metadata))


def turned_by(data: bytes, metadata: Metadata) -> int:
    """The orientation, EXIF's 1..8, by which a file's pixels are turned upright."""
    if format_by_content(data) in OF_ITEMS and not isobmff.is_turned(data):
        return 1  # what the EXIF says about the picture has no meaning there
    return orientation_of(metadata.exif)


def orientation_by_exif(data: bytes) -> int | None:
    """EXIF's 1..8 of a file whose pixels are turned by its EXIF; None for formats that say it in another place.

    libvips' reader of EXIF knows neither numbers of unusual types nor EXIF in a text of a PNG, which is not lost here.
    """
    return turned_by(data, read_metadata(data)) if format_by_content(data) in BY_EXIF else None


def page_metadata(data: bytes) -> Metadata:
    """What belongs to every page of a TIFF: the resolution, if all pages have the same."""
    try:
        found = tiff.resolutions(data)
    except (ValueError, struct.error):
        return Metadata()
    return Metadata(resolution=found[0] if found and all(each == found[0] for each in found) else None)
