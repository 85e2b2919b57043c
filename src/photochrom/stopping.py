"""Ending a run that is stopped from outside, so that nothing unfinished is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from photochrom.disk import remove_unfinished

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP came. number: which of them."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """While this lasts, the first signal raises Stopped in the main thread, and a second one ends the process at once.

    A signal that is ignored, as SIGHUP below nohup, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        obey()
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def obey() -> None:
    """Take the signals over, also back from a library that did so itself."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)


def end(number: int) -> NoReturn:
    """Leave nothing unfinished and end the process, without waiting for what other threads do."""
    remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads it
            stream.flush()
    os._exit(128 + number)


def _stop(number: int, _: FrameType | None) -> None:
    for each in SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, _leave)
    raise Stopped(number)


def _leave(number: int, _: FrameType | None) -> None:
    remove_unfinished()
    os._exit(128 + number)
