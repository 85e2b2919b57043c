"""AVIF, and HEIF files with AV1 pictures."""

from __future__ import annotations

import io
from contextlib import closing
from functools import partial

import numpy as np

from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.isobmff import is_whole, properties
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.signature import brands_of
from photochrom.photo.vips import pyvips

MONOCHROME = 0x10  # a bit of the third byte of the AV1 configuration
PQ_HLG = {16: "PQ", 18: "HLG"}  # transfer characteristics (ITU-T H.273)


def open_avif(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported or Damaged."""
    found = properties(data)
    refuse_hdr("AVIF", found)
    if b"avis" in brands_of(data) and _frames(data) > 1:
        raise Unsupported("AVIF / animation", "save one of its pictures, or make a film of it")
    gray = any(kind == b"av1C" and content[2:3] and content[2] & MONOCHROME for kind, content in found)
    load = partial(_load_gray, data, check_size) if gray else partial(_load, data)
    return Picture(load, "avif", partial(_damaged, data), plain=not gray)


def refuse_hdr(label: str, found: list[tuple[bytes, bytes]]) -> None:
    """Raises Unsupported for a picture in high dynamic range, which would come out pale."""
    for kind, content in found:
        transfer = int.from_bytes(content[6:8], "big") if kind == b"colr" and content[:4] == b"nclx" else 0
        if transfer in PQ_HLG:
            raise Unsupported(f"{label} / {PQ_HLG[transfer]} (high dynamic range)", "convert it to sRGB first")


def _frames(data: bytes) -> int:
    from PIL.AvifImagePlugin import AvifImageFile

    try:
        with closing(AvifImageFile(io.BytesIO(data))) as opened:
            return int(getattr(opened, "n_frames", 1))
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise Damaged("it can't be decoded") from error


def _load(data: bytes) -> pyvips.Image:
    return pyvips.Image.heifload_buffer(data, fail_on="error")


def _load_gray(data: bytes, check_size: CheckSize) -> pyvips.Image:
    """A picture of luminance alone. libvips leaves video range (16 to 235) as it is; the decoder of Pillow doesn't."""
    from PIL.AvifImagePlugin import AvifImageFile

    image = _load(data)
    check_size(image.width, image.height)
    color = image[:-1] if image.hasalpha() else image
    with closing(AvifImageFile(io.BytesIO(data))) as opened:
        truth = float(np.asarray(opened.convert("L")).mean())
    scale = 65535 / 255 if image.format == "ushort" else 1
    mean = color.avg() / scale
    if abs(truth - (mean - 16) * 255 / 219) >= abs(truth - mean):
        return image
    full = ((color - 16 * scale) * (255 / 219)).rint().cast(image.format)
    wide = full.bandjoin(image[image.bands - 1]) if image.hasalpha() else full
    return wide.copy(interpretation=image.interpretation)


def _damaged(data: bytes) -> pyvips.Image:
    raise Damaged("a part of its picture can't be decoded" if is_whole(data) else "it ends before its picture does")
