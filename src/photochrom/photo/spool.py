"""Pixels of large photographs, which lie in temporary files instead of in memory.

Such an array is a file that is mapped into memory. Whoever walks through it from top to bottom lets go of what was
read or written (`let_go`), so the process stays small; the system keeps it in its cache as long as there is room. The
files have no names and are gone when the array is. They are where the system has its temporary files (TMPDIR).
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

import numpy as np

from photochrom.photo.color import PixelArray
from photochrom.photo.vips import pyvips

SPOOLED = 64 << 20  # bytes: larger arrays lie in files
BAND = 1 << 20  # numbers that are made at a time
TYPES = {"uchar": np.uint8, "ushort": np.uint16}  # libvips' names of types of numbers
SEQUENTIAL = "vips-sequential"  # what libvips calls a picture that can only be read from top to bottom


def new_array(shape: tuple[int, ...], dtype: np.dtype) -> PixelArray:
    """An array without content."""
    size = int(np.prod(shape)) * dtype.itemsize
    if size > SPOOLED:
        with suppress(OSError), tempfile.TemporaryFile() as file:
            _reserve(file, size)
            return np.memmap(file, dtype, "r+", shape=shape)
    return np.empty(shape, dtype)  # also where there is no room for a file


def to_array(image: pyvips.Image) -> PixelArray:
    """The pixels of a picture, which are decoded here: (H, W) or (H, W, C)."""
    shape = (image.height, image.width) + ((image.bands,) if image.bands > 1 else ())
    if image.format in TYPES and _size(image) > SPOOLED:
        with suppress(OSError), tempfile.TemporaryFile() as file:
            _reserve(file, _size(image))
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


def by_bands(make: Callable[[slice], PixelArray], shape: tuple[int, ...], dtype: np.dtype) -> PixelArray:
    """An array whose rows are made some at a time: make(rows) gives a part of them."""
    result = new_array(shape, dtype)
    together = max(1, BAND // int(np.prod(shape[1:])))
    for first in range(0, shape[0], together):
        rows = slice(first, first + together)
        result[rows] = make(rows)
        let_go(result)
    return result


def let_go(*arrays: PixelArray) -> None:
    """Take what was read and written of arrays out of the process's memory; it stays in their files."""
    for array in arrays:
        mapped = _map_of(array)
        if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapped.madvise(mmap.MADV_DONTNEED)


def _map_of(array: PixelArray) -> mmap.mmap | None:
    return getattr(array, "_mmap", None)  # NumPy's own name for it; parts of the array have it, too


def _size(image: pyvips.Image) -> int:
    return int(image.width * image.height * image.bands * np.dtype(TYPES.get(image.format, np.float32)).itemsize)


def _reserve(file: BinaryIO, size: int) -> None:
    """Make room on the disk now: a disk that is full later would end the process. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)
