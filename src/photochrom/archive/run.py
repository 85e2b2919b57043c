"""Coloring an archive: Ray Data distributes the sources that are missing or have changed; the manifest has the results.

Ray Data restarts actors that die, repeats the work that was lost with them, and never holds more than a few batches at
a time. It is not affected by a file that crashes or hangs, because only the worker's child process dies (worker.py).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photochrom.errors import InputError, MissingExtra, OutputError, reason_of
from photochrom.settings import is_photograph

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports to its makers unless it is told not to
try:
    import pyarrow as pa
    import ray
    from ray.data.exceptions import SystemException

    from photochrom.archive.manifest import DONE, Row, append_rows, read_manifest
    from photochrom.archive.stores import OWN_FOLDER, Entry, Store, open_store
    from photochrom.archive.worker import STOPPED, Work, Worker
except ImportError as error:
    raise MissingExtra("coloring an archive", "archive") from error

BATCH = 16  # photographs that a worker has at a time
LARGEST_BLOCK, BLOCKS_A_WORKER = 256, 16  # a block is assigned, and repeated after a crash, as a whole
GO_ON = "; what is written is kept, run the same command again to go on"
FLUSH_SECONDS = 10.0  # at most so much work is repeated after a crash of the driver


@dataclass
class Summary:
    """What a run did.

    total: sources. settled: sources that need nothing. states: number of sources by the state of their row. errors:
    a line for each source that failed. seconds: since the run began.
    """

    total: int = 0
    settled: int = 0
    states: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_archive(work: Work, *, workers: int | None, address: str | None, retry: bool) -> Iterator[Summary]:
    """Color an archive, and yield a summary at the start and after every photograph.

    workers: number of processes that color; None for all CPUs of the cluster. address: of a running cluster; None to
    start one here. retry: try files again that failed or were quarantined. Raises InputError or OutputError.
    """
    source, destination = open_store(work.source), open_store(work.destination)
    _check_apart(source, destination)
    missing, summary = plan(work, source, destination, retry)
    yield summary
    if missing:
        with cluster(address, workers):
            yield from _color(work.anywhere(), destination, missing, summary, workers)


def plan(work: Work, source: Store, destination: Store, retry: bool) -> tuple[list[Entry], Summary]:
    """The sources that must be colored, because they are new or have changed. Raises InputError."""
    entries = [entry for entry in source.entries() if is_photograph(entry.name)]
    if not entries:
        raise InputError(f"no photographs in {work.source}")
    _check_outputs(work, entries)
    manifest = read_manifest(destination)
    outputs = {entry.name for entry in destination.entries()} if manifest else set()

    def is_settled(entry: Entry) -> bool:
        row = manifest.get(entry.name)
        if row is None or not row.is_settled(entry, work.model_digest, work.settings):
            return False
        return row.output in outputs if row.state == DONE else not retry

    missing = [entry for entry in entries if not is_settled(entry)]
    return missing, Summary(total=len(entries), settled=len(entries) - len(missing))


@contextmanager
def cluster(address: str | None, workers: int | None) -> Iterator[None]:
    """Join the Ray cluster at an address, or run one here while this lasts. Raises InputError."""
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with hushed():
        try:
            if address is None:
                ray.init("local", num_cpus=workers or os.cpu_count(), include_dashboard=False, **quiet)
            else:
                ray.init(address, **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            where = f"no Ray cluster answers at {address}" if address else "Ray can't be started on this machine"
            raise InputError(f"{where}: {reason_of(error)}") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        for name in ("ray.data", "ray.data._internal"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield
    finally:
        ray.shutdown()


@contextmanager
def hushed() -> Iterator[None]:
    """Discard what Ray's native code prints to standard error; Ray's log files have it too."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _color(
    work: Work, destination: Store, missing: list[Entry], summary: Summary, workers: int | None
) -> Iterator[Summary]:
    began = flushed = time.monotonic()
    rows: list[Row] = []
    stopped = ""
    try:
        for row in _rows(work, missing, workers or int(ray.cluster_resources()["CPU"])):
            if row.state == STOPPED:
                stopped = row.error
                break
            rows.append(row)
            summary.states[row.state] += 1
            if row.error:
                summary.errors.append(row.error if row.source in row.error else f"{row.source}: {row.error}")
            if time.monotonic() - flushed > FLUSH_SECONDS:
                _append(destination, rows)
                rows, flushed = [], time.monotonic()
            summary.seconds = time.monotonic() - began
            yield summary
    except (ray.exceptions.RayError, SystemException) as error:  # more workers died than Ray replaces, or all nodes
        raise OutputError(f"the Ray cluster broke down: {reason_of(error)}{GO_ON}") from error
    finally:
        _append(destination, rows)
    if stopped:
        raise OutputError(stopped + GO_ON)


def _append(destination: Store, rows: list[Row]) -> None:
    try:
        append_rows(destination, rows)
    except OSError as error:
        raise OutputError(f"cannot write the manifest to {destination.url}: {reason_of(error)}{GO_ON}") from error


def _rows(work: Work, missing: list[Entry], workers: int) -> Iterable[Row]:
    size = min(LARGEST_BLOCK, max(BATCH, len(missing) // (BLOCKS_A_WORKER * workers)))
    blocks = [missing[first : first + size] for first in range(0, len(missing), size)]
    tables = [
        pa.table(
            {
                "source": [entry.name for entry in block],
                "size": [entry.size for entry in block],
                "modified": [entry.modified for entry in block],
            }
        )
        for block in blocks
    ]
    colored = ray.data.from_arrow(tables).map_batches(
        Worker,
        fn_constructor_args=(work,),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(tables))),
        num_cpus=1,
    )
    return (Row(**row) for row in colored.iter_rows())


def _check_apart(source: Store, destination: Store) -> None:
    if source.is_local and not Path(source.root).is_dir():
        raise InputError(f"{source.url} is not a folder")
    if source.is_local and destination.is_local and Path(destination.root).is_relative_to(source.root):
        raise InputError(f"{destination.url} is {source.url} or inside it: choose another destination")


def _check_outputs(work: Work, entries: list[Entry]) -> None:
    taken: dict[str, str] = {}
    for entry in entries:
        output = work.output_name(entry.name)
        if output in taken:
            raise InputError(f"{taken[output]} and {entry.name} would both be written to {output}")
        if output.startswith(f"{OWN_FOLDER}/"):
            raise InputError(f"{entry.name} would be written among the manifest's files: rename its folder")
        taken[output] = entry.name
