"""Strips and tiles of TIFFs that libvips can't decode, written as such that it can.

The pieces are decompressed and stored again without loss in a compression that libvips has. All else (predictors,
bit depths, planes, palettes) stays libvips' work.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.formats.extras import imagecodecs
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.jpeg import frame_of
from photochrom.photo.formats.tiff_pages import (
    BITS,
    COMPRESSION,
    EXTRA,
    FILL_ORDER,
    FORMAT,
    LERC_PARAMETERS,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    SAMPLES,
    Page,
    write_page,
)  # fmt: skip

Decode = Callable[[bytes], "bytes | NDArray[Any]"]
NONE, ADOBE_DEFLATE, DEFLATE, LZMA, ZSTD, LERC = 1, 8, 32946, 34925, 50000, 34887
JPEG, JPEG_TABLES, LOSSLESS_FRAME = 7, 347, 0xC3
FLOAT = 3  # a sample format
UNPACKED_AT_A_TIME = 1 << 20  # bytes
PADDING = 1 << 16  # bytes that a writer may have added to a piece
# Compressions of whole pictures: their names in imagecodecs.
PICTURE_CODECS = {
    33005: "jpeg2k", 34712: "jpeg2k", 22610: "jpegxr", 34934: "jpegxr", 34933: "png", 50002: "jpegxl", 52546: "jpegxl",
}  # fmt: skip
BYTE_CODECS = {5: "lzw", 32773: "packbits"}
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each byte with its bits the other way round


def decoder(page: Page, kind: str) -> Decode:
    """What decompresses one piece of a page. Raises Unsupported, for a picture of this kind.

    No more is unpacked than a piece may hold: a megabyte may stand for a gigabyte of zeros.
    """
    compression = page.value(COMPRESSION, NONE)
    if compression == NONE:
        return bytes
    largest = page.largest_piece
    if compression in (ADOBE_DEFLATE, DEFLATE):
        return lambda piece: _at_most(largest, zlib.decompressobj(), piece)
    if compression == JPEG:
        return _lossless_jpeg(page, kind)
    if compression == LZMA:
        import lzma

        return lambda piece: _at_most(largest, lzma.LZMADecompressor(), piece)
    if compression == ZSTD:
        return _zstd(kind, largest)
    if compression == LERC:
        return _lerc(page, kind)
    name = PICTURE_CODECS.get(compression) or BYTE_CODECS.get(compression)
    if name is None:
        raise Unsupported(kind)
    return getattr(imagecodecs(kind), f"{name}_decode")


def is_lossless_jpeg(page: Page) -> bool:
    """Whether a page in JPEG compression is of the kind without loss, as scanners of medicine write it."""
    starts, lengths = page.spans()
    try:
        return frame_of(page.data[starts[0] : starts[0] + lengths[0]])[0] == LOSSLESS_FRAME
    except Damaged:
        return False


def _lossless_jpeg(page: Page, kind: str) -> Decode:
    photometric = page.value(PHOTOMETRIC, 1)
    if photometric not in (0, 1, 2) or page.value(PLANAR, 1) != 1 or page.samples not in (1, 3):
        raise Unsupported(kind)
    decode = imagecodecs(kind).jpeg8_decode
    tables = page.tags[JPEG_TABLES].tobytes() if JPEG_TABLES in page.tags else None
    same = {"colorspace": "RGB", "outcolorspace": "RGB"} if photometric == 2 else {}
    return lambda piece: decode(piece, tables=tables, **same)


def _at_most(largest: int, stream: Any, piece: bytes) -> bytes:
    """What a stream of zlib's kind unpacks, up to this many bytes. Raises ValueError for an incomplete piece."""
    values = stream.decompress(piece, largest + 1)
    if len(values) <= largest and not stream.eof:
        raise ValueError("incomplete")
    return values[:largest]


def _zstd(kind: str, largest: int) -> Decode:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        return partial(imagecodecs(kind).zstd_decode, out=largest + PADDING)
    return lambda piece: _at_most(largest, zstd.ZstdDecompressor(), piece)


def _lerc(page: Page, kind: str) -> Decode:
    codecs = imagecodecs(kind)
    packed = (*page.values(LERC_PARAMETERS), 0, 0)[1]
    largest = 2 * page.largest_piece + PADDING  # LERC itself may be larger than the numbers in it
    unpack: dict[int, Decode] = {
        1: lambda piece: _at_most(largest, zlib.decompressobj(), piece),
        2: partial(codecs.zstd_decode, out=largest),
    }
    if packed in unpack:
        return lambda piece: codecs.lerc_decode(unpack[packed](piece))
    return codecs.lerc_decode


def _in_order(page: Page) -> list[bytes]:
    """The pieces with the first bit of each byte the highest one; libtiff turns bits where a page says otherwise."""
    pieces = page.pieces()
    if page.value(FILL_ORDER, 1) != 2 or page.value(COMPRESSION, NONE) in PICTURE_CODECS:
        return pieces
    return [piece.translate(REVERSED) for piece in pieces]


def decompressed(page: Page, kind: str) -> bytes:
    """The page as a TIFF whose compression libvips has. Raises Unsupported or Damaged."""
    decode = decoder(page, kind)
    pieces = []
    for piece in _in_order(page):
        values = _decoded(decode, piece)
        if not isinstance(values, bytes):
            values = values.astype(f"{page.order}{values.dtype.str[1:]}").tobytes()
        pieces.append(zlib.compress(values, 0))
    return write_page(changed(page, {COMPRESSION: ADOBE_DEFLATE, FILL_ORDER: ()}), pieces)


def _decoded(decode: Decode, piece: bytes) -> bytes | NDArray[Any]:
    try:
        values = decode(piece)
    except MemoryError:
        raise
    except Exception as error:  # codecs raise many kinds of errors for damaged data
        raise Damaged("a part of its picture can't be decoded") from error
    return values if isinstance(values, np.ndarray) else bytes(values)


def unpacked(page: Page, kind: str) -> bytes:
    """A page of 9 to 15 bits per channel as one of 16 bits, or of floats of 16 or 64 bits as one of 32 bits.

    Raises Unsupported or Damaged.
    """
    if page.value(PREDICTOR, 1) != 1 or page.value(COMPRESSION, NONE) in (JPEG, *PICTURE_CODECS):
        raise Unsupported(f"{kind} with a predictor" if page.value(PREDICTOR, 1) != 1 else kind)
    decode = decoder(page, kind)
    is_float = page.value(FORMAT, 1) == FLOAT
    convert = _to_float32 if is_float else _to_16_bits
    pieces = [zlib.compress(convert(page, bytes(_decoded(decode, piece))), 0) for piece in _in_order(page)]
    bits = [32 if is_float else 16] * len(page.bits)
    return write_page(changed(page, {COMPRESSION: ADOBE_DEFLATE, BITS: bits, FILL_ORDER: ()}), pieces)


def _to_float32(page: Page, content: bytes) -> bytes:
    size = page.bits[0] // 8
    values = np.frombuffer(content, f"{page.order}f{size}", len(content) // size)
    return values.astype(page.order + "f4").tobytes()


def _to_16_bits(page: Page, content: bytes) -> bytes:
    """Rows of packed numbers, each row beginning with a whole byte, stretched to 16 bits."""
    bits = page.bits[0]
    row = page.piece_shape[1] * (1 if page.value(PLANAR, 1) == 2 else page.samples)
    row_bytes = -(-row * bits // 8)
    rows = len(content) // row_bytes
    packed = np.frombuffer(content, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
    flags = np.unpackbits(packed, axis=1)[:, : row * bits].reshape(rows, row, bits)
    values = flags @ (1 << np.arange(bits)[::-1]).astype(np.uint16)
    return (values * np.float32(65535 / (2**bits - 1))).round().astype(page.order + "u2").tobytes()


def planes(page: Page) -> list[bytes]:
    """The channels of a page whose channels are stored one after the other, each as a gray TIFF. Raises Damaged."""
    pieces, amount = page.pieces(), page.pieces_per_plane
    one = {BITS: page.bits[:1], FORMAT: page.values(FORMAT)[:1], EXTRA: ()}
    gray = changed(page, {PLANAR: 1, SAMPLES: 1, PHOTOMETRIC: 1, **one})
    return [write_page(gray, pieces[n * amount : (n + 1) * amount]) for n in range(page.samples)]


def raw_rgb(page: Page) -> bytes:
    """The page as if its three color channels were RGB, so that libvips gives its numbers as they are."""
    return write_page(changed(page, {PHOTOMETRIC: 2}), page.pieces())


def continued(page: Page) -> bytes:
    """The page with more behind each of its pieces: a picture that was whole stays the same."""
    return write_page(page, [piece.rstrip(b"\0") + b"\0" + b"\xff" * 4096 for piece in page.pieces()])


def rewritten(page: Page) -> bytes:
    """The page with the same pieces, and without tags that say nothing about pixels."""
    return write_page(page, page.pieces())


def check_deflate(page: Page) -> None:
    """Compare the checksums of deflate strips, which libtiff never reads. Raises Damaged."""
    try:
        for piece in _in_order(page):
            stream = zlib.decompressobj()
            while piece and not stream.eof:
                stream.decompress(piece, UNPACKED_AT_A_TIME)
                piece = stream.unconsumed_tail
    except zlib.error as error:
        raise Damaged("a part of its picture can't be decoded") from error


def changed(page: Page, changes: dict[int, int | Sequence[int]]) -> Page:
    """The page with other numbers in some tags, none for an empty list. It can only be read by writing it anew."""
    tags = dict(page.tags)
    for tag, value in changes.items():
        values = [value] if isinstance(value, int) else list(value)
        tags[tag] = np.array(values, page.order + "u2")
        if not values:
            del tags[tag]
    return replace(page, tags=tags, number=None)
