"""Files that others may see: written whole or not at all, by one process at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from photochrom.errors import OutputError, reason_of

UNFINISHED = ".photochrom-"  # how the names of files begin that are being written


def unfinished(path: Path) -> Path:
    """A name beside a file, under which it can be written before it is renamed."""
    return path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}{path.suffix}")


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path` at the end, or leaves no trace if anything goes wrong.

    durable: wait until the content is safely on disk before it takes its place. The new file has the permissions that
    the system gives to new files. Raises OSError.
    """
    temporary = unfinished(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is safely on disk before it takes the place of `path`. Raises OSError."""
    with replacing(path, durable=True) as file:
        file.write(content)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they aren't there. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {reason_of(error)}") from error


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
