"""IPTC's older form (IIM), and Photoshop's image resources, in which JPEG files carry it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from photochrom.photo.metadata.record import Resource, decoded

PHOTOSHOP = b"Photoshop 3.0\0"  # before the resources in a JPEG
SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
IPTC, DIGEST = 0x0404, 0x0425
# Resources that are no longer true, or that stand elsewhere: thumbnails, ICC profile, EXIF, XMP.
DROPPED = {0x0409, 0x040C, 0x040F, 0x0422, 0x0423, 0x0424, IPTC, DIGEST}
# Resources that say nothing that a photograph would miss: halftones, print settings, numbers of layers, versions.
TRIVIAL = {0x03ED, 0x03F2, 0x03F3, 0x03F5, 0x03F8, 0x0400, 0x0402, 0x0408, 0x040A, 0x040D, 0x0411, 0x0414, 0x0419}
TRIVIAL |= {0x041A, 0x041E, 0x0421, 0x0426, 0x0428, 0x043A, 0x043B, 0x2710}
CHARACTER_SET = (1, 90)
UTF8 = b"\x1b%G"
PREVIEWS = {(2, 200), (2, 201), (2, 202)}
LAYOUT = (2, 131)  # upright or lying


class Dataset(NamedTuple):
    """One field: its record, its number, its bytes, and all of it as it is stored."""

    record: int
    number: int
    value: bytes
    stored: bytes


def datasets(iptc: bytes) -> Iterator[Dataset]:
    """The fields of an IIM block; ends where something else begins."""
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", iptc, at + 1)
        start = at + 5
        if length & 0x8000:  # the length of the length
            width = length & 0x7FFF
            if width > 4:
                return
            length = int.from_bytes(iptc[start : start + width], "big")
            start += width
        if start + length > len(iptc):
            return
        yield Dataset(record, number, iptc[start : start + length], iptc[at : start + length])
        at = start + length


def made_true(iptc: bytes, turned: bool) -> bytes:
    """The block without the gray preview, and without the layout if the photograph was turned."""
    stale = PREVIEWS | ({LAYOUT} if turned else set())
    return b"".join(each.stored for each in datasets(iptc) if (each.record, each.number) not in stale)


def from_tiff(data: bytes) -> bytes:
    """The block of a TIFF's tag. Programs that took it for 32-bit numbers may have swapped its bytes."""
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c":
        padded = data + bytes(-len(data) % 4)
        data = b"".join(padded[i : i + 4][::-1] for i in range(0, len(padded), 4))
    return b"".join(each.stored for each in datasets(data))


def read_resources(block: bytes) -> tuple[bytes, tuple[Resource, ...]]:
    """The IPTC of a block of image resources, and the others that stay true."""
    iptc, others = b"", []
    for resource in _resources(block):
        if resource.number == IPTC:
            iptc = iptc or resource.data
        elif resource.number not in DROPPED:
            others.append(resource)
    return iptc, tuple(others)


def _resources(block: bytes) -> Iterator[Resource]:
    at = 0
    while at + 12 <= len(block) and block[at : at + 4] in SIGNATURES:
        number, name_length = struct.unpack_from(">HB", block, at + 4)
        name_end = at + 7 + name_length
        start = name_end + (name_end - at) % 2
        if start + 4 > len(block):
            return
        (length,) = struct.unpack_from(">I", block, start)
        data = block[start + 4 : start + 4 + length]
        if len(data) < length:
            return
        yield Resource(number, block[at + 7 : name_end], data)
        at = start + 4 + length + length % 2


def pack_resources(iptc: bytes, others: Iterable[Resource]) -> bytes:
    """A block of image resources; empty if there is nothing in it. IPTC gets the digest that tells it is unchanged."""
    resources = list(others)
    if iptc:
        resources += [
            Resource(IPTC, b"", iptc),
            Resource(DIGEST, b"", hashlib.md5(iptc, usedforsecurity=False).digest()),
        ]
    block = bytearray()
    for number, name, data in sorted(resources, key=lambda resource: resource.number):
        head = b"8BIM" + struct.pack(">HB", number, len(name)) + name
        block += head + bytes(len(head) % 2) + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)
    return bytes(block)


def turned_resources(resources: tuple[Resource, ...]) -> tuple[Resource, ...]:
    """Image resources of a photograph that was turned by a quarter: its resolution is the other way round."""
    return tuple(
        Resource(number, name, data[8:16] + data[:8]) if number == 0x03ED and len(data) == 16 else
        Resource(number, name, data)
        for number, name, data in resources
    )  # fmt: skip


def fields(iptc: bytes) -> list[tuple[int, int, str]]:
    """(record, number, text) of every field that is text."""
    found = list(datasets(iptc))
    is_utf8 = any((each.record, each.number) == CHARACTER_SET and each.value == UTF8 for each in found)
    return [
        (each.record, each.number, each.value.decode("utf-8", "replace") if is_utf8 else decoded(each.value))
        for each in found
    ]
