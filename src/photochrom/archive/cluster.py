"""The Ray cluster of a run: one that runs already, or one that is started here."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from photochrom.errors import InputError, reason_of
from photochrom.photo.formats.hush import hushed
from photochrom.settings import usable_cores
from photochrom.stopping import handlers, restore

ANSWER_SECONDS = 5.0  # for a cluster to answer
TOO_SLOW = "it takes too long, so try again when the machine is less busy"


def check_address(address: str) -> None:
    """Raises InputError if nothing answers at HOST:PORT; Ray itself would wait for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # "auto", or something that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"no Ray cluster answers at {address}: {reason_of(error)}") from error


@contextmanager
def cluster(address: str | None, workers: int | None) -> Iterator[None]:
    """Join the Ray cluster at an address, or run one here while this lasts. Raises InputError."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray hides GPUs, which our workers share
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    before = handlers()
    with hushed_ray():
        try:
            if address is None:
                ray.init("local", num_cpus=workers or usable_cores(), include_dashboard=False, **quiet)
            else:
                ray.init(address, **quiet)
            restore(before)  # Ray takes SIGTERM for itself
        except Exception as error:  # Ray raises plain ones, too
            where = f"no Ray cluster answers at {address}" if address else "Ray can't be started on this machine"
            why = TOO_SLOW if "timed out" in str(error) else reason_of(error)
            raise InputError(f"{where}: {why}") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        for name in ("ray.data", "ray.data._internal"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield
    finally:
        ray.shutdown()
        restore(before)


@contextmanager
def hushed_ray() -> Iterator[None]:
    """Discard what Ray's native code prints to standard error; Ray's log files have it too."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    with hushed():
        yield
