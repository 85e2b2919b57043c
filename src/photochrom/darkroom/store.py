"""The session store: open photographs and albums. Those that were not used for the longest time are removed."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from photochrom.darkroom.session import Session
from photochrom.errors import InputError

CAPACITY = 32  # photographs open at a time, about 11 MB each
GONE = "this photograph was closed because it was not used for a long time: open it again"


@dataclass
class Entry:
    """A folder for files and, when a photograph is open, its session."""

    folder: Path
    session: Session | None = None
    touched: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)


class SessionStore:
    """All sessions of a server. Their names can't be guessed. Any thread may use the store."""

    def __init__(self, folder: Path, keep: float):
        self.folder, self.keep = folder, keep
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()

    def create(self) -> tuple[str, Path]:
        """Make an entry and return its name and folder. Entries that were not used for long may be removed."""
        name = secrets.token_urlsafe(16)
        entry = Entry(self.folder / name)
        entry.folder.mkdir(parents=True)
        with self._lock:
            removed = [self._entries.pop(old) for old in self._too_many()]
            self._entries[name] = entry
        for old_entry in removed:
            shutil.rmtree(old_entry.folder, ignore_errors=True)
        return name, entry.folder

    def put(self, name: str, session: Session) -> None:
        """Set an entry's session. Raises InputError if the entry was removed meanwhile."""
        entry = self._find(name)
        with entry.lock:
            entry.session = session

    def change(self, name: str, decide: Callable[[Session], Session]) -> Session:
        """Replace a session by the result of `decide`, one change at a time. Raises InputError."""
        entry = self._find(name)
        with entry.lock:
            if entry.session is None:
                raise InputError(GONE)
            entry.session = decide(entry.session)
            return entry.session

    def touch(self, name: str) -> None:
        """Mark an entry as used now. Raises InputError if it was removed meanwhile."""
        self._find(name)

    def remove(self, name: str | None) -> None:
        """Remove an entry and its files, if it is still there."""
        with self._lock:
            entry = self._entries.pop(name, None) if name else None
        if entry is not None:
            shutil.rmtree(entry.folder, ignore_errors=True)

    def _find(self, name: str) -> Entry:
        """The entry of this name, marked as used now. Raises InputError."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                raise InputError(GONE)
            entry.touched = time.monotonic()
            return entry

    def _too_many(self) -> set[str]:
        """The entries to remove for a new one: those not used for long, and the oldest ones beyond CAPACITY."""
        oldest_first = sorted(self._entries, key=lambda name: self._entries[name].touched)
        long_ago = time.monotonic() - self.keep
        stale = {name for name in oldest_first if self._entries[name].touched < long_ago}
        return stale | set(oldest_first[: max(0, len(oldest_first) + 1 - CAPACITY)])
