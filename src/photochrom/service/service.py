"""The service: colors a few photographs at a time, and refuses requests if too many are waiting.

It knows nothing about HTTP. The API and the page use it.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from photochrom.coloring import Predictor, Request, color
from photochrom.errors import Busy, Stopping
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.weights import bundled_digest, load_model
from photochrom.service.batching import Batcher
from photochrom.settings import COLOR_SUFFIX, FORMATS, Limits

Value = TypeVar("Value")


@dataclass(frozen=True)
class Upload:
    """A photograph to color. read: returns its encoded content; it is called when a worker is free.

    model: a bundled model's name. model, working_size: None for the service's own.
    """

    read: Callable[[], bytes]
    name: str
    request: Request = field(default_factory=Request)
    variants: int = 1
    model: str | None = None
    working_size: int | None = None


@dataclass(frozen=True)
class Result:
    """The result of an upload: a file, the name that the user sees, and the media type.

    left_out: what of the photograph's file it doesn't have, each in words.
    """

    path: Path
    name: str
    media_type: str
    left_out: tuple[str, ...] = ()


class Abandoned(Exception):
    """Nobody needs the rest of the work any more."""


class Service:
    """One model, a few workers, and a count of the requests that are held."""

    def __init__(self, colorizer: Colorizer, limits: Limits):
        self.colorizer, self.limits = colorizer, limits
        self.batcher = Batcher(colorizer)
        self.held = 0
        self.closing = False
        self._others: dict[tuple[str | None, int], Colorizer] = {}  # by bundled model (None: the own one), working size
        self._pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="service")
        self._lock, self._loading = threading.Lock(), threading.Lock()

    def take_slot(self) -> None:
        """Count one more request as held. Raises Busy or Stopping."""
        with self._lock:
            if self.closing:
                raise Stopping("the server is stopping: try again in a minute", retry_after=60)
            if self.held >= self.limits.queue:
                raise Busy(f"{self.held} photographs are waiting already: try again soon", retry_after=5)
            self.held += 1

    def free_slot(self) -> None:
        """Count one request less as held."""
        with self._lock:
            self.held -= 1

    def submit(self, work: Callable[[], Value]) -> Future[Value]:
        """Do some work when a worker is free."""
        return self._pool.submit(work)

    def color(self, upload: Upload, folder: Path, is_abandoned: Callable[[], bool] = lambda: False) -> Result:
        """Color a photograph into a file in a folder; several variants come as a ZIP archive.

        is_abandoned: asked between variants; Abandoned is raised if it says so. Raises PhotochromError.
        """
        stem = safe_stem(upload.name) + COLOR_SUFFIX
        paths = []
        predictor = self.predictor(upload.model, upload.working_size)
        colored = color(upload.read(), upload.name, upload.request, predictor, range(upload.variants))
        lost: dict[str, None] = {}
        for number, (content, format, left_out) in enumerate(colored, 1):
            if is_abandoned():
                raise Abandoned
            lost |= dict.fromkeys(left_out)
            suffix = FORMATS[format].suffixes[0]
            paths.append(folder / f"{number}{suffix}")
            paths[-1].write_bytes(content)
        if upload.variants == 1:
            return Result(paths[0], stem + suffix, f"image/{format}", tuple(lost))
        archive = folder / "variants.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
            for number, path in enumerate(paths, 1):
                file.write(path, f"{stem}-{number}{suffix}")
                path.unlink()
        return Result(archive, f"{stem}.zip", "application/zip", tuple(lost))

    def predictor(self, model: str | None, working_size: int | None) -> Predictor:
        """What predicts with a bundled model, at a working size; None for the service's own. Raises InputError."""
        own = self.colorizer
        size = working_size or own.working_size
        if (model is None or self._is_own(model)) and size == own.working_size:
            return self.batcher
        with self._loading:  # every combination is one object, so that its requests go through the network together
            key = (None if model is None or self._is_own(model) else model, size)
            if key not in self._others:
                backend = next((o.backend for (name, _), o in self._others.items() if name == key[0]), None)
                backend = own.backend if key[0] is None else backend or load_model(key[0], device=own.device)
                self._others[key] = Colorizer(backend, working_size=size)
            return self.batcher.with_colorizer(self._others[key])

    def _is_own(self, model: str) -> bool:
        return self.colorizer.model_info.digest == bundled_digest(model)

    def close(self) -> None:
        """Take no new requests, and finish those that are held."""
        with self._lock:
            self.closing = True
        self._pool.shutdown(wait=True)
        self.batcher.close()

    def give_up(self) -> None:
        """Take no new requests, and don't begin what waits for a worker."""
        with self._lock:
            self.closing = True
        self._pool.shutdown(wait=False, cancel_futures=True)


def safe_stem(name: str) -> str:
    """A file name's stem without folders; the name may come from any system."""
    return PurePosixPath(name.replace("\\", "/").replace("\0", "")).stem or "photograph"
