"""Pixels and contents of large photographs, which lie in temporary files instead of in memory.

Such an array is a file that is mapped into memory. Whoever walks through it from beginning to end lets go of what was
read or written (`let_go`), so the process stays small; the system keeps it in its cache as long as there is room. The
files have no names and are gone when the array is. They are where the system has its temporary files (TMPDIR).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO, cast

import numpy as np

from photochrom.photo.color import PixelArray
from photochrom.photo.vips import pyvips

Buffer = bytes | bytearray | memoryview
SPOOLED = 64 << 20  # bytes: larger arrays lie in files
LARGE_FILE = 32 << 20  # bytes: the content of a larger file is not read as a whole
BAND = 1 << 20  # numbers that are made at a time
PIECE = 4 << 20  # bytes of a content that are read at a time
TYPES = {"uchar": np.uint8, "ushort": np.uint16}  # libvips' names of types of numbers
SEQUENTIAL = "vips-sequential"  # what libvips calls a picture that can only be read from top to bottom


class Mapped(mmap.mmap):
    """The content of a large file, which is read where it is looked at; it is used like bytes."""

    def startswith(self, start: bytes) -> bool:
        """As of bytes."""
        return self[: len(start)] == start

    def __contains__(self, part: object) -> bool:
        return isinstance(part, bytes) and self.find(part) >= 0


def content_of(file: BinaryIO) -> bytes:
    """What is to be read of an open file: all of it, as a `Mapped`, if it is large. Raises OSError."""
    if os.fstat(file.fileno()).st_size > LARGE_FILE:
        return cast("bytes", Mapped(file.fileno(), 0, access=mmap.ACCESS_READ))
    return file.read()


def pieces(content: Buffer) -> Iterator[memoryview]:
    """A content piece by piece; what was read of a large one is let go."""
    view = memoryview(content).cast("B")
    for first in range(0, len(view), PIECE):
        yield view[first : first + PIECE]
        let_go(content)


def joined(parts: Iterable[Buffer]) -> bytes:
    """Parts, one behind the other; a `Mapped` if they are large. Raises OSError."""
    parts = list(parts)
    if sum(map(len, parts)) <= LARGE_FILE:
        return b"".join(parts)
    with tempfile.TemporaryFile() as file:
        for part in parts:
            for piece in pieces(part):
                file.write(piece)
        file.seek(0)  # what was written is in the file then
        return content_of(file)


def sha256_of(*parts: Buffer) -> str:
    """The SHA-256 of parts, one behind the other, in hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in pieces(part):
            digest.update(piece)
    return digest.hexdigest()


def new_array(shape: tuple[int, ...], dtype: np.dtype) -> PixelArray:
    """An array without content."""
    size = int(np.prod(shape)) * dtype.itemsize
    if size > SPOOLED:
        with suppress(OSError), tempfile.TemporaryFile() as file:
            _reserve(file, size)
            return np.memmap(file, dtype, "r+", shape=shape)
    return np.empty(shape, dtype)  # also where there is no room for a file


def to_array(image: pyvips.Image, source: bytes = b"") -> PixelArray:
    """The pixels of a picture, which are decoded here from the content of its file: (H, W) or (H, W, C)."""
    shape = (image.height, image.width) + ((image.bands,) if image.bands > 1 else ())
    if image.format in TYPES and _size(image) > SPOOLED:
        with suppress(OSError), tempfile.TemporaryFile() as file:
            _reserve(file, _size(image))
            let_go_meanwhile(image, source)
            image.rawsave_target(pyvips.Target.new_to_descriptor(file.fileno()))
            return np.memmap(file, TYPES[image.format], "r+", shape=shape)
    return image.numpy()


def settled(image: pyvips.Image) -> pyvips.Image:
    """The picture, decoded, so that it can be read in any order."""
    if _size(image) <= SPOOLED:
        return image.copy_memory()
    file = pyvips.Image.new_temp_file("%s.v")
    image.write(file)
    return file


def is_sequential(image: pyvips.Image) -> bool:
    """Whether a picture can only be read from top to bottom, and once."""
    return bool(image.get_typeof(SEQUENTIAL))


def is_spooled(array: PixelArray) -> bool:
    """Whether an array lies in a file."""
    return _map_of(array) is not None


def by_bands(
    make: Callable[[slice], PixelArray], shape: tuple[int, ...], dtype: np.dtype, *sources: PixelArray
) -> PixelArray:
    """An array whose rows are made some at a time: make(rows) gives a part of them. sources: what it reads."""
    result = new_array(shape, dtype)
    together = max(1, BAND // int(np.prod(shape[1:])))
    for first in range(0, shape[0], together):
        rows = slice(first, first + together)
        result[rows] = make(rows)
        let_go(result, *sources)
    return result


def let_go_meanwhile(image: pyvips.Image, *arrays: PixelArray | Buffer) -> None:
    """Let go of arrays and contents while a picture that is made of them is computed."""
    if any(_map_of(array) is not None for array in arrays):
        image.set_progress(True)
        image.signal_connect("eval", lambda *_: let_go(*arrays))


def let_go(*arrays: PixelArray | Buffer) -> None:
    """Take what was read and written of arrays and contents out of the process's memory; it stays in their files."""
    for array in arrays:
        mapped = _map_of(array)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def _map_of(array: PixelArray | Buffer) -> mmap.mmap | None:
    owner = array.obj if isinstance(array, memoryview) else array
    return owner if isinstance(owner, mmap.mmap) else getattr(owner, "_mmap", None)  # NumPy's own name for it


def _size(image: pyvips.Image) -> int:
    return int(image.width * image.height * image.bands * np.dtype(TYPES.get(image.format, np.float32)).itemsize)


def _reserve(file: BinaryIO, size: int) -> None:
    """Make room on the disk now: a disk that is full later would end the process. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)
