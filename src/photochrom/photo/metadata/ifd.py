"""TIFF directories (IFDs), of which TIFF files and EXIF blocks consist: reading entries and writing new ones.

Values stay the bytes that they are, in the byte order of the file, so that nothing is lost by not being understood.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SWAPPED = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}  # units of byte order
BYTE, SHORT, LONG, RATIONAL, UNDEFINED = 1, 3, 4, 5, 7
WIDE = {16: 4, 17: 9, 18: 13}  # types of BigTIFF, and the types of 32 bits that stand for them
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
MAX_ENTRIES = 4096  # of a directory: more is nonsense


class Entry(NamedTuple):
    """One entry. value: its bytes in the file's byte order; at: where they stand in the file."""

    tag: int
    type: int
    amount: int
    value: bytes
    at: int = 0


class Header(NamedTuple):
    """The head of a TIFF file or EXIF block. order: "<" or ">"; big: BigTIFF; first: where the first directory is."""

    order: str
    big: bool
    first: int


def read_header(block: Buffer) -> Header:
    """Raises ValueError for what is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None or len(block) < 8:
        raise ValueError("no TIFF")
    (version,) = struct.unpack_from(order + "H", block, 2)
    if version == 43 and len(block) >= 16:
        return Header(order, True, struct.unpack_from(order + "Q", block, 8)[0])
    if version not in (42, 0x55, 0x4F52, 0x5352):  # the last three: Panasonic's and Olympus' raw files
        raise ValueError("no TIFF")
    return Header(order, False, struct.unpack_from(order + "I", block, 4)[0])


def read_directory(block: Buffer, header: Header, offset: int) -> tuple[list[Entry], int]:
    """The entries of a directory whose values lie inside the block, and the offset of the next directory, 0 for none.

    Raises ValueError if the directory itself is not inside.
    """
    order, big = header.order, header.big
    size, width = (20, 8) if big else (12, 4)
    if not 8 <= offset <= len(block) - (8 if big else 2):
        raise ValueError("a directory outside the file")
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), block, offset)
    start = offset + (8 if big else 2)
    if count > MAX_ENTRIES or start + count * size > len(block):
        raise ValueError("a directory that doesn't end")
    entries = []
    for at in range(start, start + count * size, size):
        tag, type, number = struct.unpack_from(order + ("HHQ" if big else "HHI"), block, at)
        length = SIZES.get(type, 0) * number
        where = at + size - width
        if length > width:
            (where,) = struct.unpack_from(order + ("Q" if big else "I"), block, where)
        if length and where + length <= len(block):
            entries.append(Entry(tag, type, number, bytes(block[where : where + length]), where))
    end = start + count * size
    if end + width > len(block):
        return entries, 0  # some writers leave out the pointer at the very end
    return entries, struct.unpack_from(order + ("Q" if big else "I"), block, end)[0]


def find(entries: Sequence[Entry], tag: int) -> Entry | None:
    """The entry with a tag."""
    return next((entry for entry in entries if entry.tag == tag), None)


def number(entry: Entry | None, order: str) -> int | None:
    """The first whole number of an entry, from 0; None if there is none."""
    code = (
        {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}.get(entry.type) if entry else None
    )
    value = struct.unpack_from(order + code, entry.value)[0] if entry and code else -1
    return value if value >= 0 else None


def ratio(entry: Entry | None, order: str) -> float | None:
    """The first number of an entry as a float, rational or not; None if it is none, not finite or not above 0."""
    if entry is None:
        return None
    if entry.type == RATIONAL:
        above, below = struct.unpack_from(order + "II", entry.value)
        value = above / below if below else 0.0
    elif entry.type in (11, 12):
        (value,) = struct.unpack_from(order + {11: "f", 12: "d"}[entry.type], entry.value)
    else:
        value = float(number(entry, order) or 0)
    return value if 0 < value < 1e9 else None


def short(tag: int, value: int, order: str) -> Entry:
    """An entry with one number of 16 bits."""
    return Entry(tag, SHORT, 1, struct.pack(order + "H", value))


def rational(tag: int, value: float, order: str) -> Entry:
    """An entry with one fraction, as near to the value as 32 bits can be."""
    fraction = Fraction(value).limit_denominator(10_000)
    return Entry(tag, RATIONAL, 1, struct.pack(order + "II", fraction.numerator, fraction.denominator))


def reordered(entry: Entry, order: str, other: str) -> Entry:
    """The entry in another byte order, with types that every TIFF has. Undefined bytes stay."""
    value, type = entry.value, entry.type
    if type in WIDE:
        code = "q" if type == 17 else "Q"
        values = struct.unpack(f"{order}{entry.amount}{code}", value)
        type, limit = WIDE[type], 2**32 - 1
        small = "i" if code == "q" else "I"
        value = struct.pack(
            f"{other}{entry.amount}{small}", *(min(v, limit if code == "Q" else limit // 2) for v in values)
        )
        return Entry(entry.tag, type, entry.amount, value)
    unit = SWAPPED[type]
    if order != other and unit > 1:
        value = b"".join(value[i : i + unit][::-1] for i in range(0, len(value), unit))
    return Entry(entry.tag, type, entry.amount, value)


def pack_directory(
    entries: Sequence[Entry], order: str, base: int, following: int = 0, inner: Mapping[int, Sequence[Entry]] = {}
) -> bytes:
    """A directory with the values that don't fit into it and its inner directories, to stand at offset `base`.

    following: the offset of the next directory. inner: tags (EXIF_IFD, ...) and the entries of what they point to; the
    interoperability directory goes into the EXIF one. base is even.
    """
    pointers = [tag for tag in inner if tag != INTEROP_IFD or EXIF_IFD not in inner]
    placed = {entry.tag: entry for entry in entries if entry.tag not in POINTERS}
    placed |= {tag: Entry(tag, LONG, 1, b"\0\0\0\0") for tag in pointers}
    size = 2 + 12 * len(placed) + 4
    behind = bytearray()
    table = bytearray(struct.pack(order + "H", len(placed)))
    for tag in sorted(placed):
        entry = placed[tag]
        value = entry.value
        if tag in pointers:
            value = struct.pack(order + "I", base + size + len(behind))
            deeper = {INTEROP_IFD: inner[INTEROP_IFD]} if tag == EXIF_IFD and INTEROP_IFD in inner else {}
            behind += pack_directory(inner[tag], order, base + size + len(behind), 0, deeper)
        elif len(value) > 4:
            offset = base + size + len(behind)
            behind += value + bytes(len(value) % 2)
            value = struct.pack(order + "I", offset)
        table += struct.pack(order + "HHI", tag, entry.type, entry.amount) + value.ljust(4, b"\0")
    return bytes(table + struct.pack(order + "I", following) + behind)


def pack_block(entries: Sequence[Entry], order: str, inner: Mapping[int, Sequence[Entry]] = {}) -> bytes:
    """An EXIF block of its own."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + pack_directory(entries, order, 8, 0, inner)


def read_inner(block: Buffer, header: Header, entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    """The directories that EXIF, GPS and interoperability entries point to, by the tags of the pointers."""
    found: dict[int, list[Entry]] = {}
    for tag in (EXIF_IFD, GPS_IFD):
        offset = number(find(entries, tag), header.order)
        if offset:
            try:
                found[tag], _ = read_directory(block, header, offset)
            except ValueError:
                continue
    offset = number(find(found.get(EXIF_IFD, ()), INTEROP_IFD), header.order)
    if offset:
        with contextlib.suppress(ValueError):
            found[INTEROP_IFD], _ = read_directory(block, header, offset)
    return found
