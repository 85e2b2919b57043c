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
        seat = Seat(self.folder / name)
        seat.folder.mkdir(parents=True)
        with self._lock:
            self._seats[name] = seat
            now = time.monotonic()
            oldest_first = sorted(self._seats, key=lambda n: self._seats[n].touched)
            stale = [n for n in oldest_first if now - self._seats[n].touched > self.keep]
            surplus = oldest_first[: max(0, len(oldest_first) - CAPACITY)]
        for old in {*stale, *surplus}:
            self.put_away(old)
        return name, seat.folder

    def change(self, name: str, decide: Callable[[Sitting], Sitting]) -> Sitting:
        """Replace a sitting by what comes of it; one change at a time. Raises InputError."""
        seat = self._seats.get(name)
        if seat is None or seat.sitting is None:
            raise InputError("this photograph was put away after a long rest: open it again")
        with seat.lock:
            seat.touched = time.monotonic()
            seat.sitting = decide(seat.sitting)
            return seat.sitting

    def seat(self, name: str, sitting: Sitting) -> None:
        """Put a sitting on a seat."""
        self._seats[name].sitting = sitting

    def put_away(self, name: str | None) -> None:
        """Drop a seat and its files, if it is still there."""
        seat = self._seats.pop(name, None) if name else None
        if seat is not None:
            shutil.rmtree(seat.folder, ignore_errors=True)
