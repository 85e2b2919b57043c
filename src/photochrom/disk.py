"""Writing files completely or not at all, and by one process at a time."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from photochrom.errors import OutputError, reason_of

UNFINISHED = ".photochrom-"  # prefix of the names of files that are still being written


def unfinished(path: Path) -> Path:
    """A temporary name beside a file; the file is written under it and then renamed."""
    return path.with_name(f"{UNFINISHED}{os.urandom(8).hex()}{path.suffix}")


@contextmanager
def replacing(
    path: Path, *, durable: bool = False, modified: int | None = None, through: Path | None = None
) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` at the end. If anything goes wrong, it is removed.

    durable: wait until the content is safely on disk before it replaces `path`. modified: the time of its last change,
    in ns; a disk that keeps no such times ignores it. through: the folder of the unfinished file; None for path's own.
    The new file has the permissions and the owner of the one that it replaces, where that is allowed, and otherwise
    those that the system gives to new files. Raises OSError.
    """
    temporary = unfinished(path if through is None else through / path.name)
    descriptor = _begin(temporary)
    try:
        with os.fdopen(descriptor, "wb") as file:
            keep_permissions(path, descriptor)
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if modified is not None:
            with suppress(OSError):
                os.utime(temporary, ns=(modified, modified))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        _begun.discard(temporary)


def keep_permissions(path: Path, new: Path | int) -> None:
    """Give a new file the owner and permissions of the one at `path`, as far as there is one and that is allowed.

    new: its path, or the descriptor by which it is open.
    """
    with suppress(OSError, AttributeError, TypeError):  # Windows has neither
        status = path.stat()
        with suppress(OSError):
            os.chown(new, status.st_uid, status.st_gid)
        os.chmod(new, stat.S_IMODE(status.st_mode) & 0o777)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is safely on disk before it replaces `path`. Raises OSError."""
    with replacing(path, durable=True) as file:
        file.write(content)


_begun: set[Path] = set()  # the unfinished files of this process, and folders of such
_beginning = threading.RLock()  # a signal's handler may want it while the main thread has it
_ending = False


def _begin(temporary: Path) -> int:
    """Create an unfinished file, unless the process is about to end."""
    with _beginning:
        if _ending:
            raise OSError(errno.EINTR, "the program is being stopped")
        _begun.add(temporary)
        try:
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        except OSError:
            _begun.discard(temporary)
            raise


@contextmanager
def unfinished_folder(folder: Path) -> Iterator[None]:
    """Have a folder for unfinished files while this lasts. Raises OSError."""
    folder.mkdir(parents=True)
    _begun.add(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _begun.discard(folder)


def remove_unfinished() -> None:
    """Remove all unfinished files of this process, and begin no others: it is about to end."""
    global _ending
    held = _beginning.acquire(timeout=1)  # a disk that hangs must not hold the end
    _ending = True
    for temporary in list(_begun):
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):
            temporary.unlink()
    if held:
        _beginning.release()


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, if they don't exist. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {reason_of(error)}; name another one") from error


@contextmanager
def claimed(lock: Path, what: Path) -> Iterator[None]:
    """Hold a lock file while this lasts. It becomes free when its process ends, even if that is killed.

    what: the output that the lock protects, for the message. Raises OutputError if another process holds it.
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
