"""Metadata in JPEG files: segments before the picture."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

from photochrom.photo.metadata.exif import PREFIX, resolution_of
from photochrom.photo.metadata.ifd import Buffer
from photochrom.photo.metadata.iptc import PHOTOSHOP, read_resources
from photochrom.photo.metadata.record import CREDENTIALS, OTHER_PICTURES, Blocks, Metadata, Resolution
from photochrom.photo.metadata.xmp import RDF, XMLNS, Node, descriptions, find, pack, parse, remove, split_mark

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
HALF = 0.5  # by which whole numbers of dots may be off
COM, APP0, APP1, APP2, APP11, APP13, SCAN, END = 0xFE, 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xDA, 0xD9
LARGEST = 65533  # bytes of a segment
LARGEST_EXIF = LARGEST - len(PREFIX)
LARGEST_XMP = LARGEST - len(XMP)
EXTENSION_PART = 65_000
UNITS = {0: "", 1: "inch", 2: "cm"}
UNIT_NUMBERS = {name: unit for unit, name in UNITS.items()}


class Segment(NamedTuple):
    """A segment: its marker's second byte, its content, and where it begins and ends in the file."""

    marker: int
    content: bytes
    start: int
    end: int


def segments(data: Buffer) -> Iterator[Segment]:
    """The segments before the picture."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in (SCAN, END):
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if length < 2 or end > len(data):
            return
        yield Segment(marker, bytes(data[at + 4 : end]), at, end)
        at = end


def read(data: bytes) -> Metadata:
    """The metadata of a JPEG."""
    exif = xmp = resources = b""
    comments: list[bytes] = []
    extensions: dict[int, bytes] = {}
    left_out: list[str] = []
    resolution = None
    for marker, content, _, _ in segments(data):
        if marker == APP0 and content[:5] == b"JFIF\0" and len(content) >= 12:
            resolution = _jfif_resolution(content)
        elif marker == APP1 and content.startswith(PREFIX) and not exif:
            exif = content[len(PREFIX) :]
        elif marker == APP1 and content.startswith(XMP) and not xmp:
            xmp = content[len(XMP) :]
        elif marker == APP1 and content.startswith(EXTENSION) and len(content) > len(EXTENSION) + 40:
            rest = content[len(EXTENSION) :]
            extensions[struct.unpack_from(">I", rest, 36)[0]] = rest[40:]
        elif marker == APP13 and content.startswith(PHOTOSHOP):
            resources += content[len(PHOTOSHOP) :]
        elif marker == COM:
            comments.append(content)
        elif marker == APP11 and b"c2pa" in content[:64]:
            left_out.append(CREDENTIALS)
        elif marker == APP2 and content.startswith(b"MPF\0"):
            left_out.append(OTHER_PICTURES)
    resolution = _unrounded(resolution, resolution_of(exif))
    extension = b"".join(extensions[key] for key in sorted(extensions))
    iptc, others = read_resources(resources)
    return Metadata(
        exif,
        iptc,
        _joined(xmp, extension),
        others,
        tuple(comments),
        resolution=resolution,
        left_out=tuple(dict.fromkeys(left_out)),
    )


def _jfif_resolution(content: bytes) -> Resolution | None:
    unit, x, y = struct.unpack_from(">BHH", content, 7)
    if unit not in UNITS or not x or not y or (unit == 0 and x == y == 1):
        return None
    return Resolution(x, y, UNITS[unit])


def _unrounded(rounded: Resolution | None, exact: Resolution | None) -> Resolution | None:
    """The resolution of the JFIF header, or what the EXIF says where the header's is that, rounded."""
    if rounded is None or exact is None or not (rounded.unit and exact.unit):
        return rounded
    pairs = zip(exact.per(rounded.unit), (rounded.x, rounded.y), strict=True)
    return exact if all(abs(one - other) <= HALF for one, other in pairs) else rounded


def _joined(packet: bytes, extension: bytes) -> bytes:
    """A packet with the descriptions of its extension, which one segment can't hold."""
    if not extension:
        return packet
    main, more = parse(packet), parse(extension)
    if main is None or more is None:
        return packet
    note = find(main, "xmpNote", "HasExtendedXMP")
    if note is not None:
        remove(note)
    root = main.getElementsByTagNameNS(RDF, "RDF")[0]
    for description in descriptions(more):
        root.appendChild(main.importNode(_self_contained(description), True))
    return pack(main)


def _self_contained(description: Node) -> Node:
    """An element that declares the prefixes that its ancestors declared."""
    node = description.parentNode
    while node is not None and node.nodeType == node.ELEMENT_NODE:
        for name, value in node.attributes.items():
            if name.startswith("xmlns") and not description.hasAttribute(name):
                description.setAttributeNS(XMLNS, name, value)
        node = node.parentNode
    return description


def parts(content: memoryview, blocks: Blocks) -> list[Buffer]:
    """A JPEG that has only a JFIF header and a profile, as parts of the same file with metadata."""
    found = list(segments(content))
    rest = next((each.end for each in found if each.marker == APP0), 2)
    resolution = blocks.resolution
    unit, x, y = 0, 1.0, 1.0
    if resolution:
        unit, x, y = UNIT_NUMBERS[resolution.unit], resolution.x, resolution.y
        if not (min(x, y) >= 0.5 and max(x, y) < 65535.5):
            unit, x, y = 0, 1, 1
    head = b"JFIF\0\1\1" + struct.pack(">BHHBB", unit, round(x), round(y), 0, 0)
    result: list[Buffer] = [b"\xff\xd8", _segment(APP0, head)]
    if blocks.exif and len(blocks.exif) <= LARGEST_EXIF:
        result.append(_segment(APP1, PREFIX + blocks.exif))
    if blocks.xmp:
        result += _xmp_segments(blocks.xmp)
    for start in range(0, len(blocks.resources), LARGEST - len(PHOTOSHOP)):
        piece = blocks.resources[start : start + LARGEST - len(PHOTOSHOP)]
        result.append(_segment(APP13, PHOTOSHOP + piece))
    for comment in blocks.comments:
        result += [_segment(COM, comment[i : i + LARGEST]) for i in range(0, max(1, len(comment)), LARGEST)]
    return [*result, content[rest:]]


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _xmp_segments(packet: bytes) -> list[bytes]:
    """One segment, or for a large packet one with our own mark and an extension with the rest."""
    if len(packet) <= LARGEST_XMP:
        return [_segment(APP1, XMP + packet)]
    main, extension = split_mark(packet, LARGEST_XMP)
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()
    main = main.replace(b"0" * 32, guid, 1)
    result = [_segment(APP1, XMP + main)]
    for start in range(0, len(extension), EXTENSION_PART):
        head = EXTENSION + guid + struct.pack(">II", len(extension), start)
        result.append(_segment(APP1, head + extension[start : start + EXTENSION_PART]))
    return result
