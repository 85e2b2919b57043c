"""Photographs decoded to small 8-bit sRGB, for training and evaluation.

Ordinary JPEG, PNG, WebP and AVIF files are reduced while they are decoded. Everything else goes the road of photographs
that are colored, so that what is refused there is refused here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats.arrays import from_array, orientation_in
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.opening import open_pictures
from photochrom.photo.formats.profile import convert_to_srgb, refuse_hdr_profile
from photochrom.photo.formats.signature import recognize
from photochrom.photo.metadata.reading import orientation_by_exif
from photochrom.photo.photograph import Photograph
from photochrom.photo.vips import company, pyvips

Target = Callable[[int, int], tuple[int, int]]  # from width and height to those that are wanted

QUICK = {"JPEG": "[fail_on=warning]"} | dict.fromkeys(("PNG", "WebP", "AVIF"), "[fail_on=error]")  # options of loaders
# In the XMP or a segment of a JPEG with a gain map: libvips' general loader would take the brightened picture.
GAIN_MAPS = (b"hdrgm:Version", b"urn:iso:std:iso:ts:21496:-1")


def reduce(data: bytes, target: Target, **options: Any) -> NDArray[np.uint8]:
    """A photograph at about another size, (H, W, 3) sRGB, transparency on white.

    target: is told its width and height, upright. options: of libvips' thumbnails. Raises InputError for what can't
    wholly be decoded.
    """
    image = _quick(data, target, options)
    if image is None:
        full = _full(decode_photograph(data))
        width, height = target(full.width, full.height)
        image = full.thumbnail_image(width, height=height, **options)
    image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=255)
    return image.cast("uchar").numpy()[..., :3]


def _size_of(header: pyvips.Image) -> tuple[int, int]:
    return (header.height, header.width) if orientation_in(header) >= 5 else (header.width, header.height)


def _quick(data: bytes, target: Target, options: dict[str, Any]) -> pyvips.Image | None:
    """The photograph reduced while it is decoded; None if that isn't possible, or not wholly."""
    try:
        with company():
            return _reduced(data, recognize(data), target, options)
    except (Unsupported, Damaged, pyvips.Error):
        return None  # decode_photograph says why, or knows that a warning is harmless


def _reduced(data: bytes, label: str, target: Target, options: dict[str, Any]) -> pyvips.Image | None:
    if label not in QUICK or (label == "JPEG" and any(mark in data for mark in GAIN_MAPS)):
        return None
    (picture,) = open_pictures(data, lambda width, height: None)
    if not picture.plain:
        return None
    header = pyvips.Image.new_from_buffer(data, "")
    if header.interpretation == "cmyk" or orientation_by_exif(data) not in (None, orientation_in(header)):
        return None
    if header.get_typeof("icc-profile-data"):
        refuse_hdr_profile(header.get("icc-profile-data"))
    width, height = target(*_size_of(header))
    # libvips would convert sRGB to sRGB, too, which takes as long as all the rest.
    small = pyvips.Image.thumbnail_buffer(data, width, height=height, option_string=QUICK[label], **options)
    return convert_to_srgb(small.copy_memory())


def _full(photograph: Photograph) -> pyvips.Image:
    alpha = photograph.alpha
    return from_array(photograph.pixels if alpha is None else np.dstack([photograph.pixels, alpha]))
