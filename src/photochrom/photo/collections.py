"""Color photographs in folders and ZIP archives, decoded for training, and to squares of one size for evaluation."""

from __future__ import annotations

import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import InputError, one_line, reason_of
from photochrom.folders import Entry, Listing, describe, is_photograph, list_folder
from photochrom.photo.thumbnails import reduce
from photochrom.settings import usable_cores

DECODE_THREADS = usable_cores()
ZIP_START = b"PK\3\4"
ENCRYPTED = 0x1  # the bit of a ZIP member's flags
UNPACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
CHUNK = 256  # photographs decoded at a time
NAMED = 20  # photographs in messages


@dataclass(frozen=True)
class Member:
    """One photograph of a collection: a folder or ZIP archive, and the name inside it."""

    source: Path
    name: str


@dataclass
class Found:
    """What collections hold. members: their photographs. left_out: how many files are none, by kind. problems: a line
    for each folder that can't be listed and for each photograph that can't be unpacked."""

    members: list[Member] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def find_photographs(sources: Iterable[Path], avoid: Collection[Path] = ()) -> list[Member]:
    """All photographs in folders (recursively) and ZIP archives, sorted within each.

    avoid: folders that are not entered. Raises InputError for a source that doesn't exist or contains no photograph.
    """
    return look_through(sources, avoid).members


def look_through(sources: Iterable[Path], avoid: Collection[Path] = ()) -> Found:
    """The photographs of `find_photographs`, and what else there is. Raises InputError."""
    found = Found()
    for source in sources:
        if source.is_dir():
            listing = list_folder(source, avoid)
            problems = [str(error) for error in listing.unreadable]
        elif zipfile.is_zipfile(source):
            listing, problems = _list_archive(source)
        elif source.is_file() and _begins_as_archive(source):
            raise InputError(f"{source} is damaged or incomplete: its end is missing, with the list of its files")
        elif source.exists():
            raise InputError(f"{source} is neither a folder nor a ZIP archive of photographs")
        else:
            raise InputError(f"{source} does not exist: check the name")
        if not listing.photographs:
            left_out = describe(listing.left_out)
            raise InputError(
                problems[0]
                if problems
                else f"{source} holds no photographs" + (f" (there are {left_out})" if left_out else "")
            )
        found.members += [Member(source, entry.name) for entry in listing.photographs]
        found.left_out += listing.left_out
        found.problems += problems
    return found


def _begins_as_archive(source: Path) -> bool:
    """Whether a file that isn't whole was a ZIP archive."""
    try:
        with source.open("rb") as file:
            return file.read(len(ZIP_START)) == ZIP_START
    except OSError:
        return False


def _list_archive(source: Path) -> tuple[Listing, list[str]]:
    """The readable files of a ZIP archive, and a line for each photograph that can't be unpacked. Raises InputError."""
    try:
        with zipfile.ZipFile(source) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise InputError(f"{source} is damaged or incomplete ({reason_of(error)})") from error
    listing = Listing()
    problems = []
    for member in members:
        reason = _why_packed(member)
        path = PurePosixPath(member.filename.replace("\\", "/"))  # Windows' packers divide by either
        if reason is None or not is_photograph(path):
            listing.add(Entry(member.filename, member.file_size), path)
        else:
            problems.append(f"{source}: {member.filename} {reason}")
    return listing.in_order(), problems


def _why_packed(member: zipfile.ZipInfo) -> str | None:
    """Why a member can't be unpacked here, if it can't."""
    if member.flag_bits & ENCRYPTED:
        return "is protected by a password: unpack the archive first"
    if member.compress_type not in UNPACKED:
        return "is packed in a way that Python doesn't know: unpack the archive, or pack it with Deflate"
    return None


def name_unreadable(members: Sequence[Member]) -> None:
    """Name on standard error the photographs that couldn't be unpacked or decoded, and so are left out."""
    for member in members[:NAMED]:
        print(f"photochrom: {one_line(f'{member.source}: {member.name}')} can't be read", file=sys.stderr)
    if len(members) > NAMED:
        print(f"photochrom: {len(members) - NAMED:,} more photographs can't be read", file=sys.stderr)


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
