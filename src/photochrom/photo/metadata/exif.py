"""EXIF blocks: what they say, and changing them in place.

A block is changed byte by byte where it stands, and new things go to its end: makers' notes point to places in the
block, and are only readable as long as nothing moves.
"""

from __future__ import annotations

import struct

from photochrom.photo.metadata.ifd import (
    EXIF_IFD,
    GPS_IFD,
    INTEROP_IFD,
    LONG,
    RATIONAL,
    SHORT,
    Entry,
    Header,
    find,
    number,
    pack_block,
    pack_directory,
    ratio,
    rational,
    read_directory,
    read_header,
    read_inner,
    short,
)
from photochrom.photo.metadata.record import Resolution

PREFIX = b"Exif\0\0"  # before the block in a JPEG, and by mistake in other containers
WIDTH, HEIGHT, ORIENTATION = 0x0100, 0x0101, 0x0112
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
THUMBNAIL_AT, THUMBNAIL_LENGTH = 0x0201, 0x0202
COLOR_SPACE, PIXELS_X, PIXELS_Y = 0xA001, 0xA002, 0xA003
FOCAL_X, FOCAL_Y = 0xA20E, 0xA20F
SUBJECT_AREA, SUBJECT_PLACE = 0x9214, 0xA214
PAIRS = ((WIDTH, HEIGHT), (X_RESOLUTION, Y_RESOLUTION), (PIXELS_X, PIXELS_Y), (FOCAL_X, FOCAL_Y))
UNITS = {1: "", 2: "inch", 3: "cm"}
UNIT_NUMBERS = {name: unit for unit, name in UNITS.items()}
SRGB = 1
SAME = 0.001  # resolutions that differ by less, in parts of them, are one


def unprefixed(block: bytes) -> bytes:
    """The block without the letters before it."""
    return block[len(PREFIX) :] if block.startswith(PREFIX) else block


def is_readable(block: bytes) -> bool:
    """Whether the first directory of a block can be read."""
    try:
        header = read_header(block)
        read_directory(block, header, header.first)
    except (ValueError, struct.error):
        return False
    return not header.big


def orientation_of(block: bytes) -> int:
    """1..8; 1 if the block says nothing that has a meaning."""
    if not is_readable(block):
        return 1
    header, entries, _ = _open(block)
    found = number(find(entries, ORIENTATION), header.order) or 1
    return found if found in range(1, 9) else 1


def resolution_of(block: bytes) -> Resolution | None:
    """The resolution that a block gives; None if it gives none."""
    if not is_readable(block):
        return None
    header, entries, _ = _open(block)
    return resolution_in(entries, header.order)


def resolution_in(entries: list[Entry], order: str) -> Resolution | None:
    """The resolution that a directory gives."""
    x, y = (ratio(find(entries, tag), order) for tag in (X_RESOLUTION, Y_RESOLUTION))
    unit = number(find(entries, RESOLUTION_UNIT), order) or 2  # as the standard has it
    return Resolution(x, y, UNITS[unit]) if x and y and unit in UNITS else None


def made_true(block: bytes, orientation: int) -> tuple[bytes, bool]:
    """The block of the photograph after it was turned upright by `orientation` and converted to sRGB.

    Also: whether there was a thumbnail, which is gone.
    """
    header, entries, following = _open(block)
    changed = bytearray(block)
    inner = read_inner(block, header, entries)
    exif = inner.get(EXIF_IFD, [])
    _put_short(changed, header, find(entries, ORIENTATION), 1)
    if orientation >= 5:
        for first, second in PAIRS:
            for directory in (entries, exif):
                _swap(changed, header, find(directory, first), find(directory, second))
    _put_short(changed, header, find(exif, COLOR_SPACE), SRGB)
    index = find(inner.get(INTEROP_IFD, ()), 1)
    if index and index.value.startswith(b"R03"):  # Adobe RGB
        changed[index.at : index.at + 3] = b"R98"
    used = max((entry.at + len(entry.value) for each in (entries, *inner.values()) for entry in each), default=0)
    places = [find(entries, EXIF_IFD), find(entries, GPS_IFD), find(exif, INTEROP_IFD)]
    used = max(used, *(_end_of_directory(block, header, number(place, header.order) or 0) for place in places))
    had_thumbnail = _drop_thumbnail(changed, header, following, used)
    return bytes(changed), had_thumbnail


def resized(block: bytes, width: int, height: int, left: int, top: int) -> bytes:
    """The block of an upright picture of another size, whose pixel (left, top) was is now at (0, 0)."""
    header, entries, _ = _open(block)
    changed = bytearray(block)
    exif = read_inner(block, header, entries).get(EXIF_IFD, [])
    for tags, size in (((WIDTH, PIXELS_X), width), ((HEIGHT, PIXELS_Y), height)):
        for directory in (entries, exif):
            for tag in tags:
                entry = find(directory, tag)
                if entry and (entry.type == LONG or size < 2**16):
                    _put_short(changed, header, entry, size)
    for tag in (SUBJECT_AREA, SUBJECT_PLACE):  # x and y, then perhaps a size
        entry = find(exif, tag)
        if entry and entry.type == SHORT and entry.amount >= 2:
            x, y = struct.unpack_from(header.order + "HH", entry.value)
            place = (min(max(0, x - left), width - 1), min(max(0, y - top), height - 1))
            struct.pack_into(header.order + "HH", changed, entry.at, *place)
    return bytes(changed)


def with_entries(block: bytes, new: list[Entry]) -> bytes:
    """The block with more or other entries in its first directory, which moves to the end; an empty one is begun."""
    if not block:
        return pack_block(new, "<")
    header, _entries, following = _open(block)
    (count,) = struct.unpack_from(header.order + "H", block, header.first)
    raw = [block[i : i + 12] for i in range(header.first + 2, header.first + 2 + 12 * count, 12)]
    return _with_directory(block, header, raw, new, following)


def with_resolution(block: bytes, resolution: Resolution) -> bytes:
    """The block with a resolution, which replaces another one that it may have."""
    present = resolution_of(block) if block else None
    if present and present.unit == resolution.unit:
        ratios = (present.x / resolution.x, present.y / resolution.y)
        if all(abs(ratio - 1) < SAME for ratio in ratios):
            return block
    order = read_header(block).order if block else "<"
    x, y = rational(X_RESOLUTION, resolution.x, order), rational(Y_RESOLUTION, resolution.y, order)
    return with_entries(block, [x, y, short(RESOLUTION_UNIT, UNIT_NUMBERS[resolution.unit], order)])


def with_thumbnail(block: bytes, jpeg: bytes) -> bytes:
    """The block with a thumbnail at its end. The block has none."""
    header, _, _ = _open(block)
    block += bytes(len(block) % 2)
    order, base = header.order, len(block)
    size = 2 + 12 * 3 + 4
    entries = [
        short(0x0103, 6, order),  # JPEG
        Entry(THUMBNAIL_AT, LONG, 1, struct.pack(order + "I", base + size)),
        Entry(THUMBNAIL_LENGTH, LONG, 1, struct.pack(order + "I", len(jpeg))),
    ]
    changed = bytearray(block)
    (count,) = struct.unpack_from(order + "H", block, header.first)
    struct.pack_into(order + "I", changed, header.first + 2 + 12 * count, base)
    return bytes(changed) + pack_directory(entries, order, base) + jpeg


def _open(block: bytes) -> tuple[Header, list[Entry], int]:
    header = read_header(block)
    return header, *read_directory(block, header, header.first)


def _with_directory(block: bytes, header: Header, raw: list[bytes], new: list[Entry], following: int) -> bytes:
    """The block with its first directory anew at the end: old entries as they are, pointing to where they did."""
    order = header.order
    block += bytes(len(block) % 2)
    replaced = {entry.tag for entry in new}
    kept = [entry for entry in raw if struct.unpack(order + "H", entry[:2])[0] not in replaced]
    base = len(block)
    size = 2 + 12 * (len(kept) + len(new)) + 4
    behind = b""
    rows = [*kept]
    for entry in new:
        value = entry.value
        if len(value) > 4:
            value, behind = struct.pack(order + "I", base + size + len(behind)), behind + value + bytes(len(value) % 2)
        rows.append(struct.pack(order + "HHI", entry.tag, entry.type, entry.amount) + value.ljust(4, b"\0"))
    rows.sort(key=lambda row: struct.unpack(order + "H", row[:2])[0])
    table = struct.pack(order + "H", len(rows)) + b"".join(rows) + struct.pack(order + "I", following)
    return block[:4] + struct.pack(order + "I", base) + block[8:] + table + behind


def _put_short(block: bytearray, header: Header, entry: Entry | None, value: int) -> None:
    code = {1: "B", 6: "B", SHORT: "H", 8: "H", LONG: "I", 9: "I", 13: "I"}.get(entry.type) if entry else None
    if entry and code:
        struct.pack_into(header.order + code, block, entry.at, value)


def _swap(block: bytearray, header: Header, first: Entry | None, second: Entry | None) -> None:
    """Exchange the values of two entries of one type, or of two whole numbers."""
    if first and second and (first.type, first.amount) == (second.type, second.amount):
        block[first.at : first.at + len(first.value)] = second.value
        block[second.at : second.at + len(second.value)] = first.value
    elif first and second and {first.type, second.type} == {SHORT, LONG}:
        values = (number(second, header.order) or 0, number(first, header.order) or 0)
        if max(values) < 2**16:
            _put_short(block, header, first, values[0])
            _put_short(block, header, second, values[1])


def _end_of_directory(block: bytes, header: Header, offset: int) -> int:
    """Where the table of a directory ends; 0 for none."""
    if not 0 < offset <= len(block) - 2:
        return 0
    return offset + 2 + 12 * struct.unpack_from(header.order + "H", block, offset)[0] + 4


def _drop_thumbnail(block: bytearray, header: Header, following: int, used: int) -> bool:
    """Unhook the second directory, and remove its bytes: from the end, or by zeros where others stand behind.

    used: where the last value of the other directories ends.
    """
    (count,) = struct.unpack_from(header.order + "H", block, header.first)
    pointer = header.first + 2 + 12 * count
    if not following or pointer + 4 > len(block):
        return False
    struct.pack_into(header.order + "I", block, pointer, 0)
    try:
        entries, _ = read_directory(block, header, following)
    except ValueError:
        return False
    at, length = (number(find(entries, tag), header.order) for tag in (THUMBNAIL_AT, THUMBNAIL_LENGTH))
    spans = [(entry.at, len(entry.value)) for entry in entries if entry.type == RATIONAL]
    spans.append((following, 2 + 12 * struct.unpack_from(header.order + "H", block, following)[0] + 4))
    if at and length and at + length <= len(block) + 1:
        spans.append((at, length))
    for start, size in spans:
        end = min(start + size, len(block))
        block[start:end] = bytes(end - start)
    start = max(used, pointer + 4, min(start for start, _ in spans))
    if not any(block[start:]):
        del block[start + start % 2 :]
    return bool(at and length)
