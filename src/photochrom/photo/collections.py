"""Color photographs in folders and ZIP archives, decoded to squares of one size for training and tests."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import InputError, reason_of
from photochrom.photo.thumbnails import reduce
from photochrom.settings import is_photograph

DECODE_THREADS = os.cpu_count() or 1
ENCRYPTED = 0x1  # the bit of a ZIP member's flags
UNPACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
CHUNK = 256  # photographs decoded at a time


@dataclass(frozen=True)
class Member:
    """One photograph of a collection: a folder or ZIP archive, and the name inside it."""

    source: Path
    name: str


def find_photographs(sources: list[Path]) -> list[Member]:
    """All photographs in folders (recursively) and ZIP archives, sorted within each.

    Raises InputError for a source that doesn't exist or contains no photograph.
    """
    found: list[Member] = []
    for source in sources:
        if source.is_dir():
            names = [str(p.relative_to(source)) for p in source.rglob("*") if p.is_file()]
        elif zipfile.is_zipfile(source):
            names = _members(source)
        elif source.exists():
            raise InputError(f"{source} is neither a folder nor a ZIP archive of photographs")
        else:
            raise InputError(f"{source} does not exist")
        names = sorted(filter(is_photograph, names))
        if not names:
            raise InputError(f"{source} holds no photographs")
        found += [Member(source, name) for name in names]
    return found


def _members(source: Path) -> list[str]:
    """The names in a ZIP archive. Raises InputError for one that can't be unpacked here."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{source} is damaged or incomplete ({reason_of(error)})") from error
    if any(member.flag_bits & ENCRYPTED for member in members):
        raise InputError(f"{source} is protected by a password: unpack it first")
    if any(member.compress_type not in UNPACKED for member in members):
        raise InputError(f"{source} is packed in a way that Python doesn't know: unpack it, or pack it with Deflate")
    return [member.filename for member in members]


def decode_all(
    members: list[Member], decode: Callable[[bytes], NDArray[np.uint8]], threads: int = DECODE_THREADS
) -> Iterator[NDArray[np.uint8] | None]:
    """Each photograph as `decode` makes it, in order; None for one that is damaged."""
    with ExitStack() as stack, ThreadPoolExecutor(threads) as pool:
        sources = {m.source for m in members if not m.source.is_dir()}
        archives = {source: stack.enter_context(zipfile.ZipFile(source)) for source in sources}

        def read(member: Member) -> NDArray[np.uint8] | None:
            try:
                archive = archives.get(member.source)
                return decode(archive.read(member.name) if archive else (member.source / member.name).read_bytes())
            except MemoryError:
                raise
            except Exception:  # unpackers and decoders raise many kinds for damaged files
                return None

        for start in range(0, len(members), CHUNK):
            yield from pool.map(read, members[start : start + CHUNK])


def decode_squares(members: list[Member], side: int, *, crop: bool = True) -> Iterator[NDArray[np.uint8] | None]:
    """Each photograph as `decode_square` makes it, in order; None for a damaged one."""
    return decode_all(members, lambda data: decode_square(data, side, crop=crop))


def decode_square(data: bytes, side: int, *, crop: bool = True) -> NDArray[np.uint8]:
    """The central square of an encoded photograph, (side, side, 3) sRGB; if not crop, all of it, squashed."""
    fit = {"crop": "centre"} if crop else {"size": "force"}
    return reduce(data, lambda width, height: (side, side), **fit)
