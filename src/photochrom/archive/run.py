"""Coloring an archive: Ray Data distributes the sources that are missing or have changed; the manifest has the results.

Ray Data restarts actors that die, repeats the work that was lost with them, and never holds more than a few batches at
a time. It is not affected by a file that crashes or hangs, because only the worker's child process dies (worker.py).
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import ray
from ray.data.exceptions import SystemException

from photochrom.archive.cluster import check_address, cluster
from photochrom.archive.manifest import (
    DONE,
    FOREIGN,
    IN_COLOR,
    NOTHING_WRONG,
    ROW_SEPARATOR,
    Row,
    append_rows,
    made_of,
    read_rows,
)
from photochrom.archive.stores import Folder, Store, open_store
from photochrom.archive.worker import STOPPED, Job, Work, Worker
from photochrom.errors import InputError, OutputError, reason_of
from photochrom.folders import Entry

BATCH = 16  # photographs that a worker has at a time
LARGEST_BLOCK, BLOCKS_A_WORKER = 256, 16  # a block is assigned, and repeated after a crash, as a whole
GO_ON = "; what is written is kept, run the same command again to go on"
FLUSH_SECONDS = 10.0  # at most so much work is repeated after a crash of the driver


@dataclass
class Summary:
    """What a run did.

    total: sources. settled: sources that need nothing. states: number of sources by the state of their row. errors:
    a line for each source that failed. seconds: since the run began. before: a line for each settled source that failed
    in an earlier run. unreadable: a line for each folder that can't be listed, and for each source without a name for
    its output. left_out: how many files are no photographs, by kind; named: their names. sidecars: names of the
    source's XMP files. left: a line for each source that was left because it is in color. row: the newest one.
    metadata_left_out: what outputs don't have of their sources' metadata, and how many of them.
    """

    total: int = 0
    settled: int = 0
    states: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    before: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    sidecars: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    row: Row | None = None
    metadata_left_out: Counter[str] = field(default_factory=Counter)

    @property
    def is_whole(self) -> bool:
        """Whether every source has its color version, or is in color already."""
        return not (set(self.states) - NOTHING_WRONG or self.before or self.unreadable)


def run_archive(work: Work, *, workers: int | None, address: str | None, retry: bool) -> Iterator[Summary]:
    """Color an archive, and yield a summary at the start and after every photograph.

    workers: number of processes that color; None for all CPUs of the cluster. address: of a running cluster; None to
    start one here. retry: try files again that failed or were quarantined. Raises InputError or OutputError.
    """
    source, destination = open_store(work.source), open_store(work.destination)
    _check_apart(source, destination)
    if address is not None:
        check_address(address)
    missing, summary = plan(work, source, destination, retry)
    yield summary
    if missing:
        work = replace(work.anywhere(), run=f"{time.time_ns():x}-{secrets.token_hex(4)}")
        with ExitStack() as place:
            place.enter_context(_place_for(destination, work.run))
            with cluster(address, workers), place.pop_all():  # no unfinished file is left while Ray takes its time
                yield from _color(work, destination, missing, summary, workers)


def plan(work: Work, source: Store, destination: Store, retry: bool) -> tuple[list[Job], Summary]:
    """The sources that must be colored, because they are new or have changed. Raises InputError."""
    listing = source.listing()
    if not listing.photographs:
        raise listing.unreadable[0] if listing.unreadable else InputError(f"no photographs in {source.shown}")
    rows = read_rows(destination)
    manifest = {row.source: row for row in rows}
    known = {row.output: row.output_checksum for row in rows if row.output_checksum}
    outputs = {entry.name for entry in destination.entries()} if rows else set()

    def is_settled(job: Job) -> bool:
        row = manifest.get(job.entry.name)
        if row is None or row.output != job.output:
            return False
        if not row.made.is_as(made_of(job.entry, work.model_digest, work.settings), work.any_model):
            return False
        if row.state == IN_COLOR:
            return not work.request.recolor
        if row.state == DONE:
            return row.output in outputs
        return not retry and (row.state != FOREIGN or (row.output in outputs and not work.overwrite))

    jobs, refused = _jobs(work, listing.photographs, known)
    missing = [job for job in jobs if not is_settled(job)]
    settled = {job.entry.name for job in jobs} - {job.entry.name for job in missing}
    return missing, Summary(
        total=len(listing.photographs),
        settled=len(settled),
        before=[manifest[name].message for name in sorted(settled) if manifest[name].state not in NOTHING_WRONG],
        unreadable=[str(error) for error in listing.unreadable] + refused,
        left_out=listing.left_out,
        named=listing.named,
        sidecars=listing.sidecars,
    )


def _jobs(work: Work, entries: list[Entry], known: dict[str, str]) -> tuple[list[Job], list[str]]:
    """A job for each source; for those whose output another source has already, a line that says so."""
    taken: dict[str, str] = {}
    refused = []
    jobs = []
    for entry, output in zip(entries, work.output_names([entry.name for entry in entries]), strict=True):
        if output in taken:
            refused.append(f"{taken[output]} and {entry.name} would both be written to {output}: rename one of them")
        else:
            taken[output] = entry.name
            jobs.append(Job(entry, output, known.get(output, "")))
    return jobs, refused


@contextmanager
def _place_for(destination: Store, run: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(destination.open_for(run))
        except OSError as error:
            raise OutputError(f"cannot write to {destination.shown}: {reason_of(error)}") from error
        yield


def _color(
    work: Work, destination: Store, missing: list[Job], summary: Summary, workers: int | None
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
            summary.row = row
            summary.metadata_left_out.update(row.left_out.split(ROW_SEPARATOR) if row.left_out else ())
            if row.error:
                (summary.left if row.state == IN_COLOR else summary.errors).append(row.message)
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
        raise OutputError(f"cannot write the manifest to {destination.shown}: {reason_of(error)}{GO_ON}") from error


def _rows(work: Work, missing: list[Job], workers: int) -> Iterable[Row]:
    size = min(LARGEST_BLOCK, max(BATCH, len(missing) // (BLOCKS_A_WORKER * workers)))
    blocks = [missing[first : first + size] for first in range(0, len(missing), size)]
    tables = [pa.Table.from_pylist([job.to_columns() for job in block]) for block in blocks]
    colored = ray.data.from_arrow(tables).map_batches(
        Worker,
        fn_constructor_args=(work,),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(tables))),
        num_cpus=1,
    )
    return (Row.of_columns(row) for row in colored.iter_rows())


def _check_apart(source: Store, destination: Store) -> None:
    if not isinstance(source, Folder):
        return
    if not Path(source.root).is_dir():
        raise InputError(f"{source.shown} is not a folder")
    if isinstance(destination, Folder) and Path(destination.root).is_relative_to(source.root):
        raise InputError(f"{destination.shown} is {source.shown} or inside it: choose another destination")
