"""Metadata in WebP files: RIFF chunks behind the picture, and flags before it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from photochrom.photo.metadata.exif import unprefixed
from photochrom.photo.metadata.ifd import Buffer
from photochrom.photo.metadata.record import CREDENTIALS, Blocks, Metadata

HAS_XMP, HAS_EXIF, HAS_ALPHA = 0x04, 0x08, 0x10


def chunks(data: Buffer) -> Iterator[tuple[bytes, memoryview]]:
    """All chunks, as their kind and content."""
    view, at = memoryview(data), 12
    while at + 8 <= len(view):
        (length,) = struct.unpack_from("<I", view, at + 4)
        if at + 8 + length > len(view):
            return
        yield bytes(view[at : at + 4]), view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def is_lossless(data: Buffer) -> bool:
    """Whether the picture is stored without loss."""
    kinds = {kind for kind, _ in chunks(data)}
    return b"VP8L" in kinds and b"VP8 " not in kinds


def read(data: bytes) -> Metadata:
    """The metadata of a WebP."""
    found = {kind: bytes(content) for kind, content in chunks(data) if kind in (b"EXIF", b"XMP ", b"C2PA")}
    left_out = (CREDENTIALS,) if b"C2PA" in found else ()
    return Metadata(unprefixed(found.get(b"EXIF", b"")), xmp=found.get(b"XMP ", b""), left_out=left_out)


def parts(content: memoryview, blocks: Blocks) -> list[Buffer]:
    """A WebP without metadata as parts of the same file with metadata."""
    if not blocks.exif and not blocks.xmp:
        return [content]
    flags = (HAS_EXIF if blocks.exif else 0) | (HAS_XMP if blocks.xmp else 0)
    kinds = list(chunks(content))
    body: list[Buffer] = []
    if kinds[0][0] == b"VP8X":
        head = bytearray(kinds.pop(0)[1])
        head[0] |= flags
    else:
        head = bytearray(_extended(*kinds[0]))
        head[0] |= flags
    body += _chunk(b"VP8X", head)
    for kind, chunk in kinds:
        body += _chunk(kind, chunk)
    if blocks.exif:
        body += _chunk(b"EXIF", blocks.exif)
    if blocks.xmp:
        body += _chunk(b"XMP ", blocks.xmp)
    return [b"RIFF" + struct.pack("<I", 4 + sum(map(len, body))) + b"WEBP", *body]


def _chunk(kind: bytes, content: Buffer) -> list[Buffer]:
    return [kind + struct.pack("<I", len(content)), content, b"\0" * (len(content) % 2)]


def _extended(kind: bytes, content: memoryview) -> bytes:
    """The header of the extended form for a picture in the simple one."""
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 1)
        width, height, flags = bits & 0x3FFF, bits >> 14 & 0x3FFF, HAS_ALPHA if bits >> 28 & 1 else 0
    else:
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", content, 6))
        width, height, flags = width - 1, height - 1, 0
    return bytes([flags, 0, 0, 0]) + struct.pack("<I", width)[:3] + struct.pack("<I", height)[:3]
