"""Records: what was done with every photograph of a run, a line for each, for whoever keeps the pictures.

docs/archive.md says what the fields are in PREMIS.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from photochrom import __version__
from photochrom.disk import make_folder
from photochrom.errors import InputError, OutputError, one_line, reason_of
from photochrom.names import from_text, to_text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment,unused-ignore]

KINDS = (".jsonl", ".csv")
COLORED, FAILED = "colored", "failed"


def now() -> str:
    """The time, UTC, to the second, as ISO 8601 has it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Line:
    """What happened to a photograph.

    time: when it was done, see `now`. outcome: COLORED or FAILED. source, output: names of files. source_sha256,
    output_sha256: of their contents, "" if there is none. model_sha256: of the model's file. settings: everything else
    that determines the output. seconds: that it took. error: why it failed.
    """

    time: str
    outcome: str
    source: str
    source_sha256: str
    output: str
    output_sha256: str
    model: str
    model_sha256: str
    settings: dict[str, Any]
    seconds: float
    error: str = ""
    software: str = field(default=f"photochrom {__version__}")


COLUMNS = [each.name for each in fields(Line)]


class Record:
    """A file of lines, JSON or CSV by its suffix, to which this run adds. Several runs may add to one at once."""

    def __init__(self, path: Path):
        """Open the file, or make it. Raises InputError for a file that is no record, OutputError."""
        self.path = path
        self.kind = path.suffix.lower()
        if self.kind not in KINDS:
            raise InputError(f"a record's name must end in {' or '.join(KINDS)}, and {path} doesn't")
        make_folder(path.parent)
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(path, flags, 0o666)
            with self._locked():
                self._prepare()
        except OSError as error:
            raise self._refusal(error) from error

    def add(self, line: Line) -> None:
        """Add a line, whole or not at all. Raises OutputError."""
        values = asdict(line)
        values |= {key: to_text(values[key]) for key in ("source", "output")}
        values |= {"error": one_line(line.error), "seconds": round(line.seconds, 3)}
        if self.kind == ".csv":
            text = _csv_line([json.dumps(v) if isinstance(v, dict) else v for v in values.values()])
        else:
            text = json.dumps(values, ensure_ascii=False) + "\n"
        try:
            with self._locked():
                self._append(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise self._refusal(error) from error

    def colored(self) -> dict[str, Line]:
        """The last line of every color version in the file, by its name. Raises InputError for one that is no line."""
        try:
            with open(self.path, encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file) if self.kind == ".csv" else map(json.loads, file)
                lines = [_line_of(row) for row in rows if row["outcome"] == COLORED]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path} has lines that are none of this program: choose another --record") from error
        except OSError as error:
            raise self._refusal(error) from error
        return {line.output: line for line in lines}

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _prepare(self) -> None:
        """Write the head of a new file; in an old one, take away a last line that was cut off."""
        with open(self.path, "rb") as file:
            first = file.readline()
            if not first:
                if self.kind == ".csv":
                    self._append(_csv_line(COLUMNS).encode())
                return
            if not (first.startswith(b'{"time": ') if self.kind == ".jsonl" else first == _csv_line(COLUMNS).encode()):
                raise InputError(
                    f"{self.path} exists and is not a record that photochrom wrote: choose another --record"
                )
            whole = file.tell() if first.endswith(b"\n") else 0
            for line in file:
                whole += len(line) if line.endswith(b"\n") else 0
        os.ftruncate(self._descriptor, whole)

    def _append(self, content: bytes) -> None:
        before = os.fstat(self._descriptor).st_size
        try:
            while content:  # what a full disk doesn't take, it refuses at the second try
                content = content[os.write(self._descriptor, content) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, before)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with suppress(OSError):  # a share that knows no locks
            if fcntl:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                if fcntl:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _refusal(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write the record {self.path}: {reason_of(error)}")


def _line_of(row: dict[str, Any]) -> Line:
    """The line of a row of the file, whose values are all texts in a table."""
    settings = json.loads(row["settings"]) if isinstance(row["settings"], str) else row["settings"]
    names = {key: from_text(row[key]) for key in ("source", "output")}
    known = {key: row[key] for key in COLUMNS}
    return Line(**(known | names | {"settings": settings, "seconds": float(row["seconds"])}))


def _csv_line(values: list[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue()
