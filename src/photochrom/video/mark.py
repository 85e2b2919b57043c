"""The mark of a film: one line in the comment of its container, the field that every container has.

docs/metadata.md says what stands in it. As in photographs, there is no date.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
import zlib
from pathlib import Path
from typing import Any

from photochrom.errors import InputError, MissingExtra
from photochrom.existing import Made
from photochrom.photo.metadata.marking import COLORED, NO_DIGEST

FILM_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".nut"}
KEY = "comment"
BEGINNING = '{"colorized by": "photochrom '  # of the line; another program may have written lines before it
BY, SOURCE_TYPE = "colorized by", "digital source type"
MODEL, MODEL_DIGEST, SOURCE_DIGEST, FILM_DIGEST = "model", "model SHA-256", "source SHA-256", "film SHA-256"
NO_SETTINGS = {BY, SOURCE_TYPE, MODEL, MODEL_DIGEST, SOURCE_DIGEST, FILM_DIGEST}
CHUNK = 1 << 20  # bytes hashed at a time
TAGS, CHECKSUM = b"\x12\x54\xc3\x67", b"\xbf\x84"  # in Matroska: the element with the comment, and one of CRC-32 in it


def is_film(path: Path) -> bool:
    """Whether a file is a film, by its suffix."""
    return path.suffix.lower() in FILM_SUFFIXES


def film_mark(version: str, source: Path, settings: dict[str, Any]) -> str:
    """The line that says how a film was colored. source: the film that was; all of it is read, for its SHA-256.

    Its last value is no digest yet, but what `seal` finds and replaces by one.
    """
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    said = {BY: f"photochrom {version}", SOURCE_TYPE: COLORED}
    said |= settings | {SOURCE_DIGEST: digest.hexdigest()}
    nowhere_else = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    return json.dumps(said | {FILM_DIGEST: nowhere_else}, ensure_ascii=False)


def seal(path: Path, mark: str) -> None:
    """Put the SHA-256 of a film's file into its mark, computed with zeros in its place. Raises OSError."""
    token = json.loads(mark)[FILM_DIGEST].encode()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        places = _places(content, token)  # none in a container without comments
        checksums = [found for place in places if (found := _checksum_of(content, place))]
        digest = _digest(content, places, checksums).encode()
        for place in places:
            content[place : place + len(digest)] = digest
        for begin, end in checksums:
            content[begin : begin + 4] = zlib.crc32(content[begin + 4 : end]).to_bytes(4, "little")


def is_film_unchanged(path: Path, said: dict[str, Any]) -> bool:
    """Whether a film's file is as photochrom wrote it. said: by its mark. Raises OSError."""
    token = str(said.get(FILM_DIGEST, ""))
    if not re.fullmatch("[0-9a-f]{64}", token):
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        places = _places(content, token.encode())
        checksums = [found for place in places if (found := _checksum_of(content, place))]
        return _digest(content, places, checksums) == token


def _places(content: mmap.mmap, token: bytes) -> list[int]:
    """Where a token is; MOV has the comment twice."""
    places = [content.find(token)]
    while places[-1] >= 0:
        places.append(content.find(token, places[-1] + len(token)))
    return places[:-1]


def _digest(content: mmap.mmap, places: list[int], checksums: list[tuple[int, int]]) -> str:
    """The SHA-256 of a file with zeros for the digest at its places, and for the checksums that include it."""
    holes = [(place, len(NO_DIGEST)) for place in places] + [(begin, 4) for begin, _ in checksums]
    digest, end = hashlib.sha256(), 0
    for hole, length in sorted(holes):
        _feed(digest, content, end, hole)
        digest.update(b"0" * length)
        end = hole + length
    _feed(digest, content, end, len(content))
    return digest.hexdigest()


def _feed(digest: Any, content: mmap.mmap, begin: int, end: int) -> None:
    for first in range(begin, end, CHUNK):
        digest.update(content[first : min(first + CHUNK, end)])


def _checksum_of(content: mmap.mmap, place: int) -> tuple[int, int] | None:
    """Where a Matroska file has the CRC-32 of the tags around a place, and the end of those tags."""
    tags = content.rfind(TAGS, 0, place)
    if tags < 0:
        return None
    first = content[tags + len(TAGS)]
    length = 9 - first.bit_length()  # of the element's size, whose first bits say it
    begin = tags + len(TAGS) + length
    size = int.from_bytes(content[tags + len(TAGS) : begin], "big") & ((1 << 7 * length) - 1)
    has_one = content[begin : begin + len(CHECKSUM)] == CHECKSUM and begin < place < begin + size
    return (begin + len(CHECKSUM), begin + size) if has_one else None


def with_mark(comment: str, mark: str) -> str:
    """A comment with a mark as its last line, in place of an older one."""
    return "\n".join([*(line for line in comment.splitlines() if not line.startswith(BEGINNING)), mark])


def add_mark(metadata: dict[str, str], mark: str) -> None:
    """Add a mark to the comment of a container, whose key Matroska writes in capitals."""
    key = next((key for key in metadata if key.lower() == KEY), KEY)
    metadata[key] = with_mark(metadata.get(key, ""), mark)


def made_by(said: dict[str, Any]) -> Made:
    """What a mark says of how a film was made."""
    settings = {name: value for name, value in said.items() if name not in NO_SETTINGS}
    source, model, digest = (str(said.get(name, "")) for name in (SOURCE_DIGEST, MODEL, MODEL_DIGEST))
    return Made(source, model, digest, settings)


def read_film_mark(path: Path) -> dict[str, Any]:
    """What a film's mark says. Raises InputError if it has none."""
    try:
        from photochrom.video.film import opened
    except ImportError as error:
        raise MissingExtra("reading a film", "video") from error
    with opened(path) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    line = next((line for line in found.get(KEY, "").splitlines() if line.startswith(BEGINNING)), None)
    if line is None:
        raise InputError(
            f"{path} doesn't say how it was made: photochrom didn't color it, or another program removed the mark"
        )
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        raise InputError(f"{path} has a mark of photochrom that can't be read: another program changed it") from None
    return said
