"""Files that others may see: written whole or not at all, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photochrom.errors import OutputError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it when it is safely on disk. Raises OSError."""
    temporary = path.with_name(f"{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def claimed(lock: Path, what: Path) -> Iterator[None]:
    """Hold a lock file for as long as this lasts; it is free when its process ends, however that ends.

    what: is written by the holder, for the message. Raises OutputError if another process holds it.
    """
    from filelock import FileLock, Timeout

    claim = FileLock(lock, timeout=0)
    try:
        claim.acquire()
    except Timeout:
        raise OutputError(f"another photochrom works on {what}: let it finish, or choose another output") from None
    try:
        yield
    finally:
        claim.release()
