"""What a folder holds: its photographs, what is left out and why, and what can't be listed.

`photochrom colorize`, `archive`, `train` and `evaluate` all list folders, ZIP archives and object stores in this way.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from photochrom.errors import InputError, reason_of
from photochrom.names import SIDECAR
from photochrom.settings import READABLE_SUFFIXES, is_foreign

FOREIGN = "hidden or another program's"
LINKED = "link to a folder that is listed anyway"
SPECIAL = "pipe, socket or device"
NO_SUFFIX = "without a suffix"
KINDS_NAMED = 12  # in a message, and as many files


def why_left_out(path: PurePosixPath) -> str:
    """Why a file is no photograph, by its path below a folder or inside an archive; "" for one that is.

    FOREIGN if a part of the path is hidden or another program's (`._x.jpg` and `.thumbnails/` are none of ours).
    Otherwise the suffix, in lower case, if it is none that is read, or NO_SUFFIX.
    """
    kind = path.suffix.lower()
    if any(map(is_foreign, path.parts)):
        return FOREIGN
    if kind in READABLE_SUFFIXES:
        return ""
    return kind if re.fullmatch(r"\.\w{1,10}", kind) else NO_SUFFIX


def is_photograph(path: str | PurePosixPath) -> bool:
    """Whether a file is a photograph, by the same rule. A path that is text has "/" between its parts."""
    return not why_left_out(PurePosixPath(path))


@dataclass(frozen=True)
class Entry:
    """A file: its name below the root, its size in bytes, the time of its change in ns (0: unknown).

    A name has "/" between its parts. Bytes that aren't UTF-8 are in it as Python has them (surrogateescape).
    """

    name: str
    size: int = 0
    modified: int = 0


@dataclass
class Listing:
    """The files of a folder or archive, sorted out.

    photographs: in order of their names. sidecars: names of XMP files. left_out: how many files are no photographs, by
    kind. named: the names of those that are of a kind that isn't read, and of links to folders that are listed anyway.
    unreadable: for each folder that can't be listed, why.
    """

    photographs: list[Entry] = field(default_factory=list)
    sidecars: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    unreadable: list[InputError] = field(default_factory=list)

    def add(self, entry: Entry, path: PurePosixPath | None = None) -> None:
        """Sort in a file by its name. path: what the name means, if its parts are not divided by "/"."""
        kind = why_left_out(path or PurePosixPath(entry.name))
        if not kind:
            self.photographs.append(entry)
            return
        self.left_out[kind] += 1
        if kind != FOREIGN:
            self.named.append(entry.name)
        if kind == SIDECAR:
            self.sidecars.add(entry.name)

    def in_order(self) -> Listing:
        """This listing, with its photographs in the order of their names."""
        self.photographs.sort(key=lambda entry: entry.name)
        return self


def list_folder(root: Path, avoid: Iterable[Path] = ()) -> Listing:
    """Look through a folder and all below it. Links to folders outside of it are followed, each folder once.

    avoid: folders that are not entered, if they are below the root. What can't be listed is in the result.
    """
    listing = Listing()
    for entry in walk(root, listing, avoid):
        listing.add(entry)
    return listing.in_order()


def walk(root: Path, listing: Listing, avoid: Iterable[Path] = (), *, everything: bool = False) -> Iterator[Entry]:
    """All files below a folder; what is none, and folders that are not entered, are counted in the listing.

    everything: folders of other programs are entered too. A file that can't be looked at has size and time 0.
    """
    apart = set(map(_identity, avoid))
    entered = [os.path.realpath(root)]
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as scan:
                found = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            folder = os.path.join(root, below) if below else root
            listing.unreadable.append(InputError(f"cannot read the folder {folder}: {reason_of(error)}"))
            continue
        folders = []
        for entry in found:
            name = f"{below}/{entry.name}" if below else entry.name
            status = _status(entry)
            if not everything and is_foreign(entry.name):
                listing.left_out[FOREIGN] += 1
            elif _is_folder(entry, status):
                if entry.is_symlink() and not _is_new(entry.path, entered):
                    listing.left_out[LINKED] += 1
                    listing.named.append(name)
                elif status is None or (status.st_dev, status.st_ino) not in apart:
                    folders.append(name)
            elif status is None:  # a link to nothing, or no permission: whoever reads it will say so
                yield Entry(name)
            elif stat.S_ISREG(status.st_mode):
                yield Entry(name, status.st_size, status.st_mtime_ns)
            else:
                listing.left_out[SPECIAL] += 1
        waiting += reversed(folders)


def describe(left_out: Counter[str], names: Sequence[str] = ()) -> str:
    """What was left out of a folder, in words; "" if nothing was. names: of which the first are told."""
    kinds = Counter({kind: n for kind, n in left_out.items() if kind.startswith(".") or kind == NO_SUFFIX})
    parts = []
    if kinds:
        most = sorted(kinds, key=lambda kind: (-kinds[kind], kind))[:KINDS_NAMED]
        named = [f"{kinds[kind]:,} {kind}" for kind in most]
        more = sum(kinds.values()) - sum(kinds[kind] for kind in most)
        named += [f"{more:,} of other kinds"] if more else []
        parts.append(f"{_counted(sum(kinds.values()), 'file')} of kinds that are not read ({', '.join(named)})")
    if left_out[FOREIGN]:
        parts.append(f"{_counted(left_out[FOREIGN], 'file or folder', 'files or folders')}, {FOREIGN}")
    parts += [_counted(left_out[kind], kind, _plural(kind)) for kind in (LINKED, SPECIAL) if left_out[kind]]
    told = [*names[:KINDS_NAMED], *([f"{len(names) - KINDS_NAMED:,} more"] if len(names) > KINDS_NAMED else [])]
    return "; ".join(parts) + (f": {', '.join(told)}" if told else "")


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _plural(kind: str) -> str:
    return {LINKED: "links to folders that are listed anyway", SPECIAL: "pipes, sockets or devices"}[kind]


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat()
    except OSError:
        return None


def _is_folder(entry: os.DirEntry[str], status: os.stat_result | None) -> bool:
    """Whether an entry is a folder, or a link to one; also one that can't be looked at, which is said on entering."""
    return entry.is_dir(follow_symlinks=False) if status is None else stat.S_ISDIR(status.st_mode)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_new(link: str, entered: list[str]) -> bool:
    """Whether a link leads to a folder that holds and lies in none of those entered; it is then one of them."""
    target = os.path.realpath(link)
    if any(_holds(target, other) or _holds(other, target) for other in entered):
        return False
    entered.append(target)
    return True


def _holds(folder: str, other: str) -> bool:
    return other == folder or other.startswith(folder.rstrip(os.sep) + os.sep)
