"""Metadata in TIFF files: tags of the first directory and of those that it points to.

Writing appends a new first directory to the finished file, with the old one's entries, which point to where they did;
the picture is not touched.
"""

from __future__ import annotations

import struct

from photochrom.photo.metadata.exif import RESOLUTION_UNIT, UNIT_NUMBERS, X_RESOLUTION, Y_RESOLUTION, resolution_in
from photochrom.photo.metadata.ifd import (
    BYTE,
    EXIF_IFD,
    INTEROP_IFD,
    POINTERS,
    UNDEFINED,
    Buffer,
    Entry,
    find,
    pack_block,
    pack_directory,
    rational,
    read_directory,
    read_header,
    read_inner,
    reordered,
    short,
)
from photochrom.photo.metadata.iptc import from_tiff, read_resources
from photochrom.photo.metadata.record import CREDENTIALS, Blocks, Metadata, Resolution

XMP, IPTC, PHOTOSHOP, LAYERS, C2PA = 700, 33723, 34377, 37724, 52545
RESOLUTION = (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
# Tags that say how the pixels are stored, which an encoder says anew, and what stands elsewhere.
STRUCTURE = {
    *range(254, 260),
    262,
    263,
    264,
    265,
    266,
    273,
    *range(277, 282),
    284,
    *range(288, 294),
    301,
    *range(317, 326),
}
STRUCTURE |= {330, *range(332, 348), 351, 400, *range(401, 405), *range(433, 436), *range(512, 522), *range(529, 533)}
STRUCTURE |= {559, XMP, IPTC, PHOTOSHOP, LAYERS, C2PA, 34675, 50784, *range(50706, 51200), *range(52525, 52545)}


def read(data: bytes) -> Metadata:
    """The metadata of a TIFF's first directory. Raises ValueError if it can't be read."""
    header = read_header(data)
    entries, _ = read_directory(data, header, header.first)
    order = header.order
    inner = {tag: [reordered(e, order, order) for e in each] for tag, each in read_inner(data, header, entries).items()}
    described = [reordered(e, order, order) for e in entries if e.tag not in STRUCTURE and e.tag not in POINTERS]
    block = pack_block(described, order, _without_pointers(inner)) if described or inner else b""
    stored = {tag: entry.value for tag in (XMP, IPTC, PHOTOSHOP) if (entry := find(entries, tag))}
    iptc, resources = read_resources(stored.get(PHOTOSHOP, b""))
    left_out = []
    if find(entries, LAYERS):
        left_out.append("Photoshop's layers")
    if find(entries, C2PA):
        left_out.append(CREDENTIALS)
    return Metadata(
        block,
        from_tiff(stored.get(IPTC, b"")) or iptc,
        stored.get(XMP, b""),
        resources,
        resolution=resolution_in(entries, order),
        left_out=tuple(left_out),
    )


def resolutions(data: bytes) -> list[Resolution | None]:
    """The resolution of every page. Raises ValueError if a directory can't be read."""
    header = read_header(data)
    following = header.first
    seen: set[int] = set()
    found: list[Resolution | None] = []
    while following and following not in seen:
        seen.add(following)
        entries, following = read_directory(data, header, following)
        found.append(resolution_in(entries, header.order))
    return found


def parts(content: memoryview, blocks: Blocks) -> list[Buffer]:
    """A TIFF with only what says how its pixels are stored, as parts of the same file with metadata."""
    header = read_header(content)
    order = header.order
    (count,) = struct.unpack_from(order + "H", content, header.first)
    start = header.first + 2
    raw = [bytes(content[i : i + 12]) for i in range(start, start + 12 * count, 12)]
    (following,) = struct.unpack_from(order + "I", content, start + 12 * count)
    old = [row for row in raw if struct.unpack(order + "H", row[:2])[0] not in RESOLUTION]
    taken = {struct.unpack(order + "H", row[:2])[0] for row in old}
    new, inner = _entries(blocks, order, taken)
    padding = bytes(len(content) % 2)
    base = len(content) + len(padding)
    directory = _merged(old, new, inner, order, base, following)
    head = bytes(content[:4]) + struct.pack(order + "I", base)
    return [head, content[8:], padding, directory]


def _entries(blocks: Blocks, order: str, taken: set[int]) -> tuple[list[Entry], dict[int, list[Entry]]]:
    """The entries that say what the blocks say, and the inner directories."""
    new: dict[int, Entry] = {}
    inner: dict[int, list[Entry]] = {}
    if blocks.exif:
        header = read_header(blocks.exif)
        entries, _ = read_directory(blocks.exif, header, header.first)
        for entry in entries:
            if entry.tag not in STRUCTURE | taken and entry.tag not in POINTERS and entry.tag not in RESOLUTION:
                new[entry.tag] = reordered(entry, header.order, order)
        read = read_inner(blocks.exif, header, entries)
        inner = _without_pointers({t: [reordered(e, header.order, order) for e in each] for t, each in read.items()})
    if blocks.resolution:
        x, y, unit = blocks.resolution.x, blocks.resolution.y, UNIT_NUMBERS[blocks.resolution.unit]
        for entry in (rational(X_RESOLUTION, x, order), rational(Y_RESOLUTION, y, order)):
            new[entry.tag] = entry
        new[RESOLUTION_UNIT] = short(RESOLUTION_UNIT, unit, order)
    for tag, type, value in (
        (XMP, BYTE, blocks.xmp),
        (IPTC, UNDEFINED, blocks.iptc),
        (PHOTOSHOP, BYTE, blocks.resources),
    ):
        if value:
            new[tag] = Entry(tag, type, len(value), value)
    return list(new.values()), inner


def _without_pointers(inner: dict[int, list[Entry]]) -> dict[int, list[Entry]]:
    return {tag: [entry for entry in entries if entry.tag not in POINTERS] for tag, entries in inner.items()}


def _merged(
    old: list[bytes], new: list[Entry], inner: dict[int, list[Entry]], order: str, base: int, following: int
) -> bytes:
    """A directory at `base` of old entries as they are stored and new ones with their values behind it."""
    pointers = [tag for tag in inner if tag != INTEROP_IFD or EXIF_IFD not in inner]
    placed = pack_directory(new, order, base + 12 * len(old), following, inner)
    # The rows of both are sorted into one table; what stands behind stays where pack_directory put it.
    count = len(new) + len(pointers)
    rows = old + [placed[2 + 12 * i : 14 + 12 * i] for i in range(count)]
    rows.sort(key=lambda row: struct.unpack(order + "H", row[:2])[0])
    return struct.pack(order + "H", len(rows)) + b"".join(rows) + placed[2 + 12 * count :]
