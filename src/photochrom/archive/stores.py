"""Stores: folders and object stores that hold an archive's files, with one interface for both.

A folder is read and written with Python's own functions, because its names may have any bytes. pyarrow and fsspec know
the rest: file://, s3://, gs:// and more.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs

from photochrom.disk import UNFINISHED, replacing, unfinished_folder
from photochrom.errors import InputError, reason_of
from photochrom.folders import Entry, Listing, list_folder, walk

OWN_FOLDER = "_photochrom"  # folder of the manifest, below a destination
UNFINISHED_FOLDER = f"{OWN_FOLDER}/unfinished"  # a folder for each run that writes here
ABANDONED = 24 * 3600.0  # seconds after which the unfinished files of another run are nobody's


@dataclass(frozen=True)
class Store(ABC):
    """The files below a root. url: as the user gave it; other processes open the store by it."""

    url: str
    root: str

    @property
    def shown(self) -> str:
        """The URL as messages and records have it."""
        return without_secrets(self.url)

    @abstractmethod
    def entries(self, below: str = "") -> Iterator[Entry]:
        """All files, by name. Raises InputError if there is no such folder, but none is needed at `below`."""

    @abstractmethod
    def listing(self) -> Listing:
        """All photographs, and what else there is. Raises InputError if there is no such folder."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's content. Raises FileNotFoundError and other OSErrors."""

    @abstractmethod
    def write(self, name: str, content: bytes, modified: int | None = None) -> None:
        """Write a file, completely or not at all. An existing one is replaced. Raises OSError.

        modified: its date, in ns; object stores can't keep one.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file. Raises OSError."""

    @contextmanager
    def open_for(self, run: str) -> Iterator[None]:
        """Have a place for the unfinished files of a run while this lasts. Raises OSError."""
        yield  # object stores show no unfinished files


@dataclass(frozen=True)
class Folder(Store):
    """A folder on a disk. run: name of the run that writes here, or ""; its unfinished files have their own folder."""

    run: str = ""

    def entries(self, below: str = "") -> Iterator[Entry]:
        listing = Listing()
        folder = Path(self.root, below)
        if below and not folder.is_dir():
            return
        prefix = f"{below}/" if below else ""
        found = sorted(walk(folder, listing, everything=True), key=lambda entry: entry.name)
        if listing.unreadable and not found:
            raise listing.unreadable[0]
        for entry in found:
            if not PurePosixPath(entry.name).name.startswith(UNFINISHED):
                yield Entry(prefix + entry.name, entry.size, entry.modified)

    def listing(self) -> Listing:
        return list_folder(Path(self.root))

    def read(self, name: str) -> bytes:
        return Path(self.root, name).read_bytes()

    def write(self, name: str, content: bytes, modified: int | None = None) -> None:
        path = Path(self.root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        through = Path(self.root, UNFINISHED_FOLDER, self.run) if self.run else None
        try:
            _replace(path, content, modified, through)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _replace(path, content, modified, None)  # its folder is on another disk

    def delete(self, name: str) -> None:
        os.unlink(Path(self.root, name))

    @contextmanager
    def open_for(self, run: str) -> Iterator[None]:
        runs = Path(self.root, UNFINISHED_FOLDER)
        with unfinished_folder(runs / run):
            for other in runs.iterdir():
                with suppress(OSError):  # that run has just ended
                    if time.time() - other.stat().st_mtime > ABANDONED:
                        shutil.rmtree(other)
            yield
        with suppress(OSError):  # another run's files, or the manifest, are there
            runs.rmdir()
            runs.parent.rmdir()


@dataclass(frozen=True)
class ObjectStore(Store):
    """An object store, or whatever else pyarrow or fsspec opens."""

    filesystem: fs.FileSystem = None

    def entries(self, below: str = "") -> Iterator[Entry]:
        selector = fs.FileSelector(self._path(below), recursive=True, allow_not_found=bool(below))
        try:
            found = self.filesystem.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"cannot list {self.shown}: {reason_of(error)}") from error
        start = len(self.root.rstrip("/")) + 1
        for info in sorted(found, key=lambda info: info.path):
            if info.is_file and not PurePosixPath(info.path).name.startswith(UNFINISHED):
                yield Entry(info.path[start:], info.size, info.mtime_ns or 0)

    def listing(self) -> Listing:
        listing = Listing()
        for entry in self.entries():
            listing.add(entry)
        return listing.in_order()

    def read(self, name: str) -> bytes:
        with self.filesystem.open_input_stream(self._path(name), compression=None) as stream:
            return stream.read()

    def write(self, name: str, content: bytes, modified: int | None = None) -> None:
        path = self._path(name)
        self.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        with self.filesystem.open_output_stream(path, compression=None) as stream:  # shows a file when it is complete
            stream.write(content)

    def delete(self, name: str) -> None:
        self.filesystem.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root


def open_store(url: str, run: str = "") -> Store:
    """The store at a path or URL; run: the name of the run that writes there. Raises InputError."""
    try:
        if "://" not in url:
            return Folder(url, str(Path(url).resolve()), run)
        try:
            filesystem, root = fs.FileSystem.from_uri(url)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not one of pyarrow's own
            import fsspec

            inner, root = fsspec.core.url_to_fs(url)
            filesystem = fs.PyFileSystem(fs.FSSpecHandler(inner))
        if isinstance(filesystem, fs.LocalFileSystem):
            return Folder(url, root, run)
        return ObjectStore(url, root, filesystem)
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        shown = without_secrets(url)
        raise InputError(f"cannot open {shown}: {reason_of(error).replace(url, shown)}") from error


def without_secrets(url: str) -> str:
    """A path or URL without user, password and options, which object stores take in it (s3://KEY:SECRET@museum)."""
    return re.sub(r"(?<=://)[^/]*@", "", url.partition("?")[0]) if "://" in url else url


def is_folder(url: str) -> bool:
    """Whether a path or URL is a folder on a disk."""
    return isinstance(open_store(url), Folder)


def _replace(path: Path, content: bytes, modified: int | None, through: Path | None) -> None:
    with replacing(path, modified=modified, through=through) as file:
        file.write(content)
