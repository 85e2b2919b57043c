"""JPEG 2000, through Pillow; imagecodecs (extra `formats`) where Pillow would lose depth or channels.

Decoders get a file made anew, with what says how pixels are stored: Pillow refuses a file whose resolution can't be
read, and imagecodecs would convert colors by a profile that is obeyed later.
"""

from __future__ import annotations

import io
import struct
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import PixelArray
from photochrom.photo.formats.arrays import from_array
from photochrom.photo.formats.extras import imagecodecs
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.isobmff import boxes
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.plain import pillow_pixels
from photochrom.photo.vips import pyvips

STREAM, TILE_PART, END = b"\xff\x4f\xff\x51", b"\xff\x90\0\x0a", b"\xff\xd9"  # how these parts of a codestream begin
SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 "
STORAGE = (b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef")  # boxes; writers also put them behind the header
CMYK, RGB, GRAY, SYCC = 12, 16, 17, 18  # enumerated color spaces that are read
UNREAD_SPACES = {
    1: "YCbCr", 3: "YCbCr", 4: "YCbCr", 9: "PhotoYCC", 11: "CMY", 13: "YCCK", 14: "CIELAB", 19: "CIEJab", 20: "e-sRGB",
    21: "ROMM RGB", 22: "YPbPr", 23: "YPbPr", 24: "e-sYCC",
}  # fmt: skip
BY_NUMBER, BY_PROFILE = b"\1", (b"\2", b"\3")  # how a color space is given
COLOR, ALPHA, PREMULTIPLIED = 0, 1, 2  # kinds of channels
HALF = {(1, 1), (2, 1), (1, 2), (2, 2)}  # steps of channels
Box = tuple[bytes, bytes]  # kind and content


class Layout(NamedTuple):
    """What a codestream says of its picture. steps: of each channel, from pixel to pixel, across and down."""

    width: int
    height: int
    depths: list[int]
    steps: list[tuple[int, int]]
    tiles: int


def open_jpeg_2000(data: bytes, check_size: CheckSize) -> Picture:
    """The picture of a bare codestream, or of one in boxes."""
    return Picture(partial(_load, data, check_size), "png")


def _load(data: bytes, check_size: CheckSize) -> pyvips.Image:
    try:
        stream = _codestream(data)
        layout = _layout(stream)
        described = _boxes(data)
        colors = [each for kind, each in described if kind == b"colr"]
        profile = next((each[3:] for each in colors if each[:1] in BY_PROFILE), b"")
        spaces = [int.from_bytes(each[3:7], "big") for each in colors if each[:1] == BY_NUMBER]
        _check(layout, [] if profile else spaces)
        check_size(layout.width, layout.height)
        file = _file(described, profile, _mended(stream, layout))
        if len(layout.depths) > 4:
            return _ink_and_alpha(file, layout, spaces, described, profile)
        bits = max(layout.depths)
        if bits > 8 and len(layout.depths) > 1:  # Pillow would reduce these to 8 bits
            values = imagecodecs(f"JPEG 2000 / color with {bits} bits per channel").jpeg2k_decode(file)
            return from_array((values * np.float32(65535 / (2**bits - 1))).round().astype(np.uint16), profile)
        palette = _palette(described)
        if palette is not None:
            pixels, mode = palette[_numbers(described, stream, layout)], "RGB"
        else:
            pixels, mode = _by_pillow(file)
        return from_array(_in_order(pixels, described), profile, cmyk=mode == "CMYK")
    except (InputError, Unsupported, Damaged, MemoryError):
        raise
    except Exception as error:  # decoders raise many kinds of errors for a damaged file
        raise Damaged("it ends before its picture does, or a part of it can't be decoded") from error


def _check(layout: Layout, spaces: list[int]) -> None:
    """Raises Unsupported for channels or colors that aren't read."""
    color_steps = layout.steps[0] == (1, 1) and len(layout.steps) == 3 and set(layout.steps) <= HALF
    if set(layout.steps) != {(1, 1)} and not color_steps:
        raise Unsupported("JPEG 2000 / subsampled channels")
    unread = [UNREAD_SPACES[space] for space in spaces if space in UNREAD_SPACES]
    if unread and not {CMYK, RGB, GRAY, SYCC}.intersection(spaces):
        raise Unsupported(f"JPEG 2000 / {unread[0]}")


def _by_pillow(file: bytes) -> tuple[PixelArray, str]:
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile  # only here: most photographs need none of it

    with closing(Jpeg2KImageFile(io.BytesIO(file))) as opened:
        return pillow_pixels(opened), opened.mode


def _palette(described: list[Box]) -> PixelArray | None:
    """The colors (N, C), uint8, of a picture whose pixels are their numbers; None for another. Raises Unsupported.

    Pillow has palettes, too, but leaves out colors that stand in them twice, so that all behind have wrong numbers.
    """
    found = dict(described)
    content = found.get(b"pclr")
    if content is None:
        return None
    count, columns = struct.unpack_from(">HB", content)
    bits = [(each & 0x7F) + 1 for each in content[3 : 3 + columns]]
    if max(bits) > 8:
        raise Unsupported(f"JPEG 2000 / a palette of {max(bits)} bits per channel")
    table = np.frombuffer(content, np.uint8, count * columns, 3 + columns).reshape(count, columns)
    table = (table * (255 / (2.0 ** np.array(bits) - 1))).round().astype(np.uint8)
    mapped = [column for _, kind, column in struct.iter_unpack(">HBB", found.get(b"cmap", b"")) if kind == 1]
    return table[:, mapped or slice(None)]


def _numbers(described: list[Box], stream: bytes, layout: Layout) -> PixelArray:
    """The numbers of colors (H, W) that the codestream has instead of them."""
    if len(layout.depths) != 1 or layout.depths[0] > 8:
        raise Unsupported("JPEG 2000 / a palette for several channels")
    color = (b"colr", BY_NUMBER + b"\0\0" + struct.pack(">I", GRAY))
    plain = [(kind, content) for kind, content in described if kind in (b"ihdr", b"bpcc")]
    pixels, _ = _by_pillow(_file([*plain, color], b"", _mended(stream, layout)))
    return pixels >> (8 - layout.depths[0])  # Pillow stretches fewer bits


def _ink_and_alpha(
    file: bytes, layout: Layout, spaces: list[int], described: list[Box], profile: bytes
) -> pyvips.Image:
    """CMYK with transparency, which Pillow doesn't open. Raises Unsupported for other colors of so many channels."""
    if set(layout.depths) != {8} or CMYK not in spaces:
        raise Unsupported(f"JPEG 2000 / {len(layout.depths)} channels")
    pixels = imagecodecs("JPEG 2000 / CMYK with transparency").jpeg2k_decode(file)
    kinds = {channel: kind for channel, kind, _ in _definitions(described)}
    alpha = next((n for n in range(4, pixels.shape[2]) if kinds.get(n) == ALPHA), None)
    kept = pixels[..., :4] if alpha is None else pixels[..., [0, 1, 2, 3, alpha]]
    return from_array(kept, profile, cmyk=True)


def _in_order(pixels: PixelArray, described: list[Box]) -> PixelArray:
    """Colors in their order, then transparency, as the file defines them; Pillow gives channels as they are stored."""
    definitions = _definitions(described)
    colors = [channel for channel, kind, _ in sorted(definitions, key=lambda each: each[2]) if kind == COLOR]
    if pixels.ndim == 2 or len(definitions) != pixels.shape[2] or len(colors) not in (1, 3, 4):
        return pixels
    alpha = [channel for channel, kind, _ in definitions if kind in (ALPHA, PREMULTIPLIED)][:1]
    kept = pixels[..., [*colors, *alpha]]
    return kept[..., 0] if kept.shape[2] == 1 else kept


def _definitions(described: list[Box]) -> list[tuple[int, int, int]]:
    """The number of each channel, its kind, and to which color it belongs, from 1; none if the file doesn't say."""
    content = next((each for kind, each in described if kind == b"cdef"), b"")
    amount = (len(content) - 2) // 6
    return list(struct.iter_unpack(">3H", content[2 : 2 + 6 * amount])) if amount > 0 else []


def _boxes(data: bytes) -> list[Box]:
    """The boxes of a file that say how its pixels are stored; none of a bare codestream."""
    if data.startswith(STREAM):
        return []
    outer = list(boxes(data))
    inner = [box for kind, start, end in outer if kind == b"jp2h" for box in boxes(data, start, end)]
    return [(kind, data[start:end]) for kind, start, end in (*inner, *outer) if kind in STORAGE]


def _codestream(data: bytes) -> bytes:
    if data.startswith(STREAM):
        return data
    found = next((data[start:end] for kind, start, end in boxes(data) if kind == b"jp2c"), b"")
    if not found.startswith(STREAM):
        raise Damaged("it has no picture")
    return found


def _layout(stream: bytes) -> Layout:
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, channels = struct.unpack_from(
        ">8IH", stream, 8
    )
    parts = list(struct.iter_unpack("3B", stream[42 : 42 + 3 * channels]))
    across, down = -(-(right - tile_left) // tile_width), -(-(bottom - tile_top) // tile_height)
    steps = [(x, y) for _, x, y in parts]
    return Layout(right - left, bottom - top, [(depth & 0x7F) + 1 for depth, _, _ in parts], steps, across * down)


def _file(described: list[Box], profile: bytes, stream: bytes) -> bytes:
    """A file with this codestream and what says how its pixels are stored, but no profile."""
    if not described:
        return stream
    kept = described
    if profile:
        space = {b"GRAY": GRAY, b"CMYK": CMYK}.get(profile[16:20], RGB)
        color = (b"colr", BY_NUMBER + b"\0\0" + struct.pack(">I", space))
        kept = [*(each for each in described if each[0] != b"colr"), color]
    header = b"".join(_box(*each) for each in sorted(kept, key=lambda each: STORAGE.index(each[0])))
    return SIGNATURE + _box(b"jp2h", header) + _box(b"jp2c", stream)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _mended(stream: bytes, layout: Layout) -> bytes:
    """The codestream with tile parts told as they are: Adobe counts one too few, and the last may have an open end.

    Raises Damaged if a part of the picture is not there.
    """
    fixed, odd = bytearray(stream), False
    place, tiles = 2, set()
    while fixed[place : place + 1] == b"\xff" and fixed[place : place + 4] != TILE_PART:  # the header's segments
        place += 2 + int.from_bytes(fixed[place + 2 : place + 4], "big")
    while fixed[place : place + 4] == TILE_PART:
        tile, length, part, parts = struct.unpack_from(">HIBB", fixed, place + 4)
        odd = odd or not length or part >= parts > 0
        if not length:
            length = fixed.rfind(END) - place
            del fixed[place + length + 2 :]
            struct.pack_into(">I", fixed, place + 6, max(0, length))
        fixed[place + 11] = 0  # how many parts the tile has: unknown
        tiles.add(tile)
        place += max(12, length)
    if not odd:
        return stream
    if fixed[place : place + 2] != END or len(tiles) < layout.tiles:
        raise Damaged("it ends before its picture does, or a part of it can't be decoded")
    return bytes(fixed)
