"""Folders that are watched: photographs are colored when they arrive, each once it is complete."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from photochrom.errors import InputError, MissingExtra
from photochrom.planning import Failure, Plan, Task

try:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer
except ImportError as error:
    raise MissingExtra("watching a folder", "watch") from error

SETTLED = 2.0  # seconds for which nothing has been written to a file that is complete
LOOK_AGAIN = 0.5  # seconds, while a file is being written
RESCAN = 10.0  # seconds; shares of other machines tell of no changes, so that folders must be looked through
CHANGES = ("created", "modified", "moved", "closed")  # events that bring something new


@dataclass
class Arrived:
    """What has come since the last time. tasks: of complete photographs. left_out, failures: as in Plan, each once."""

    tasks: list[Task] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def arrivals(folders: Sequence[Path], plan: Callable[[], Plan]) -> Iterator[Arrived]:
    """What arrives in folders, without an end; what is there already arrives first.

    plan: what there is to do with all that is in the folders now. A photograph comes again if its file is changed.
    Raises InputError for what is no folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: --watch colors what arrives in folders")
    settling = _Settling()
    with _changes(folders) as changed:
        while True:
            changed.clear()
            planned = plan()
            by_source = {str(task.source): task for task in planned.tasks}
            names = [*by_source, *planned.named]
            new = settling.settled(names)
            yield Arrived(
                [by_source[name] for name in new if name in by_source],
                [name for name in new if name not in by_source],
                [each for each in planned.failures if settling.is_new(str(each.error))],
            )
            changed.wait(LOOK_AGAIN if settling.waits else RESCAN)


class _Settling:
    """Files that may still be written, and what was told already."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[tuple[int, ...], float]] = {}  # size and times, and since when
        self._told: dict[str, tuple[int, ...]] = {}
        self._messages: set[str] = set()

    @property
    def waits(self) -> bool:
        """Whether there are files that may still be written."""
        return bool(self._states)

    def settled(self, names: Sequence[str]) -> list[str]:
        """Those files that have not changed for a while, each once, and again when it has changed."""
        now, before, ready = time.monotonic(), self._states, []
        self._states = {}
        for name in names:
            state = _state_of(name)
            if self._told.get(name) == state:
                continue
            known, since = before.get(name, (state, now))
            if known == state and now - since >= SETTLED:
                ready.append(name)
                self._told[name] = state
            else:
                self._states[name] = state, since if known == state else now
        return ready

    def is_new(self, message: str) -> bool:
        """Whether a message was not told yet."""
        is_new = message not in self._messages
        self._messages.add(message)
        return is_new


def _state_of(name: str) -> tuple[int, ...]:
    with suppress(OSError):
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):  # of a link to a folder, which changes with all that arrives in it
            return (status.st_ino,)
        return status.st_size, status.st_mtime_ns, status.st_ino
    return ()


@contextmanager
def _changes(folders: Sequence[Path]) -> Iterator[threading.Event]:
    """An event that is set when something changes in the folders."""
    changed = threading.Event()

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            if event.event_type in CHANGES:
                changed.set()

    observer = Observer()
    try:
        with suppress(OSError):  # the system watches no more folders: they are looked through, which takes longer
            for folder in folders:
                observer.schedule(Handler(), str(folder), recursive=True)
            observer.start()
        yield changed
    finally:
        if observer.is_alive():
            observer.stop()
