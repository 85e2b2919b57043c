"""Processes that work on one file at a time and may die."""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pebble

MEMORY = 8 << 30  # bytes of addresses that a process may have
FILES_PER_CHILD = 500


def start_child() -> None:
    """Limit a process's memory, and turn its standard error into a file that paint reads."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    descriptor, name = tempfile.mkstemp()
    os.unlink(name)
    os.dup2(descriptor, 2)


class Child:
    """A process that does one thing at a time and may die; a new one takes its place."""

    def __init__(self) -> None:
        self.pool = self.start()

    def start(self) -> pebble.ProcessPool:
        context = multiprocessing.get_context("spawn")  # a fork would inherit locks that other threads hold
        return pebble.ProcessPool(1, max_tasks=FILES_PER_CHILD, initializer=start_child, context=context)

    def do(self, function: Callable[..., Any], *arguments: object, seconds: float) -> Any:
        """The function's result. Raises TimeoutError, and any error of a process that dies."""
        try:
            return self.pool.schedule(function, arguments, timeout=seconds).result()
        except (BrokenProcessPool, RuntimeError):  # it died between two things: this one has no part in it
            self.pool.stop()
            self.pool = self.start()
            return self.pool.schedule(function, arguments, timeout=seconds).result()

    def close(self) -> None:
        self.pool.stop()
        self.pool.join()
