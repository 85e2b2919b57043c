"""Metadata in AVIF and HEIC files: items that the box "meta" lists and another box holds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from photochrom.photo.metadata.exif import PREFIX, unprefixed
from photochrom.photo.metadata.ifd import Buffer
from photochrom.photo.metadata.record import CREDENTIALS, OTHER_PICTURES, Blocks, Metadata

XMP_TYPE = b"application/rdf+xml"
C2PA_ID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
# Kinds of items that are pictures: coded ones, and those that are made of others.
CODED = (b"hvc1", b"hev1", b"lhv1", b"av01", b"avc1", b"vvc1", b"evc1", b"jpeg", b"j2k1", b"unci")
DERIVED = (b"grid", b"iovl", b"iden", b"tmap")
TRANSPARENCY = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
IN_FILE = 0  # the construction method of items that stand in the file; others are relative to it or to a box


class Box(NamedTuple):
    """A box: its kind, and where it, its content and what follows it begin."""

    kind: bytes
    start: int
    inside: int
    end: int


@dataclass(frozen=True)
class Item:
    """An item: its number, its kind, its media type, and how and where it is stored, as (offset, length)."""

    number: int
    kind: bytes
    media_type: bytes
    method: int = IN_FILE
    extents: tuple[tuple[int, int], ...] = ()


def is_turned(data: bytes) -> bool:
    """Whether a picture is stored turned or mirrored, which decoders undo."""
    meta = next((box for box in boxes(data) if box.kind == b"meta"), None)
    return meta is not None and any(data.find(kind, meta.inside, meta.end) >= 0 for kind in (b"irot", b"imir"))


def boxes(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes between two places."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        inside = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, inside)
            inside += 8
        stop = end if size == 0 else start + size
        if stop < inside or stop > end:
            return
        yield Box(kind, start, inside, stop)
        start = stop


def read(data: bytes) -> Metadata:
    """The metadata of an AVIF or HEIC. Raises ValueError or struct.error for a damaged list of items."""
    exif = xmp = b""
    for item in _items(data):
        if item.method != IN_FILE or item.kind not in (b"Exif", b"mime"):
            continue
        if sum(length for _, length in item.extents) > len(data):
            raise ValueError("an item larger than its file")
        content = b"".join(data[offset : offset + length] for offset, length in item.extents)
        if item.kind == b"Exif" and not exif and len(content) > 4:
            (skipped,) = struct.unpack_from(">I", content)
            exif = unprefixed(content[4:].removeprefix(PREFIX) if content[4:10] == PREFIX else content[4 + skipped :])
        elif item.kind == b"mime" and item.media_type == XMP_TYPE and not xmp:
            xmp = content
    signed = any(box.kind == b"uuid" and data[box.inside : box.inside + 16] == C2PA_ID for box in boxes(data))
    left_out = ((CREDENTIALS,) if signed else ()) + ((OTHER_PICTURES,) if _has_other_pictures(data) else ())
    return Metadata(exif, xmp=xmp, left_out=left_out)


def _has_other_pictures(data: bytes) -> bool:
    """Whether there is a picture that is neither the primary one nor its tile, its transparency or its preview."""
    meta = next((box for box in boxes(data) if box.kind == b"meta"), None)
    if meta is None:
        return False
    inner = {box.kind: box for box in boxes(data, meta.inside + 4, meta.end)}
    if b"iprp" in inner and _has_other_auxiliaries(data, inner[b"iprp"]):
        return True
    pictures = {item.number for item in _items(data) if item.kind in CODED + DERIVED}
    if b"pitm" in inner:
        pictures.discard(_primary(data, inner[b"pitm"]))
    for kind, source, targets in _read_references(data, inner[b"iref"]) if b"iref" in inner else ():
        if kind in (b"thmb", b"auxl"):
            pictures.discard(source)
        elif kind == b"dimg":
            pictures -= set(targets)
    return bool(pictures)


def _has_other_auxiliaries(data: bytes, properties: Box) -> bool:
    """Whether there is a picture that goes with another, such as a depth or gain map, and is no transparency."""
    for container in boxes(data, properties.inside, properties.end):
        if container.kind == b"ipco":
            all_of_them = boxes(data, container.inside, container.end)
            kinds = [data[box.inside + 4 : box.end].split(b"\0")[0] for box in all_of_them if box.kind == b"auxC"]
            return not set(kinds).issubset(TRANSPARENCY)
    return False


def _primary(data: Buffer, box: Box) -> int:
    return int(struct.unpack_from(">H" if data[box.inside] == 0 else ">I", data, box.inside + 4)[0])


def _read_references(data: Buffer, box: Box) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    """The kind of each reference, the item that refers, and those that it refers to."""
    number = "H" if data[box.inside] == 0 else "I"
    for reference in boxes(data, box.inside + 4, box.end):
        source, count = struct.unpack_from(f">{number}H", data, reference.inside)
        at = reference.inside + struct.calcsize(f">{number}H")
        yield reference.kind, source, struct.unpack_from(f">{count}{number}", data, at)


def _items(data: Buffer) -> list[Item]:
    meta = next((box for box in boxes(data) if box.kind == b"meta"), None)
    if meta is None:
        return []
    inner = {box.kind: box for box in boxes(data, meta.inside + 4, meta.end)}
    if b"iinf" not in inner or b"iloc" not in inner:
        return []
    places = _read_places(data, inner[b"iloc"])
    found = []
    for number, kind, media_type in _read_entries(data, inner[b"iinf"]):
        method, extents = places.get(number, (IN_FILE, ()))
        found.append(Item(number, kind, media_type, method, extents))
    return found


def _read_entries(data: Buffer, box: Box) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, kind and media type of each item."""
    first = box.inside + (6 if data[box.inside] == 0 else 8)
    for entry in boxes(data, first, box.end):
        version = data[entry.inside]
        if entry.kind != b"infe" or version < 2:
            continue
        number, _, kind = struct.unpack_from(">HH4s" if version == 2 else ">IH4s", data, entry.inside + 4)
        names = bytes(data[entry.inside + (12 if version == 2 else 14) : entry.end]).split(b"\0")
        yield number, kind, names[1] if kind == b"mime" and len(names) > 1 else b""


def _read_places(data: Buffer, box: Box) -> dict[int, tuple[int, tuple[tuple[int, int], ...]]]:
    """How and where each item is stored, by its number."""
    version = data[box.inside]
    sizes = data[box.inside + 4 : box.inside + 6]
    offset_size, length_size, base_size, index_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15
    at = box.inside + 6

    def take(size: int) -> int:
        nonlocal at
        if at + size > box.end:
            raise ValueError("a list of items that doesn't end")
        at += size
        return int.from_bytes(data[at - size : at], "big")

    found = {}
    for _ in range(take(4 if version == 2 else 2)):
        number = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else IN_FILE
        take(2)
        base = take(base_size)
        extents = []
        for _ in range(take(2)):
            if version and index_size:
                take(index_size)
            offset = take(offset_size)
            extents.append((base + offset, take(length_size)))
        found[number] = method, tuple(extents)
    return found


def parts(content: memoryview, blocks: Blocks) -> list[Buffer]:
    """An AVIF or HEIC without metadata as parts of the same file with metadata, which goes to its end."""
    new = []
    if blocks.exif:
        new.append((b"Exif", b"", b"\0\0\0\0" + blocks.exif))
    if blocks.xmp:
        new.append((b"mime", XMP_TYPE, blocks.xmp))
    if not new:
        return [content]
    meta = next(box for box in boxes(content) if box.kind == b"meta")
    items = _items(content)
    (primary,) = (_primary(content, box) for box in boxes(content, meta.inside + 4, meta.end) if box.kind == b"pitm")
    first = max(item.number for item in items) + 1
    added = [Item(first + i, kind, media_type) for i, (kind, media_type, _) in enumerate(new)]
    # The size of the new box does not depend on the offsets in it.
    growth = len(_meta(content, meta, items, added, primary, 0, [])) - (meta.end - meta.start)
    start = len(content) + growth + 8
    offsets = []
    for _, _, value in new:
        offsets.append((start, len(value)))
        start += len(value)
    box = _meta(content, meta, items, added, primary, growth, offsets)
    total = 8 + sum(len(value) for _, _, value in new)
    values: list[Buffer] = [value for _, _, value in new]
    return [content[: meta.start], box, content[meta.end :], struct.pack(">I4s", total, b"mdat"), *values]


def _meta(
    content: memoryview,
    meta: Box,
    items: list[Item],
    added: list[Item],
    primary: int,
    growth: int,
    offsets: list[tuple[int, int]],
) -> bytes:
    """The box "meta" with more items. growth: how much later everything behind it stands."""
    result = bytes(content[meta.inside : meta.inside + 4])
    has_references = False
    for box in boxes(content, meta.inside + 4, meta.end):
        inside = bytes(content[box.inside : box.end])
        if box.kind == b"iinf":
            entries = b"".join(_box(b"infe", _entry(item)) for item in added)
            count_size = 2 if inside[0] == 0 else 4
            count = int.from_bytes(inside[4 : 4 + count_size], "big") + len(added)
            inside = inside[:4] + count.to_bytes(count_size, "big") + inside[4 + count_size :] + entries
        elif box.kind == b"iloc":
            places = [
                (
                    item.number,
                    item.method,
                    [(o + (growth if item.method == IN_FILE else 0), n) for o, n in item.extents],
                )
                for item in items
            ]
            new = offsets or [(0, 0)] * len(added)
            places += [(item.number, IN_FILE, [place]) for item, place in zip(added, new, strict=True)]
            inside = _places(places)
        elif box.kind == b"iref":
            has_references = True
            inside += _references(added, primary, wide=inside[0] != 0)
        result += _box(box.kind, inside)
    if not has_references:
        result += _box(b"iref", b"\0\0\0\0" + _references(added, primary, wide=False))
    return _box(b"meta", result)


def _box(kind: bytes, inside: bytes) -> bytes:
    return struct.pack(">I4s", len(inside) + 8, kind) + inside


def _entry(item: Item) -> bytes:
    names = b"\0" + (item.media_type + b"\0" if item.media_type else b"")
    return b"\2\0\0\1" + struct.pack(">HH4s", item.number, 0, item.kind) + names  # hidden: it is no picture


def _places(places: list[tuple[int, int, list[tuple[int, int]]]]) -> bytes:
    """A list of places in version 1, with numbers of 32 bits."""
    rows = b"\1\0\0\0\x44\0" + struct.pack(">H", len(places))
    for number, method, extents in places:
        rows += struct.pack(">HHHH", number, method, 0, len(extents))
        rows += b"".join(struct.pack(">II", offset, length) for offset, length in extents)
    return rows


def _references(added: list[Item], primary: int, *, wide: bool) -> bytes:
    """References that say: this item describes the picture."""
    form = ">IHI" if wide else ">HHH"
    return b"".join(_box(b"cdsc", struct.pack(form, item.number, 1, primary)) for item in added)
