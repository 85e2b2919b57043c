"""What an archive's run writes beside its outputs, for whoever keeps them: records, sidecars, tables, checksums."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePath

from photochrom.archive.exports import write_checksums, write_csv
from photochrom.archive.manifest import DONE, Row, read_rows
from photochrom.archive.run import Summary
from photochrom.archive.sidecars import carry_sidecars
from photochrom.archive.stores import open_store, without_secrets
from photochrom.archive.worker import Work
from photochrom.records import COLORED, Line, Record, now


def recorded(summaries: Iterator[Summary], path: Path, work: Work) -> Iterator[Summary]:
    """The same summaries, while a line for each photograph of this run is added to a record.

    Raises InputError or OutputError.
    """
    record = Record(path)
    noted: Row | None = None
    try:
        for summary in summaries:
            if summary.row is not None and summary.row is not noted:
                noted = summary.row
                record.add(line_of(noted, work))
            yield summary
    finally:
        record.close()


def line_of(row: Row, work: Work) -> Line:
    """The line of a record for a row of the manifest."""
    done = row.state == DONE
    return Line(
        time=now(),
        outcome=COLORED if done else row.state,
        source=f"{without_secrets(work.source).rstrip('/')}/{row.source}",
        source_sha256=row.checksum,
        output=f"{without_secrets(work.destination).rstrip('/')}/{row.output}" if done else "",
        output_sha256=row.output_checksum if done else "",
        model=PurePath(work.model).name,
        model_sha256=work.model_sha256,
        settings=json.loads(row.settings),
        seconds=row.seconds,
        error=row.error,
    )


def finish(
    work: Work, summary: Summary, *, sidecars: bool = False, csv: Path | None = None, checksums: Path | None = None
) -> list[str]:
    """Copy sidecars and write the manifest for other programs; return a line for each sidecar that failed.

    Raises InputError or OutputError.
    """
    source, destination = open_store(work.source), open_store(work.destination)
    rows = read_rows(destination)
    last = {row.source: row for row in rows}
    problems: list[str] = []
    if sidecars:
        names, keep = summary.sidecars, {"overwrite": work.overwrite, "keep_date": work.keep_date}
        keep["resized"] = work.request.crop_border
        problems = carry_sidecars(source, destination, last.values(), names, **keep)
    if csv is not None:
        write_csv((last[name] for name in sorted(last)), csv)
    if checksums is not None:
        write_checksums(rows, {entry.name for entry in destination.entries()}, checksums)
    return problems
