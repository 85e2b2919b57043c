"""Metadata in PNG files: chunks before and behind the picture."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from photochrom.photo.metadata.exif import PREFIX, unprefixed
from photochrom.photo.metadata.ifd import Buffer
from photochrom.photo.metadata.iptc import PHOTOSHOP, from_tiff, read_resources
from photochrom.photo.metadata.record import CREDENTIALS, Blocks, Metadata, Resolution, Resource, Text, decoded

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = "XML:com.adobe.xmp"
RAW_PROFILE = "Raw profile type "  # ImageMagick's way of keeping what PNG had no chunk for, in hexadecimal
PROFILE = re.compile(r"\s*\S[^\n]*\n\s*\d+\s+([0-9a-fA-F\s]+)")  # ExifTool's name is of two words: "IPTC profile"
PROFILES = ("exif", "app1", "iptc", "8bim", "xmp")
XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
COMPRESSED_FROM = 2000  # bytes of a text
LARGEST_TEXTS = 64_000_000  # characters of all texts, unpacked: what comes behind is left out
METERS = 100  # cm


class Chunk(NamedTuple):
    """A chunk: its kind, its content, and where it begins and ends in the file."""

    kind: bytes
    content: memoryview
    start: int
    end: int


def chunks(data: Buffer) -> Iterator[Chunk]:
    """All chunks."""
    view, at = memoryview(data), len(SIGNATURE)
    while at + 12 <= len(view):
        (length,) = struct.unpack_from(">I", view, at)
        end = at + 12 + length
        if end > len(view):
            return
        yield Chunk(bytes(view[at + 4 : at + 8]), view[at + 8 : end - 4], at, end)
        at = end


def read(data: bytes) -> Metadata:
    """The metadata of a PNG."""
    exif, xmp = b"", b""
    texts: list[Text] = []
    profiles: dict[str, bytes] = {}
    left_out: list[str] = []
    resolution = None
    room = LARGEST_TEXTS
    for kind, content, _, _ in chunks(data):
        if kind == b"eXIf":
            exif = unprefixed(bytes(content))
        elif kind == b"pHYs" and len(content) == 9:
            resolution = _resolution(bytes(content))
        elif kind == b"caBX":
            left_out.append(CREDENTIALS)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            text = _read_text(kind, bytes(content), room)
            room -= len(text.text) if text else 0
            if text is None:
                left_out.append("a text of the PNG, which is damaged or too large")
            elif text.keyword == XMP_KEYWORD:
                xmp = text.text.encode("utf-8")
            elif text.keyword.lower().removeprefix(RAW_PROFILE.lower()) in PROFILES:
                name = text.keyword.lower().removeprefix(RAW_PROFILE.lower())
                profiles[name] = _unhexed(text.text)
                if not profiles[name]:
                    left_out.append("a damaged text of the PNG")
            else:
                texts.append(text)
    app1 = profiles.get("app1", b"")
    exif = exif or unprefixed(profiles.get("exif", b"")) or (app1[len(PREFIX) :] if app1.startswith(PREFIX) else b"")
    xmp = xmp or profiles.get("xmp", b"") or (app1[len(XMP_IN_JPEG) :] if app1.startswith(XMP_IN_JPEG) else b"")
    iptc, resources = _photoshop(profiles)
    return Metadata(
        exif, iptc, xmp, resources, texts=tuple(texts), resolution=resolution, left_out=tuple(dict.fromkeys(left_out))
    )


def _photoshop(profiles: dict[str, bytes]) -> tuple[bytes, tuple[Resource, ...]]:
    """IPTC and image resources of the raw profiles; "iptc" may be bare IPTC."""
    for name in ("iptc", "8bim"):
        block = profiles.get(name, b"").removeprefix(PHOTOSHOP)
        iptc, others = read_resources(block)
        iptc = iptc or (from_tiff(block) if name == "iptc" else b"")
        if iptc or others:
            return iptc, others
    return b"", ()


def _resolution(content: bytes) -> Resolution | None:
    x, y, unit = struct.unpack(">IIB", content)
    if not x or not y or (unit != 1 and x == y == 1):
        return None
    return Resolution(x / METERS, y / METERS, "cm").in_inches_if_whole() if unit == 1 else Resolution(x, y, "")


def _read_text(kind: bytes, content: bytes, room: int) -> Text | None:
    """The text of a chunk; None for a damaged one, or one that is larger than the room when it is unpacked."""
    keyword, separator, rest = content.partition(b"\0")
    name = keyword.decode("latin-1")
    if kind == b"tEXt" and separator:
        return Text(name, rest.decode("latin-1"))
    try:
        if kind == b"zTXt" and rest[:1] == b"\0":
            return Text(name, _inflated(rest[1:], room).decode("latin-1"))
        if kind == b"iTXt" and len(rest) >= 2:
            language, _, rest_ = rest[2:].partition(b"\0")
            translated, _, text = rest_.partition(b"\0")
            text = _inflated(text, room) if rest[0] else text
            return Text(name, decoded(text), decoded(language), decoded(translated))
    except (zlib.error, ValueError):
        pass
    return None


def _inflated(data: bytes, room: int) -> bytes:
    stream = zlib.decompressobj()
    text = stream.decompress(data, max(1, room))  # 0 would be no limit
    if stream.unconsumed_tail or not stream.eof:
        raise ValueError("too large or incomplete")
    return text


def _unhexed(text: str) -> bytes:
    """The bytes of a raw profile: a line with a name, a length, and hexadecimal digits; b"" for a damaged one."""
    match = PROFILE.fullmatch(text.rstrip("\0"))
    try:
        return bytes.fromhex("".join(match[1].split())) if match else b""
    except ValueError:
        return b""


def parts(content: memoryview, blocks: Blocks) -> list[Buffer]:
    """A PNG without metadata as parts of the same file with metadata, which stands before the picture."""
    result: list[Buffer] = [SIGNATURE]
    added = False
    for kind, _, start, end in chunks(content):
        if kind == b"pHYs":
            continue
        if kind == b"IDAT" and not added:
            result += _written(blocks)
            added = True
        result.append(content[start:end])
    return result


def _written(blocks: Blocks) -> list[bytes]:
    result = []
    if blocks.resolution:
        x, y = blocks.resolution.per("cm")
        factor = METERS if blocks.resolution.unit else 1
        if max(x, y) * factor < 2**31:
            values = struct.pack(">IIB", round(x * factor), round(y * factor), 1 if blocks.resolution.unit else 0)
            result.append(chunk(b"pHYs", values))
    if blocks.exif:
        result.append(chunk(b"eXIf", blocks.exif))
    if blocks.xmp:
        result.append(chunk(b"iTXt", XMP_KEYWORD.encode() + b"\0\0\0\0\0" + blocks.xmp))
    if blocks.resources:
        digits = blocks.resources.hex()
        lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
        profile = f"\niptc\n{len(blocks.resources):8}\n{lines}\n"
        result.append(chunk(b"zTXt", f"{RAW_PROFILE}iptc".encode() + b"\0\0" + zlib.compress(profile.encode())))
    return result + [_text_chunk(text) for text in blocks.texts]


def chunk(kind: bytes, content: Buffer) -> bytes:
    """A chunk with its length and checksum."""
    return (
        struct.pack(">I", len(content))
        + kind
        + bytes(content)
        + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
    )


def _text_chunk(text: Text) -> bytes:
    keyword = text.keyword.encode("latin-1", "replace")[:79] + b"\0"
    latin = text.text.encode("latin-1", "replace")
    if latin.decode("latin-1") == text.text and not text.language and not text.translated:
        if len(latin) < COMPRESSED_FROM:
            return chunk(b"tEXt", keyword + latin)
        return chunk(b"zTXt", keyword + b"\0" + zlib.compress(latin))
    value, packed = text.text.encode("utf-8", "replace"), b"\0\0"
    if len(value) >= COMPRESSED_FROM:
        value, packed = zlib.compress(value), b"\1\0"
    return chunk(b"iTXt", keyword + packed + text.language.encode() + b"\0" + text.translated.encode() + b"\0" + value)
