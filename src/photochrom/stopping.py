"""Ending a run that is stopped from outside, so that nothing unfinished is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from photochrom.disk import remove_unfinished

ONE_STOP = 1.0  # seconds within which two signals are one: `timeout` sends them to a process and to its group
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP came. number: which of them."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """While this lasts, a signal raises Stopped in the main thread, which ends the process when it comes out here.

    A second one doesn't wait for that. A signal that is ignored, as SIGHUP below nohup, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = handlers()
    try:
        for number in SIGNALS:
            if before[number] != signal.SIG_IGN:
                signal.signal(number, _stop)
        yield
    except Stopped as stopped:
        _end(stopped.number)
    finally:
        restore(before)


def handlers() -> dict[int, Any]:
    """Who handles the signals now."""
    return {number: signal.getsignal(number) for number in SIGNALS}


def restore(before: dict[int, Any]) -> None:
    """Have these handlers again, after a library has taken or reset the signals."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _end(number: int) -> NoReturn:
    """Leave nothing unfinished and end the process, without waiting for what other threads do."""
    remove_unfinished()
    with suppress(OSError, ValueError, AttributeError):
        print("photochrom: stopped", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads it
            stream.flush()
    os._exit(128 + number)


def _stop(number: int, _: FrameType | None) -> None:
    began = time.monotonic()

    def leave(second: int, _: FrameType | None) -> None:
        if time.monotonic() - began > ONE_STOP:
            remove_unfinished()
            os._exit(128 + second)

    for each in SIGNALS:
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, leave)
    raise Stopped(number)
