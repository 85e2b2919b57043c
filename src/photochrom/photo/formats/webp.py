"""WebP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import pyvips

HEADER, PROFILE = b"VP8X", b"ICCP"
OF_THE_PICTURE = (HEADER, PROFILE, b"ALPH", b"VP8 ", b"VP8L")
HAS_PROFILE, HAS_ALPHA = 0x20, 0x10  # bits of the header's first byte


def open_webp(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported for an animation."""
    if sum(kind == b"ANMF" for kind, _ in _chunks(data)) > 1:
        raise Unsupported("WebP / animation", "save one of its pictures, or make a film of it")
    return Picture(partial(_load, data), "webp", partial(_look_again, data))


def _load(data: bytes) -> pyvips.Image:
    return pyvips.Image.webpload_buffer(data, fail_on="error")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind of each chunk, and its content as far as the file has it."""
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        yield data[position : position + 4], data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _look_again(data: bytes) -> pyvips.Image:
    """The picture without damaged chunks that aren't of it. Raises Damaged."""
    with suppress(pyvips.Error):
        return _load(_picture_alone(data)).copy_memory()
    declared = 8 + int.from_bytes(data[4:8], "little")
    raise Damaged("it ends before its picture does" if declared > len(data) else "its picture can't be decoded")


def _picture_alone(data: bytes) -> bytes:
    found = [(kind, content) for kind, content in _chunks(data) if kind in OF_THE_PICTURE]
    known = (HAS_PROFILE if any(kind == PROFILE for kind, _ in found) else 0) | HAS_ALPHA
    body = b"WEBP"
    for kind, content in found:
        kept = bytes([content[0] & known]) + content[1:] if kind == HEADER and content else content
        body += kind + len(kept).to_bytes(4, "little") + kept + bytes(len(kept) % 2)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
