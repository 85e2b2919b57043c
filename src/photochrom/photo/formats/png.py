"""PNG: which colors its numbers mean, and animations."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from photochrom.photo.formats.arrays import BLOB
from photochrom.photo.formats.curves import Curve, Primaries, bt709, power, srgb, to_srgb
from photochrom.photo.formats.faults import HIGH_DYNAMIC_RANGE, Damaged, Unsupported
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.vips import load_in_place, pyvips

SRGB_GAMMA = 0.45455  # what a writer of sRGB puts into gAMA
GAMMA_TOLERANCE = 0.05  # relative; libpng, and so browsers, ignore smaller differences
# cICP: transfer characteristics and primaries by their numbers in ITU-T H.273.
CURVES: dict[int, Curve] = {
    1: bt709, 4: power(2.2), 5: power(2.8), 6: bt709, 8: power(1.0), 13: srgb, 14: bt709, 15: bt709,
}  # fmt: skip
PRIMARIES: dict[int, Primaries | None] = {
    1: None,
    5: (0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (0.3127, 0.3290, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (0.3127, 0.3290, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
INDEXED, IN_COLOR = 3, 2  # a color type, and a bit of color types
LARGEST_PROFILE = 16_000_000  # bytes
LARGEST_INTENT = 0xFFFF  # that libpng takes
RELATIVE = b"\0\0\0\1"  # colorimetric, a rendering intent
TO_SRGB = "convert it to sRGB first"


def open_png(data: bytes, check_size: CheckSize) -> Picture:
    """Raises Unsupported or Damaged."""
    chunks = dict(_chunks_before_pixels(data))
    if b"CgBI" in chunks:
        raise Unsupported("PNG / optimized for iPhones (CgBI)", "undo it with pngcrush -revert-iphone-optimizations")
    if _is_animated(data, chunks.get(b"acTL", b"")):
        raise Unsupported("PNG / animation (APNG)", "save one of its pictures, or make a film of it")
    meaning = _cicp(chunks.get(b"cICP", b"")) or _gamma(chunks)
    profile = b"" if meaning else _profile(chunks.get(b"iCCP", b""), data[25] if len(data) > 25 else 0)
    load = partial(_load, data, meaning, profile)
    return Picture(load, "png", partial(_look_again, data, meaning, profile), plain=meaning is None and not profile)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk, and where its content begins and should end."""
    position = 8
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        yield kind, position + 8, position + 8 + size
        position += 12 + size


def _chunks_before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, start, end in _chunks(data):
        if kind == b"IDAT":
            return
        yield kind, data[start:end]


def _is_animated(data: bytes, control: bytes) -> bool:
    """Whether there are several frames, whatever number of them the file says."""
    if len(control) != 8:
        return False
    return int.from_bytes(control[:4], "big") > 1 or sum(kind == b"fcTL" for kind, _, _ in _chunks(data)) > 1


def _cicp(content: bytes) -> tuple[Curve, Primaries | None] | None:
    """What cICP says; None without it."""
    if len(content) != 4:
        return None
    primaries, transfer, matrix, full_range = content
    if transfer in HIGH_DYNAMIC_RANGE:
        raise Unsupported(f"PNG / {HIGH_DYNAMIC_RANGE[transfer]} (high dynamic range)", TO_SRGB)
    if transfer not in CURVES or primaries not in PRIMARIES or matrix or not full_range:
        raise Unsupported(f"PNG / colors by cICP {primaries}-{transfer}-{matrix}-{full_range}", TO_SRGB)
    return CURVES[transfer], PRIMARIES[primaries]


def _gamma(chunks: dict[bytes, bytes]) -> tuple[Curve, Primaries | None] | None:
    """What gAMA and cHRM say; None if something better says which colors are meant, or if they mean sRGB."""
    if b"sRGB" in chunks or b"iCCP" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100_000
    if not 0.01 <= gamma <= 10:
        return None
    usual = abs(gamma / SRGB_GAMMA - 1) <= GAMMA_TOLERANCE
    primaries = None
    if len(chunks.get(b"cHRM", b"")) == 32:
        numbers = tuple(value / 100_000 for value in struct.unpack(">8I", chunks[b"cHRM"]))
        primaries = numbers if all(0 < y <= 1 for y in numbers[1::2]) else None
    if usual and primaries is None:
        return None
    return srgb if usual else power(1 / gamma), primaries


def _profile(content: bytes, color_type: int) -> bytes:
    """A color profile that libvips' decoder drops for its rendering intent alone, with a usual one; else empty."""
    _, _, packed = content.partition(b"\0")
    with suppress(zlib.error):
        profile = zlib.decompressobj().decompress(packed[1:], LARGEST_PROFILE)
        fits = profile[36:40] == b"acsp" and profile[16:20] == (b"RGB " if color_type & IN_COLOR else b"GRAY")
        if fits and int.from_bytes(profile[64:68], "big") > LARGEST_INTENT:
            return profile[:64] + RELATIVE + profile[68:]
    return b""


def _load(data: bytes, meaning: tuple[Curve, Primaries | None] | None, profile: bytes) -> pyvips.Image:
    image = load_in_place(pyvips.Image.pngload_source, data, fail_on="error", access="sequential")
    if profile:
        image = image.copy()
        image.set_type(BLOB, "icc-profile-data", profile)
    if meaning is None:
        return image
    if image.get_typeof("icc-profile-data"):  # cICP counts more
        image = image.copy()
        image.remove("icc-profile-data")
    return to_srgb(image, *meaning)


def _look_again(data: bytes, meaning: tuple[Curve, Primaries | None] | None, profile: bytes) -> pyvips.Image:
    """The picture without a palette that says nothing about its pixels, but may be wrong. Raises Damaged."""
    with suppress(pyvips.Error):
        return _load(_without_palette(data), meaning, profile).copy_memory()
    whole = b"IEND" in data[-65536:]
    raise Damaged("its picture can't be decoded" if whole else "it ends before its picture does")


def _without_palette(data: bytes) -> bytes:
    """The file without PLTE, which only suggests colors for old screens where pixels are no numbers of a palette."""
    if data[25:26] == bytes([INDEXED]):
        return data
    for kind, start, end in _chunks(data):
        if kind == b"PLTE":
            return data[: start - 8] + data[end + 4 :]
        if kind == b"IDAT":
            break
    return data
