"""The shelf: where open photographs and finished albums stand; the longest untouched are put away."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from photochrom.darkroom.sitting import Sitting
from photochrom.errors import InputError

CAPACITY = 32  # photographs open at a time, about 11 MB each


@dataclass
class Seat:
    """A place on the shelf: a folder for its files and, once it is open, a photograph."""

    folder: Path
    sitting: Sitting | None = None
    touched: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shelf:
    """All seats of a server, by names that can't be guessed."""

    def __init__(self, folder: Path, keep: float):
        self.folder, self.keep = folder, keep
        self._seats: dict[str, Seat] = {}
        self._lock = threading.Lock()

    def take(self) -> tuple[str, Path]:
        """A new seat: its name and its folder. May put the longest untouched one away."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            for old in self._too_many():
                self.put_away(old)
            seat = self._seats[name] = Seat(self.folder / name)
        seat.folder.mkdir(parents=True)
        return name, seat.folder

    def change(self, name: str, decide: Callable[[Sitting], Sitting]) -> Sitting:
        """Replace a sitting by what comes of it; one change at a time. Raises InputError."""
        seat = self._seats.get(name)
        if seat is None or seat.sitting is None:
            raise InputError("this photograph was put away after a long rest: open it again")
        with seat.lock:
            self.touch(name)
            seat.sitting = decide(seat.sitting)
            return seat.sitting

    def seat(self, name: str, sitting: Sitting) -> None:
        """Put a sitting on a seat."""
        self._seats[name].sitting = sitting

    def touch(self, name: str) -> None:
        """Tell that a seat is in use."""
        self._seats[name].touched = time.monotonic()

    def put_away(self, name: str | None) -> None:
        """Drop a seat and its files, if it is still there."""
        seat = self._seats.pop(name, None) if name else None
        if seat is not None:
            shutil.rmtree(seat.folder, ignore_errors=True)

    def _too_many(self) -> set[str]:
        """The names of seats that were not touched for long, or are one too many with a new one."""
        oldest_first = sorted(self._seats, key=lambda name: self._seats[name].touched)
        long_ago = time.monotonic() - self.keep
        stale = {name for name in oldest_first if self._seats[name].touched < long_ago}
        return stale | set(oldest_first[: max(0, len(oldest_first) + 1 - CAPACITY)])
