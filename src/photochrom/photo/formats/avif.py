"""AVIF, and HEIF files with AV1 pictures."""

from __future__ import annotations

import io
from contextlib import closing
from functools import partial

import numpy as np

from photochrom.photo.formats.faults import HIGH_DYNAMIC_RANGE, Damaged, Unsupported
from photochrom.photo.formats.isobmff import is_whole, properties
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.signature import brands_of
from photochrom.photo.vips import pyvips

MONOCHROME = 0x10  # a bit of the third byte of the AV1 configuration
FULL_RANGE = 0x80  # a bit of the last byte of a color description


def open_avif(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported or Damaged."""
    found = properties(data)
    refuse_hdr("AVIF", found)
    if b"avis" in brands_of(data) and _frames(data) > 1:
        raise Unsupported("AVIF / animation", "save one of its pictures, or make a film of it")
    codings = [content for kind, content in found if kind == b"av1C" and len(content) > 2]
    gray = bool(codings) and all(content[2] & MONOCHROME for content in codings)  # transparency is monochrome, too
    load = partial(_load_gray, data, check_size) if gray else partial(_load, data)
    return Picture(load, "avif", partial(_damaged, data), plain=not gray)


def refuse_hdr(label: str, found: list[tuple[bytes, bytes]]) -> None:
    """Raises Unsupported for a picture in high dynamic range, which would come out pale."""
    for kind, content in found:
        transfer = int.from_bytes(content[6:8], "big") if kind == b"colr" and content[:4] == b"nclx" else 0
        if transfer in HIGH_DYNAMIC_RANGE:
            kind_of_range = HIGH_DYNAMIC_RANGE[transfer]
            raise Unsupported(f"{label} / {kind_of_range} (high dynamic range)", "convert it to sRGB first")


def _frames(data: bytes) -> int:
    from PIL.AvifImagePlugin import AvifImageFile

    try:
        with closing(AvifImageFile(io.BytesIO(data))) as opened:
            return int(getattr(opened, "n_frames", 1))
    except Exception:  # Pillow is stricter than libvips
        return 1


def _load(data: bytes) -> pyvips.Image:
    return pyvips.Image.heifload_buffer(data, fail_on="error")


def _load_gray(data: bytes, check_size: CheckSize) -> pyvips.Image:
    """A picture of luminance alone. libvips leaves video range (16 to 235) as it is."""
    image = _load(data)
    check_size(image.width, image.height)
    color = image[: image.bands - 1] if image.hasalpha() else image
    unit = 257 if image.format == "ushort" else 1
    if not _is_video_range(data, color.avg() / unit):
        return image
    full = ((color - 16 * unit) * (255 / 219)).rint().cast(image.format)
    whole = full.bandjoin(image[image.bands - 1]) if image.hasalpha() else full
    return whole.copy(interpretation=image.interpretation)


def _is_video_range(data: bytes, mean: float) -> bool:
    """Whether the file says so, or else whether Pillow's decoder, which knows, sees a picture of more contrast."""
    from PIL.AvifImagePlugin import AvifImageFile

    for kind, content in properties(data):
        if kind == b"colr" and content[:4] == b"nclx" and len(content) > 10:
            return not content[10] & FULL_RANGE
    try:
        with closing(AvifImageFile(io.BytesIO(data))) as opened:
            truth = float(np.asarray(opened.convert("L")).mean())
    except Exception:  # Pillow is stricter than libvips
        return False
    return abs(truth - (mean - 16) * 255 / 219) < abs(truth - mean)


def _damaged(data: bytes) -> pyvips.Image:
    if _is_not_implemented(data):
        raise Unsupported("AVIF / an unusual arrangement of tiles")
    raise Damaged("a part of its picture can't be decoded" if is_whole(data) else "it ends before its picture does")


def _is_not_implemented(data: bytes) -> bool:
    """Whether the decoder says that it doesn't know such files, such as with tiles that two pictures share."""
    from PIL.AvifImagePlugin import AvifImageFile

    try:
        with closing(AvifImageFile(io.BytesIO(data))) as opened:
            opened.load()
    except Exception as error:  # it raises several kinds for a damaged file
        return "not implemented" in str(error).lower()
    return False
