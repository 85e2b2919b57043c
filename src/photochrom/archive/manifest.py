"""The manifest: the result for every source, in Parquet files beside the outputs.

Each run appends parts. If a source has several rows, the last one counts. When a run begins and there are many parts,
they are merged into one. The merged part is written before the others are deleted, so that no row is ever missing.
"""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from photochrom.archive.stores import OWN_FOLDER, Store
from photochrom.errors import InputError, one_line
from photochrom.existing import Made
from photochrom.folders import Entry
from photochrom.names import from_text, to_text

FOLDER = f"{OWN_FOLDER}/manifest"
MANY_PARTS = 16
ROW_SEPARATOR = "; "
DONE, FAILED, QUARANTINED, FOREIGN, IN_COLOR = "done", "failed", "quarantined", "foreign", "in color"
NOTHING_WRONG = {DONE, IN_COLOR}


@dataclass(frozen=True)
class Row:
    """The result for one source.

    state: done; failed, if the file can't be used; quarantined, if it crashed or hung its worker at every try; foreign,
    if the destination has a file of the output's name that isn't ours; in color, if the source is and is left.
    checksum: SHA-256 of the source. output_checksum: of what was last written as the output, if anything. model,
    settings: those that colored it.
    left_out: what the output doesn't have of the source's metadata, with ROW_SEPARATOR between.
    """

    source: str
    size: int
    modified: int
    checksum: str
    output: str
    output_checksum: str
    state: str
    tries: int
    error: str
    model: str
    settings: str
    seconds: float
    left_out: str = ""

    @property
    def message(self) -> str:
        """Why there is no color version, with the source's name; "" if there is one."""
        name, error = one_line(self.source), one_line(self.error)
        return error if not error or name in error else f"{name}: {error}"

    def to_columns(self) -> dict[str, Any]:
        """The row as Parquet and Ray can hold it: names as in `names.to_text`."""
        names = {"source": to_text(self.source), "output": to_text(self.output)}
        return asdict(self) | names | {"error": one_line(self.error), "model": one_line(self.model)}

    @classmethod
    def of_columns(cls, columns: Mapping[str, Any]) -> Row:
        """The row of `to_columns`."""
        names = {key: from_text(columns[key]) for key in ("source", "output")}
        return cls(**{**columns, **names, "left_out": columns.get("left_out") or ""})  # older manifests have none

    @property
    def made(self) -> Made:
        """What the source was colored of and with."""
        return made_of(Entry(self.source, self.size, self.modified), self.model, self.settings)


def made_of(entry: Entry, model: str, settings: str) -> Made:
    """What a source is colored of and with. model, settings: as in a row."""
    name, _, digest = model.rpartition("-")
    return Made(f"{entry.size} {entry.modified}", name, digest, settings)


TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float32()}
SCHEMA = pa.schema([(field.name, TYPES[str(field.type)]) for field in fields(Row)])


def read_manifest(store: Store) -> dict[str, Row]:
    """The last row of every source. If there are many parts, they are merged. Raises InputError."""
    return {row.source: row for row in read_rows(store)}


def read_rows(store: Store) -> list[Row]:
    """The last row of every source and output, in the order of time. Raises InputError."""
    parts = _parts(store)
    rows: dict[tuple[str, str], Row] = {}
    for part in parts:
        try:
            table = pq.read_table(pa.BufferReader(store.read(part)), schema=SCHEMA)
        except FileNotFoundError:
            return read_rows(store)  # another run has just merged it with the others
        except (OSError, pa.ArrowException) as error:
            place = f"the manifest's {part} in {store.shown}"
            raise InputError(f"{place} can't be read: remove it to color again") from error
        for columns in table.to_pylist():
            row = Row.of_columns(columns)
            rows.pop((row.source, row.output), None)
            rows[row.source, row.output] = row
    if len(parts) > MANY_PARTS:
        # Its name comes just after the last of them: rows that another run adds meanwhile come later and count.
        _write_part(store, list(rows.values()), f"{parts[-1].removesuffix('.parquet')}~")
        for part in parts:
            with suppress(FileNotFoundError):  # another run merges them, too
                store.delete(part)
    return list(rows.values())


def append_rows(store: Store, rows: list[Row]) -> None:
    """Add a part. Raises OSError."""
    if rows:
        now = f"{FOLDER}/{time.time_ns():020d}-{secrets.token_hex(2)}"
        last = max(_parts(store), default="").removesuffix(".parquet")
        _write_part(store, rows, now if now > last else f"{last}~")  # comes last even if the clock was set back


def _parts(store: Store) -> list[str]:
    return sorted(entry.name for entry in store.entries(FOLDER) if entry.name.endswith(".parquet"))


def _write_part(store: Store, rows: list[Row], name: str) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row.to_columns() for row in rows], SCHEMA), buffer)
    store.write(f"{name}.parquet", buffer.getvalue())
