"""The manifest: the result for every source, in Parquet files beside the outputs.

Each run appends parts. If a source has several rows, the last one counts. When a run begins and there are many parts,
they are merged into one. The merged part is written before the others are deleted, so that no row is ever missing.
"""

from __future__ import annotations

import io
import secrets
import time
from dataclasses import asdict, dataclass, fields

import pyarrow as pa
import pyarrow.parquet as pq

from photochrom.archive.stores import OWN_FOLDER, Entry, Store
from photochrom.errors import InputError

FOLDER = f"{OWN_FOLDER}/manifest"
MANY_PARTS = 16
DONE, FAILED, QUARANTINED = "done", "failed", "quarantined"


@dataclass(frozen=True)
class Row:
    """The result for one source.

    state: done; failed, if the file can't be used; quarantined, if it crashed or hung its worker at every try.
    checksum, output_checksum: SHA-256 of the source and of the output. model, settings: those that colored it.
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

    def is_settled(self, entry: Entry, model: str, settings: str) -> bool:
        """Whether the source hasn't changed and would be colored in the same way."""
        same_source = (self.size, self.modified) == (entry.size, entry.modified)
        return same_source and (self.model, self.settings) == (model, settings)


TYPES = {"str": pa.string(), "int": pa.int64(), "float": pa.float32()}
SCHEMA = pa.schema([(field.name, TYPES[str(field.type)]) for field in fields(Row)])


def read_manifest(store: Store) -> dict[str, Row]:
    """The last row of every source. If there are many parts, they are merged. Raises InputError."""
    parts = _parts(store)
    rows: dict[str, Row] = {}
    for part in parts:
        try:
            table = pq.read_table(pa.BufferReader(store.read(part)), schema=SCHEMA)
        except FileNotFoundError:
            return read_manifest(store)  # another run has just merged it with the others
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"the manifest's {part} in {store.url} can't be read: remove it to color again") from error
        rows |= {row["source"]: Row(**row) for row in table.to_pylist()}
    if len(parts) > MANY_PARTS:
        # Its name comes just after the last of them: rows that another run adds meanwhile come later and count.
        _write_part(store, list(rows.values()), f"{parts[-1].removesuffix('.parquet')}~")
        for part in parts:
            store.delete(part)
    return rows


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
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], SCHEMA), buffer)
    store.write(f"{name}.parquet", buffer.getvalue())
