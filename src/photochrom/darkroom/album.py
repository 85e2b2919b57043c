"""Many photographs at once: one ZIP of those that could be colored, and the reasons why others could not."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from photochrom.coloring import Look, Request
from photochrom.errors import PhotochromError
from photochrom.service.service import Result, Service, Upload


@dataclass(frozen=True)
class Progress:
    """How far an album is. failures: (file name, reason). archive: the ZIP, at the end, unless it is empty."""

    done: int
    total: int
    failures: tuple[tuple[str, str], ...] = ()
    archive: Path | None = None


def color_album(service: Service, sources: Sequence[Path], folder: Path, look: Look) -> Iterator[Progress]:
    """Color photographs one after the other, all in one look, into a ZIP in a folder; yield the progress after each."""
    archive = folder / "photochrom-album.zip"
    failures: tuple[tuple[str, str], ...] = ()
    taken: set[str] = set()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for number, source in enumerate(sources, 1):
            request = Request(look, max_pixels=service.limits.pixels)
            upload = Upload(source.read_bytes, source.name, request)
            try:
                with service.slot():
                    result: Result = service.submit(partial(service.color, upload, folder)).result()
                file.write(result.path, unused_name(result.name, taken))
                result.path.unlink()
            except PhotochromError as error:
                failures += ((source.name, str(error)),)
            yield Progress(number, len(sources), failures)
    yield Progress(len(sources), len(sources), failures, archive if taken else None)


def unused_name(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken already; adds the result to `taken`."""
    path, number = Path(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    taken.add(name)
    return name
