"""JPEG: what its headers say, and whether all of it can be decoded.

A JPEG with a gain map (Ultra HDR) is an ordinary JPEG for us: libvips' general loader would take the map, too, and lose
the metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from photochrom.photo.formats.faults import CONVERT, Damaged, Unsupported
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import load_in_place, pyvips

FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers: the rest are tables
READ_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA}  # sequential, progressive and lossless; arithmetic coding
SCAN = 0xDA  # marker of what holds the pixels
NOTES = {*range(0xE0, 0xF0), 0xFE}  # markers: of applications and comments
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
    for marker, begin, _ in _segments(data):
        if marker in FRAMES or marker == 0xF7:  # the last is JPEG-LS
            return begin
        if marker == SCAN:
            raise Damaged("it has no picture")
    raise Damaged("it ends before its picture begins")


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker, begin and end of each segment up to the first scan's, without stray bytes, which decoders skip."""
    position = 2
    while position + 4 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker == 0xFF:
            position += 1
        elif marker in STANDALONE:
            position += 2
        else:
            end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
            yield marker, position, end
            if marker == SCAN:
                return
            position = end


def _bare(data: bytes) -> bytes:
    """A JPEG with nothing before its first scan but what decodes it: of nothing else a decoder can warn."""
    parts = [data[:2]]
    for marker, begin, end in _segments(data):
        if marker == SCAN:
            parts.append(data[begin:])
        elif marker not in NOTES:
            parts.append(data[begin:end])
    return b"".join(parts)


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
    try:  # libjpeg tells the first warning alone, and that may have been a harmless one of the header
        _load(_bare(data), "warning").avg()
    except pyvips.Error as error:
        text += str(error)
    if DAMAGE.search(text):
        raise Damaged(_reason(data, text))
    return picture


def _reason(data: bytes, text: str) -> str:
    if END.search(text) or not is_whole(data):
        return "it ends before its picture does"
    return "a part of its picture can't be decoded"
