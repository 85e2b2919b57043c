"""Stores: folders and object stores that hold an archive's files, with one interface for all.

pyarrow and fsspec do the work: a path, file://, s3://, gs://, or whatever else fsspec knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import fs

from photochrom.disk import UNFINISHED, replacing
from photochrom.errors import InputError, reason_of

OWN_FOLDER = "_photochrom"  # folder of the manifest, below a destination


@dataclass(frozen=True)
class Entry:
    """A file of a store: its name below the root, its size in bytes, the time of its change in ns (0: unknown)."""

    name: str
    size: int
    modified: int


@dataclass(frozen=True)
class Store:
    """The files below a root. url: as the user gave it; other processes open the store by it."""

    url: str
    filesystem: fs.FileSystem
    root: str

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def entries(self, below: str = "") -> Iterator[Entry]:
        """All files, by name. Raises InputError if there is no such folder."""
        selector = fs.FileSelector(self._path(below), recursive=True, allow_not_found=bool(below))
        try:
            found = self.filesystem.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"cannot list {self.url}: {reason_of(error)}") from error
        start = len(self.root.rstrip("/")) + 1
        for info in sorted(found, key=lambda info: info.path):
            if info.is_file and not PurePosixPath(info.path).name.startswith(UNFINISHED):
                yield Entry(info.path[start:], info.size, info.mtime_ns or 0)

    def read(self, name: str) -> bytes:
        """A file's content. Raises OSError."""
        with self.filesystem.open_input_stream(self._path(name), compression=None) as stream:
            return stream.read()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, completely or not at all. An existing one is replaced. Raises OSError.

        A local file gets a temporary name first. Object stores show a file only when it is complete.
        """
        path = self._path(name)
        self.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        if self.is_local:
            with replacing(Path(path)) as file:
                file.write(content)
        else:
            with self.filesystem.open_output_stream(path, compression=None) as stream:
                stream.write(content)

    def delete(self, name: str) -> None:
        """Remove a file. Raises OSError."""
        self.filesystem.delete_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}" if name else self.root


def open_store(url: str) -> Store:
    """The store at a path or URL. Raises InputError."""
    try:
        if "://" not in url:
            return Store(url, fs.LocalFileSystem(), str(Path(url).resolve()))
        try:
            filesystem, root = fs.FileSystem.from_uri(url)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # not one of pyarrow's own
            import fsspec

            inner, root = fsspec.core.url_to_fs(url)
            filesystem = fs.PyFileSystem(fs.FSSpecHandler(inner))
        return Store(url, filesystem, root)
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        raise InputError(f"cannot open {url}: {reason_of(error)}") from error
