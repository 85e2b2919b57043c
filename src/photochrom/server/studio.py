"""The studio: colors what requests bring, a few at a time, and refuses what it can't hold."""

from __future__ import annotations

import asyncio
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from photochrom.album import COLOR_SUFFIX, variant_seed
from photochrom.inference.colorizer import Colorizer
from photochrom.photo.files import DEFAULT_QUALITY, FORMATS, decode_photograph, write_photograph
from photochrom.photo.hints import HintFile
from photochrom.server.batching import Batcher
from photochrom.server.limits import Limits
from photochrom.server.problems import Refusal

Result = TypeVar("Result")
NO_HINTS = HintFile(())


@dataclass(frozen=True)
class Order:
    """A photograph to color, and how. read: gives the encoded photograph, when its turn comes."""

    read: Callable[[], bytes]
    name: str
    strength: float = 1.0
    seed: int | None = None
    variants: int = 1
    hints: HintFile = NO_HINTS
    format: str | None = None
    quality: int = DEFAULT_QUALITY


@dataclass(frozen=True)
class Delivery:
    """What came of an order: a file, what to call it, and its media type."""

    path: Path
    name: str
    media_type: str


class Studio:
    """One model, a few workers, and a count of what is held."""

    def __init__(self, colorizer: Colorizer, limits: Limits):
        self.colorizer, self.limits = colorizer, limits
        self.batcher = Batcher(colorizer)
        self.pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="studio")
        self.held = 0
        self.closing = False
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count one more request as held while it lasts. Raises Refusal if there is no room."""
        self.take_place()
        try:
            yield
        finally:
            self.leave_place()

    def take_place(self) -> None:
        with self._lock:
            if self.closing:
                raise Refusal(503, "the server is stopping: try again in a minute", retry_after=60)
            if self.held >= self.limits.queue:
                raise Refusal(429, f"{self.held} photographs are waiting already: try again soon", retry_after=5)
            self.held += 1

    def leave_place(self) -> None:
        with self._lock:
            self.held -= 1

    async def do(self, work: Callable[[], Result]) -> Result:
        """Do some work on a worker; what waits for one is dropped if its request is."""
        return await asyncio.wrap_future(self.pool.submit(work))

    def fill(self, order: Order, folder: Path) -> Delivery:
        """Color a photograph into a file in a folder; several variants come as a ZIP. Raises PhotochromError."""
        photograph = decode_photograph(order.read(), order.name, self.limits.pixels)
        height, width = photograph.pixels.shape[:2]
        hints = order.hints.for_size(width, height)
        format_name = order.format or photograph.format
        stem, suffix = safe_stem(order.name) + COLOR_SUFFIX, FORMATS[format_name][0]
        paths = []
        for number in range(order.variants):
            coloring = self.batcher.predict(photograph.pixels, variant_seed(order.seed, number), hints)
            colored = replace(photograph, pixels=self.colorizer.apply(photograph.pixels, coloring, order.strength))
            paths.append(folder / f"{number + 1}{suffix}")
            write_photograph(colored, paths[-1], format_name, order.quality)
        if order.variants == 1:
            return Delivery(paths[0], stem + suffix, f"image/{format_name}")
        archive = folder / "variants.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
            for number, path in enumerate(paths, 1):
                file.write(path, f"{stem}-{number}{suffix}")
                path.unlink()
        return Delivery(archive, f"{stem}.zip", "application/zip")

    def close(self) -> None:
        """Take nothing new, finish what is held."""
        with self._lock:
            self.closing = True
        self.pool.shutdown(wait=True)
        self.batcher.close()


def safe_stem(name: str) -> str:
    """A file name's stem without any folder, whatever system it comes from."""
    return PurePosixPath(name.replace("\\", "/").replace("\0", "")).stem or "photograph"
