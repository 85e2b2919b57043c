"""Many photographs at once: one ZIP of what could be colored, and why the rest could not."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from photochrom.errors import PhotochromError
from photochrom.server.studio import Delivery, Order, Studio


@dataclass(frozen=True)
class Progress:
    """How far an album is. failures: (file name, why); archive: the ZIP, at the end, if anything is in it."""

    done: int
    total: int
    failures: tuple[tuple[str, str], ...] = ()
    archive: Path | None = None


def color_album(studio: Studio, sources: Sequence[Path], folder: Path, strength: float) -> Iterator[Progress]:
    """Color photographs one after the other into a ZIP in a folder, telling after each."""
    archive = folder / "photochrom-album.zip"
    failures: tuple[tuple[str, str], ...] = ()
    taken: set[str] = set()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for number, source in enumerate(sources, 1):
            order = Order(source.read_bytes, source.name, strength)
            try:
                with studio.place():
                    delivery: Delivery = studio.pool.submit(studio.fill, order, folder).result()
                file.write(delivery.path, unused_name(delivery.name, taken))
                delivery.path.unlink()
            except PhotochromError as error:
                failures += ((source.name, str(error)),)
            yield Progress(number, len(sources), failures)
    yield Progress(len(sources), len(sources), failures, archive if taken else None)


def unused_name(name: str, taken: set[str]) -> str:
    """A name that isn't taken yet, like the given one; takes it."""
    path, number = Path(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    taken.add(name)
    return name
