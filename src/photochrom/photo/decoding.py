"""Decoding files to photographs: pixels, transparency and metadata.

What a file is, its first bytes say (formats/signature.py), and one module of `formats` opens each kind: only what is
named there is read. libvips (through pyvips) decodes ordinary files. Unlike Pillow it reads 16-bit color, converts ICC
profiles without an 8-bit step, and streams files of 100 megapixels. A file that can't wholly be decoded is refused.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from photochrom.errors import InputError, TooLargeError, UnsupportedError, reason_of
from photochrom.photo.color import PixelArray
from photochrom.photo.formats.arrays import BLOB, INT, from_array, orientation_in
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.opening import open_pictures
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.profile import convert_to_srgb
from photochrom.photo.metadata.reading import orientation_by_exif, page_metadata, read_true_metadata
from photochrom.photo.metadata.record import Metadata
from photochrom.photo.metadata.webp import is_lossless
from photochrom.photo.photograph import Photograph
from photochrom.photo.spool import content_of, is_sequential, settled, sha256_of, to_array
from photochrom.photo.vips import alone, company, pyvips
from photochrom.settings import MAX_PIXELS

MIN_SIDE = 8  # pixels: in a smaller picture there is nothing to recognize
MAX_ASPECT = 100.0  # longer strips shrink to nothing at the network's size


def read_photograph(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photograph:
    """Read a photograph from a file. Raises InputError with one line that says what is wrong.

    max_pixels: a larger photograph raises TooLargeError before it is decoded.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"a photograph is read from a path, not from a value of type {type(path).__name__}")
    return decode_photograph(read_bytes(Path(path)), str(path), max_pixels)


def read_bytes(path: Path) -> bytes:
    """The content of a photograph's file. Raises InputError."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a photograph")
        with path.open("rb") as file:
            return content_of(file)
    except (OSError, ValueError) as error:  # the second for a name with a NUL
        raise InputError(f"cannot read {path}: {reason_of(error)}") from error


def decode_photograph(data: bytes, name: str = "the photograph", max_pixels: int = MAX_PIXELS) -> Photograph:
    """Decode an encoded photograph; `name` is for messages. Raises InputError: UnsupportedError for its kind."""
    if not data:
        raise InputError(f"{name} is empty: copy it again from where it came")
    pages: list[Photograph] = []
    page, budget = name, _Budget(name, max_pixels)
    try:
        pictures: list[Picture] = []
        with company():
            for picture in open_pictures(data, budget.check):
                pictures.append(picture)
                page = budget.name = _page_name(name, len(pictures))  # of the next one
        turn = orientation_by_exif(data)
        for number, picture in enumerate(pictures):
            page = budget.name = _page_name(name, number)
            pages.append(_decode(picture, page, partial(_check_size, page, max_pixels), turn, data))
    except Unsupported as fault:
        raise UnsupportedError(page, fault.kind, fault.advice) from fault
    except Damaged as fault:
        raise InputError(f"{page} is damaged or incomplete: {fault}") from fault
    first, *others = pages
    metadata = replace(read_true_metadata(data), source=sha256_of(data))
    # What describes the file as a whole stands at its first page.
    shared = page_metadata(data) if others else Metadata()
    behind = tuple(replace(each, metadata=shared) for each in others)
    return replace(first, metadata=metadata, pages=behind, lossless=first.format == "webp" and is_lossless(data))


def _page_name(name: str, number: int) -> str:
    return f"{name}, page {number + 1}," if number else name


def _decode(picture: Picture, name: str, check_size: CheckSize, turn: int | None, source: bytes) -> Photograph:
    """One page. turn: EXIF's orientation, None if the file says it elsewhere. source: the content of the file.

    Raises InputError, Unsupported or Damaged.
    """
    with ThreadPoolExecutor(1) as beside:
        verified = beside.submit(picture.verify) if picture.verify else None
        try:
            with company():
                photograph = _to_photograph(picture, picture.load(), name, check_size, turn, source)
        except pyvips.Error:
            with alone():
                photograph = _to_photograph(picture, picture.again(), name, check_size, turn, source)
        if verified:
            verified.result()
    return photograph


def _to_photograph(
    picture: Picture, image: pyvips.Image, name: str, check_size: CheckSize, turn: int | None, source: bytes
) -> Photograph:
    check_size(image.width, image.height)
    if turn is not None and turn != orientation_in(image):
        image = image.copy()
        image.set_type(INT, "orientation", turn)
    if is_sequential(image) and (image.hasalpha() or orientation_in(image) != 1 or image.format in ("float", "double")):
        image = settled(image)
    image = image.autorot()
    bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else None
    pixels, alpha = _to_srgb(image, name, source)
    return Photograph(pixels, alpha, picture.format, bits=bits, notes=picture.notes)


class _Budget:
    """Checks pages before they are decoded: the size of each, and that all together aren't more than the limit.

    name: of the page that is opened now.
    """

    def __init__(self, name: str, max_pixels: int):
        self.file = self.name = name
        self.max_pixels, self.asked = max_pixels, 0

    def check(self, width: int, height: int) -> None:
        """Raises InputError."""
        _check_size(self.name, self.max_pixels, width, height)
        self.asked += width * height
        if self.asked > self.max_pixels:
            raise TooLargeError(f"{self.file} has pages of more than {self.max_pixels / 1e6:g} million pixels together")


def _check_size(name: str, max_pixels: int, width: int, height: int) -> None:
    if width * height > max_pixels:
        limit = f"more than the limit of {max_pixels / 1e6:g} million: raise max-pixels if you trust the file"
        raise TooLargeError(f"{name} declares {width} x {height} pixels, {limit}")
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels: too small, each side needs at least {MIN_SIDE}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InputError(f"{name} is {width} x {height} pixels: too long and narrow, cut it into parts first")


def _to_srgb(image: pyvips.Image, name: str, source: bytes) -> tuple[PixelArray, PixelArray | None]:
    """Pixels and alpha as upright sRGB or gray arrays of 8 or 16 bits."""
    if image.format in ("float", "double"):
        image = _float_to_16_bits(image, name)
    elif image.format not in ("uchar", "ushort"):
        raise InputError(f"{name} has pixels of type {image.format}, which is not a photograph's")
    deep = image.format == "ushort"
    alpha = None
    if image.hasalpha():
        alpha = _to_array(image[image.bands - 1], deep, source)
        image = image[: image.bands - 1] if image.bands > 2 else image[0]
    cmyk = image.interpretation == "cmyk" or image.bands == 4
    image = convert_to_srgb(image, cmyk=cmyk)
    if image.bands >= 3:
        target = "rgb16" if deep else "srgb"
        image = image if image.interpretation in ("srgb", "rgb16", "rgb", "multiband") else image.colourspace(target)
        return _to_array(image[:3], deep, source), alpha
    return _to_array(image[0], deep, source), alpha


def _float_to_16_bits(image: pyvips.Image, name: str) -> pyvips.Image:
    values = image.numpy()
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds numbers that are not finite (NaN or infinity)")
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"{name} holds floating-point numbers outside 0..1: rescale it first")
    array = np.round(values * 65535).astype(np.uint16)
    cmyk = image.interpretation == "cmyk"
    deep = from_array(array, cmyk=cmyk)
    if image.get_typeof("icc-profile-data"):
        deep = deep.copy()
        deep.set_type(BLOB, "icc-profile-data", image.get("icc-profile-data"))
    return deep


def _to_array(image: pyvips.Image, deep: bool, source: bytes) -> PixelArray:
    array = to_array(image, source)
    kind = np.uint16 if deep else np.uint8
    return array if array.dtype == kind else array.astype(kind)
