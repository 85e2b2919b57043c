"""Cameras' raw files, through rawpy (extra `formats`)."""

from __future__ import annotations

import io
from functools import partial

from photochrom.errors import InputError
from photochrom.photo.formats.arrays import from_array
from photochrom.photo.formats.extras import rawpy
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.hush import hushed
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.tiff_pages import COMPRESSION, DNG, PHOTOMETRIC, Page
from photochrom.photo.vips import pyvips

MAKE = 271
SENSOR = {32803, 34892}  # photometric interpretations: a mosaic of colors, and light
RAW_CODECS = {32767, 32769, 32770, 34713, 34892, 65535}  # of Sony, Epson, Samsung, Nikon, DNG and Pentax
MAKERS = {b"NIKON": "NEF", b"SONY": "ARW", b"PENTAX": "PEF", b"SAMSUNG": "SRW", b"Canon": "CR2", b"EPSON": "ERF"}


def raw_kind(data: bytes, pages: list[Page]) -> str:
    """What a TIFF is called if it is a camera's raw file, else ""."""
    if DNG in pages[0].tags:
        return "camera raw (DNG)"
    if data[8:10] == b"CR":
        return "camera raw (CR2)"
    if any(page.value(PHOTOMETRIC) in SENSOR or page.value(COMPRESSION) in RAW_CODECS for page in pages):
        make = pages[0].tags[MAKE].tobytes() if MAKE in pages[0].tags else b""
        name = next((label for start, label in MAKERS.items() if make.upper().startswith(start.upper())), "")
        return f"camera raw ({name})" if name else "camera raw"
    return ""


def open_raw(kind: str, data: bytes, check_size: CheckSize) -> Picture:
    """The developed picture of a raw file. Raises Unsupported without the extra."""
    rawpy(kind)
    return Picture(partial(_load, kind, data, check_size), "png", notes=("the camera's raw data",))


def _load(kind: str, data: bytes, check_size: CheckSize) -> pyvips.Image:
    module = rawpy(kind)
    try:
        with hushed():
            opened = module.imread(io.BytesIO(data))
        with opened as raw:
            check_size(raw.sizes.width, raw.sizes.height)
            with hushed():
                raw.unpack()  # LibRaw prints what is damaged
            return from_array(raw.postprocess(use_camera_wb=True, output_bps=16))  # upright, sRGB
    except (InputError, MemoryError):
        raise
    except (module.LibRawFileUnsupportedError, module.LibRawNonFatalError) as error:
        raise Unsupported(f"{kind} of this camera", "develop it with darktable or RawTherapee to TIFF") from error
    except Exception as error:  # LibRaw's other errors
        raise Damaged("a part of its picture can't be decoded") from error
