"""The manifest for other programs: a table, and a file of checksums."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Container, Iterable
from dataclasses import fields
from pathlib import Path

from photochrom.archive.manifest import DONE, Row
from photochrom.disk import make_folder, replacing
from photochrom.errors import OutputError, reason_of


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """Write a row per source, with the columns of the manifest, as UTF-8. Raises OutputError."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_columns() for row in rows)
    _write(path, buffer.getvalue().encode("utf-8", "backslashreplace"))


def write_checksums(rows: Iterable[Row], there: Container[str], path: Path) -> None:
    """Write the SHA-256 of every output as `sha256sum` does, so that `sha256sum -c` checks them. Raises OutputError.

    rows: all, in the order of time. there: the names of the files that the destination has.
    """
    checksums = {row.output: row.output_checksum for row in rows if row.state == DONE and row.output in there}
    _write(path, b"".join(checksum_line(name, checksum) for name, checksum in sorted(checksums.items())))


def checksum_line(name: str, checksum: str) -> bytes:
    """A line of GNU sha256sum. If a backslash stands before it, line breaks and backslashes of the name are escaped."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return os.fsencode(f"{'' if escaped == name else chr(92)}{checksum}  {escaped}\n")


def _write(path: Path, content: bytes) -> None:
    make_folder(path.parent)
    try:
        with replacing(path) as file:
            file.write(content)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}") from error
