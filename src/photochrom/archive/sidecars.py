"""Sidecars: XMP files beside an archive's sources, carried along beside the outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath

from photochrom.archive.manifest import DONE, Row
from photochrom.archive.stores import Store
from photochrom.errors import reason_of
from photochrom.names import sidecar_name, sidecars_of
from photochrom.photo.metadata.sidecar import true_sidecar

THREADS = 8  # files that are copied at a time


def carry_sidecars(
    source: Store,
    destination: Store,
    rows: Iterable[Row],
    sidecars: Set[str],
    *,
    overwrite: bool,
    keep_date: bool,
    resized: bool = False,
) -> list[str]:
    """Carry along the sidecars of all sources that have a color version; return a line for each that failed.

    sidecars: the names of all XMP files of the source. overwrite: also over those that are there. resized: see
    `true_sidecar`.
    """
    dates = {entry.name: entry.modified for entry in source.entries() if entry.name in sidecars} if keep_date else {}
    there = set() if overwrite else {entry.name for entry in destination.entries()}
    triples = [triple for triple in _triples(rows, sidecars) if triple[2] not in there]
    with ThreadPoolExecutor(THREADS) as pool:
        return [line for line in pool.map(partial(_copy, source, destination, dates, resized), triples) if line]


def _triples(rows: Iterable[Row], sidecars: Set[str]) -> Iterator[tuple[str, str, str]]:
    """Names of photographs, of their sidecars, and of these beside the outputs."""
    for row in rows:
        if row.state == DONE:
            photograph, output = PurePosixPath(row.source), PurePosixPath(row.output)
            for name in sidecars_of(photograph, sidecars):
                yield row.source, name, str(sidecar_name(PurePosixPath(name).name, photograph, output))


def _copy(source: Store, destination: Store, dates: dict[str, int], resized: bool, names: tuple[str, str, str]) -> str:
    photograph, name, target = names
    try:
        content = true_sidecar(source.read(name), lambda: source.read(photograph), resized=resized)
        destination.write(target, content, dates.get(name))
    except Exception as error:  # object stores have errors of their own
        return f"cannot copy {name} to {target}: {reason_of(error)}"
    return ""
