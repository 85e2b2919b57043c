"""The pages (directories) of a TIFF, without their pixels, and writing pages in which something is put differently.

Pillow and libtiff read pages, too, but tell neither which channels mean what nor whether all strips are there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.formats.faults import Damaged, Unsupported

TYPES = {1: "u1", 2: "S1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i4", 11: "f4", 12: "f8",
         13: "u4", 16: "u8", 17: "i8", 18: "u8"}  # fmt: skip
PAIRS = (5, 10)  # types of two numbers
MAX_PAGES = 4096
TURNS = [[n] for n in range(1, 9)]  # what an orientation may be

FILL_ORDER = 266
SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, PLANAR, PREDICTOR = 273, 274, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, SUB_PAGES, INK_SET, EXTRA, FORMAT = (
    322,
    323,
    324,
    325,
    330,
    332,
    338,
    339,
)
LUMA, SUBSAMPLING, REFERENCE, LERC_PARAMETERS, DNG, PROFILE = 529, 530, 532, 50674, 50706, 34675
# What says how pixels are stored and meant. Everything else is description.
PIXEL_TAGS = {
    WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP,
    STRIP_COUNTS, PLANAR, 292, 293, PREDICTOR, 320, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, INK_SET, EXTRA,
    FORMAT, 347, LUMA, SUBSAMPLING, 531, REFERENCE, PROFILE,
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One directory. order: "<" or ">". number: its place in the file's chain, None for one below another page."""

    data: bytes
    order: str
    tags: dict[int, NDArray[np.generic]]
    number: int | None = 0

    def value(self, tag: int, default: int = 0) -> int:
        """The first number of a tag."""
        values = self.tags.get(tag)
        return int(values[0]) if values is not None and len(values) and values.dtype.kind in "iu" else default

    def values(self, tag: int) -> tuple[int, ...]:
        """All whole numbers of a tag, none if it isn't there or has something else."""
        values = self.tags.get(tag)
        return tuple(map(int, values)) if values is not None and values.dtype.kind in "iu" else ()

    @property
    def samples(self) -> int:
        """Channels per pixel, those that are no color included."""
        return self.value(SAMPLES, 1)

    @property
    def bits(self) -> tuple[int, ...]:
        """Bits of each channel."""
        return self.values(BITS)[: self.samples] or (1,)

    @property
    def tiled(self) -> bool:
        """Whether its pieces are tiles, not strips."""
        return TILE_OFFSETS in self.tags or TILE_WIDTH in self.tags

    @property
    def piece_shape(self) -> tuple[int, int]:
        """Height and width of a tile or strip, in pixels."""
        if self.tiled:
            return self.value(TILE_HEIGHT), self.value(TILE_WIDTH)
        height = self.value(HEIGHT)
        return min(self.value(ROWS_PER_STRIP, height) or height, height), self.value(WIDTH)

    @property
    def pieces_per_plane(self) -> int:
        """How many tiles or strips a plane should have."""
        height, width = self.piece_shape
        if not height or not width:
            raise Damaged("it doesn't say how its picture is divided")
        return -(-self.value(HEIGHT) // height) * -(-self.value(WIDTH) // width)

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller version of another picture, or a mask."""
        return bool(self.value(SUBFILE) & 0b101) or self.value(OLD_SUBFILE) == 2

    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each strip or tile begins and how long it is. Raises Damaged if one isn't in the file."""
        wanted = self.pieces_per_plane * (self.samples if self.value(PLANAR, 1) == 2 else 1)
        starts = self._numbers(TILE_OFFSETS if TILE_OFFSETS in self.tags else STRIP_OFFSETS)[:wanted]
        lengths = self._numbers(TILE_COUNTS if TILE_COUNTS in self.tags else STRIP_COUNTS)[:wanted]
        if wanted == 1 and len(starts) == 1 and not lengths.any():
            lengths = len(self.data) - starts  # old writers left it out
        if len(starts) < wanted or len(lengths) < wanted or not lengths.all():
            raise Damaged("a part of its picture is not there")
        if self.value(COMPRESSION, 1) == 1:
            lengths = np.minimum(lengths, self.largest_piece)  # what some writers say is far too long
        if (starts + lengths > len(self.data)).any():
            raise Damaged("it ends before its picture does")
        return starts, lengths

    def pieces(self) -> list[bytes]:
        """The content of each strip or tile. Raises Damaged."""
        return [self.data[start : start + length] for start, length in zip(*self.spans(), strict=True)]

    @property
    def largest_piece(self) -> int:
        """Bytes of a strip or tile without compression."""
        height, width = self.piece_shape
        samples = 1 if self.value(PLANAR, 1) == 2 else self.samples
        return height * -(-width * samples * self.bits[0] // 8)

    def _numbers(self, tag: int) -> NDArray[np.int64]:
        values = self.tags.get(tag, np.zeros(0, np.int64))
        if values.dtype.kind not in "iu":
            raise Damaged("it doesn't say where its picture is")
        return np.minimum(values.astype(np.float64), 2.0**62).astype(np.int64)


def read_pages(data: bytes) -> Iterator[Page]:
    """The pages in a file's chain, in order. Raises Damaged, or Unsupported for too many."""
    order = "<" if data[:1] == b"I" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    seen: set[int] = set()
    offset = _number(data, order, 8 if big else 4, big)
    while offset and offset not in seen and len(seen) < MAX_PAGES:
        tags, following = _read_directory(data, order, big, offset)
        yield Page(data, order, tags, len(seen))
        seen.add(offset)
        offset = following
    if offset and offset not in seen:
        raise Unsupported(f"TIFF / more than {MAX_PAGES:,} pages", "divide it into several files, with tiffsplit")
    if not seen:
        raise Damaged("it has no picture")


def read_sub_pages(page: Page) -> list[Page]:
    """The pages below a page, such as the photograph itself where the page is a thumbnail."""
    big = page.data[2:4] in (b"+\0", b"\0+")
    return [
        replace(page, tags=_read_directory(page.data, page.order, big, offset)[0], number=None)
        for offset in page.values(SUB_PAGES)[:64]
    ]


def _read_directory(data: bytes, order: str, big: bool, offset: int) -> tuple[dict[int, NDArray[np.generic]], int]:
    if offset + 8 > len(data):
        raise Damaged("it ends before its picture does")
    try:
        (amount,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
        start, length = offset + (8 if big else 2), 20 if big else 12
        if start + amount * length > len(data):
            raise Damaged("it ends before its picture does")
        tags: dict[int, NDArray[np.generic]] = {}
        for place in range(start, start + amount * length, length):
            tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), data, place)
            values = _read_values(data, order, big, kind, count, place + (12 if big else 8))
            if tag == ORIENTATION and (values is None or values[:1].tolist() not in TURNS):
                continue  # a number that means nothing, of which libtiff warns: the picture is as it is
            if values is not None:
                tags.setdefault(tag, values)
            elif tag in PIXEL_TAGS and kind in TYPES:
                raise Damaged("it ends before its picture does")
        end = start + amount * length
        return tags, _number(data, order, end, big) if end + (8 if big else 4) <= len(data) else 0
    except struct.error as error:
        raise Damaged("it ends before its picture does") from error


def _read_values(data: bytes, order: str, big: bool, kind: int, count: int, place: int) -> NDArray[np.generic] | None:
    if kind not in TYPES:
        return None
    numbers = count * (2 if kind in PAIRS else 1)
    dtype = np.dtype(TYPES[kind]).newbyteorder(order)  # type: ignore[arg-type]
    if numbers * dtype.itemsize > (8 if big else 4):
        place = _number(data, order, place, big)
    if place + numbers * dtype.itemsize > len(data):
        return None
    return np.frombuffer(data, dtype, numbers, place)


def _number(data: bytes, order: str, place: int, big: bool) -> int:
    if place + (8 if big else 4) > len(data):
        raise Damaged("it ends before its picture does")
    return int(struct.unpack_from(order + ("Q" if big else "I"), data, place)[0])


def write_page(page: Page, pieces: list[bytes]) -> bytes:
    """A TIFF of one page: its tags that have to do with pixels, and these pieces instead of its own."""
    order = page.order
    tags = {tag: values for tag, values in page.tags.items() if tag in PIXEL_TAGS}
    for tag in (STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS):
        tags.pop(tag, None)
    counts = np.array([len(piece) for piece in pieces], order + "u4")
    offsets = 8 + np.concatenate([[0], np.cumsum(counts.astype(np.int64))])
    tags[TILE_COUNTS if page.tiled else STRIP_COUNTS] = counts
    tags[TILE_OFFSETS if page.tiled else STRIP_OFFSETS] = offsets[:-1].astype(order + "u4")
    entries, tail, place = [], [], int(offsets[-1]) + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        kind, amount, content = _packed(order, values, tag)
        if len(content) > 4:
            entries.append(struct.pack(order + "HHII", tag, kind, amount, place))
            content += b"\0" * (len(content) % 2)
            tail.append(content)
            place += len(content)
        else:
            entries.append(struct.pack(order + "HHI", tag, kind, amount) + content.ljust(4, b"\0"))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", int(offsets[-1]))
    directory = struct.pack(order + "H", len(tags)) + b"".join(entries) + bytes(4)
    return b"".join([head, *pieces, directory, *tail])


def _packed(order: str, values: NDArray[np.generic], tag: int) -> tuple[int, int, bytes]:
    """The type, amount and bytes of a tag's values."""
    if tag in (LUMA, REFERENCE):  # fractions
        return 5, len(values) // 2, values.astype(order + "u4").tobytes()
    if values.dtype.kind in "SV" or values.dtype.itemsize == 1:
        return 7 if tag in (PROFILE, 347) else 1, len(values), values.tobytes()
    if values.dtype.itemsize == 2:
        return 3, len(values), values.astype(order + "u2").tobytes()
    return 4, len(values), values.astype(order + "u4").tobytes()
