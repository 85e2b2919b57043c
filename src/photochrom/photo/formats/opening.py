"""From the content of a file to its pictures: the only formats that are read are those named here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from photochrom.photo.formats.avif import open_avif
from photochrom.photo.formats.coded import open_jpeg_xl, open_jpeg_xr
from photochrom.photo.formats.faults import Unsupported
from photochrom.photo.formats.heic import open_heic
from photochrom.photo.formats.jpeg import open_jpeg
from photochrom.photo.formats.jpeg_2000 import open_jpeg_2000
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.plain import PLAIN, open_plain
from photochrom.photo.formats.png import open_png
from photochrom.photo.formats.raw import open_raw
from photochrom.photo.formats.signature import recognize
from photochrom.photo.formats.tiff import open_tiff
from photochrom.photo.formats.webp import open_webp
from photochrom.settings import FORMAT_LABELS

SINGLE: dict[str, Callable[[bytes, CheckSize], Picture]] = {
    "JPEG": open_jpeg,
    "PNG": open_png,
    "WebP": open_webp,
    "AVIF": open_avif,
    "HEIC": open_heic,
    "JPEG 2000": open_jpeg_2000,
    "JPEG XL": open_jpeg_xl,
    "JPEG XR": open_jpeg_xr,
}


def open_pictures(data: bytes, check_size: CheckSize) -> Iterable[Picture]:
    """The pictures of a file, most often one; pixels are decoded later. Raises Unsupported, Damaged or InputError."""
    label = recognize(data)
    if label == "TIFF":
        return open_tiff(data, check_size)
    if label in SINGLE:
        return [SINGLE[label](data, check_size)]
    if label in PLAIN:
        return [open_plain(label, data, check_size)]
    if label.startswith("camera raw"):
        return [open_raw(label, data, check_size)]
    if label:
        raise Unsupported(label)
    raise Unsupported("unknown format", f"photographs are files of {FORMAT_LABELS} and some other formats")
