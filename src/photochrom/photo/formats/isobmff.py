"""The boxes of AVIF and HEIF files, as far as decoding needs them."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """The type of each box, and where its content begins and should end. A truncated one ends beyond the data."""
    end = len(data) if end is None else min(end, len(data))
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head:
            return
        yield kind, start + head, start + size
        start += size


def properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """The item properties (meta / iprp / ipco) of a file: type and content."""
    for kind, start, end in boxes(data):
        if kind == b"meta":
            for inner, a, b in boxes(data, start + 4, end):
                if inner != b"iprp":
                    continue
                return [
                    (name, data[x:y])
                    for container, s, e in boxes(data, a, b)
                    if container == b"ipco"
                    for name, x, y in boxes(data, s, e)
                ]
    return []


def is_whole(data: bytes) -> bool:
    """Whether the last box ends where the file does, or before."""
    return all(end <= len(data) for _, _, end in boxes(data))
