"""libvips without its warnings: import pyvips from here.

photochrom says itself what is wrong with a file. libvips would also write warnings to standard error.

libvips collects the texts of errors in one place for all threads. Whoever needs them true works `alone`;
everything else that may fail while it works with a photograph is done in `company`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

os.environ.setdefault("VIPS_WARNING", "0")

import pyvips

# pyvips handles libvips' warnings in Python. Garbage collection there may close a damaged file, which warns too, and
# GLib aborts a process that warns inside a warning. Two of 20,000 damaged files ended their process that way.
pyvips._remove_log_handler()

__all__ = ["alone", "company", "first_line", "load_in_place", "pyvips"]

_changed = threading.Condition()
_working = 0  # threads in company; -1 if one works alone


@contextmanager
def company() -> Iterator[None]:
    """Work with libvips whose errors' texts don't matter; it waits while a thread works alone."""
    global _working
    with _changed:
        _changed.wait_for(lambda: _working >= 0)
        _working += 1
    try:
        yield
    finally:
        with _changed:
            _working -= 1
            _changed.notify_all()


@contextmanager
def alone() -> Iterator[None]:
    """Work with libvips whose errors' texts are those of this thread."""
    global _working
    with _changed:
        _changed.wait_for(lambda: _working == 0)
        _working = -1
    pyvips.vips_lib.vips_error_clear()
    try:
        yield
    finally:
        with _changed:
            _working = 0
            _changed.notify_all()


def load_in_place(load: Callable[..., pyvips.Image], content: bytes | bytearray, **how: object) -> pyvips.Image:
    """What a loader of sources makes of a content that it reads where it is, without a copy. Raises pyvips.Error.

    libvips decodes later, and of a source pyvips keeps nothing alive: the picture and all that is made of it do.
    """
    source = pyvips.Source.new_from_memory(content)
    image = load(source, **how)
    image._references.append(source)
    return image


def first_line(error: Exception) -> str:
    """The line of a libvips error that says what is wrong; the one before it only names the operation."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0] if lines else "unknown reason"
