"""JPEG: what its headers say, and whether all of it can be decoded.

A JPEG with a gain map (Ultra HDR) is an ordinary JPEG for us: libvips' general loader would take the map, too, and lose
the metadata.
"""

from __future__ import annotations

import re
from functools import partial

from photochrom.photo.formats.faults import CONVERT, Damaged, Unsupported
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import load_in_place, pyvips

FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers: the rest are tables
READ_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA}  # sequential, progressive and lossless; arithmetic coding
STANDALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
# libjpeg's warnings that pixels are missing or guessed. Others are harmless, such as stray bytes before a marker.
DAMAGE = re.compile(r"premature end|bad huffman code|bad arithmetic code|found marker", re.IGNORECASE)
END = re.compile(r"premature end of jpeg", re.IGNORECASE)


def open_jpeg(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported or Damaged."""
    marker, bits = frame_of(data)
    if bits > 8:
        raise Unsupported(f"JPEG / {bits} bits per channel", CONVERT)
    if marker not in READ_FRAMES:
        raise Unsupported("JPEG / JPEG-LS" if marker == 0xF7 else "JPEG / hierarchical or lossless", CONVERT)
    return Picture(partial(_load, data, "warning"), "jpeg", partial(_look_again, data))


def is_whole(data: bytes) -> bool:
    """Whether a JPEG has an end behind its beginning; its embedded thumbnail, which has one, too, stands before."""
    scan = data.find(b"\xff\xda", _frame_position(data))
    return scan >= 0 and data.rfind(b"\xff\xd9") > scan


def frame_of(data: bytes) -> tuple[int, int]:
    """The marker of a JPEG's frame, which says how it is coded, and the bits per channel. Raises Damaged."""
    position = _frame_position(data)
    return data[position + 1], data[position + 4] if position + 4 < len(data) else 8


def _frame_position(data: bytes) -> int:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            position += 1  # stray bytes, which decoders skip
            continue
        marker = data[position + 1]
        if marker in FRAMES or marker == 0xF7:  # the last is JPEG-LS
            return position
        if marker == 0xDA:
            break
        if marker in STANDALONE or marker == 0xFF:
            position += 1 if marker == 0xFF else 2
            continue
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise Damaged("it ends before its picture begins" if position >= len(data) - 4 else "it has no picture")


def _load(data: bytes, fail_on: str) -> pyvips.Image:
    return load_in_place(pyvips.Image.jpegload_source, data, fail_on=fail_on, access="sequential")


def _look_again(data: bytes) -> pyvips.Image:
    """Whether what the decoder warned of is damage. Raises Damaged."""
    try:
        return _load(data, "warning").copy_memory()
    except pyvips.Error as error:
        text = str(error)
    try:
        picture = _load(data, "truncated").copy_memory()
    except pyvips.Error as error:
        raise Damaged(_reason(data, str(error))) from error
    if DAMAGE.search(text):
        raise Damaged(_reason(data, text))
    return picture


def _reason(data: bytes, text: str) -> str:
    if END.search(text) or not is_whole(data):
        return "it ends before its picture does"
    return "a part of its picture can't be decoded"
