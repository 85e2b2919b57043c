"""The worker: colors an archive's photographs in a child process that may crash or hang without harm.

Each Ray actor has one child process, and each child has one model. The child decodes, colors and encodes. Meanwhile
the actor reads the next files and writes the last ones.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pebble

from photochrom.archive.manifest import DONE, FAILED, QUARANTINED, Row
from photochrom.archive.stores import open_store
from photochrom.coloring import Request, color
from photochrom.errors import PhotochromError, reason_of
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.weights import BUNDLED_MODELS, load_model
from photochrom.settings import FORMATS, MAX_PIXELS, TRIES, TRY_SECONDS, format_of

STOPPED = "stopped"  # the destination can't be written: the run ends, and this row doesn't enter the manifest
IN_FLIGHT = 3  # files that an actor handles at a time: one read, one colored, one written
FULL_OR_FORBIDDEN = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True)
class Work:
    """Everything a worker needs to know.

    model_digest: the model's name and digest, as in the manifest. tries: how often a file may crash or hang the child.
    seconds: how long each try may take.
    """

    source: str
    destination: str
    request: Request
    model: str
    model_digest: str
    working_size: int
    tries: int = TRIES
    seconds: float = TRY_SECONDS

    @classmethod
    def of_model(
        cls, model: str, working_size: int, source: str, destination: str, request: Request, tries: int, seconds: float
    ) -> Work:
        """Work with a model. It is loaded once, so that a wrong one is noticed at once. Raises WeightsError."""
        digest = f"{PurePosixPath(model).name}-{load_model(model, threads=1).info.digest[:16]}"
        return cls(source, destination, request, model, digest, working_size, tries, seconds)

    def anywhere(self) -> Work:
        """The same work with absolute paths, because workers of a cluster run in folders of their own."""
        source, destination = (
            url if "://" in url else str(Path(url).resolve()) for url in (self.source, self.destination)
        )
        model = self.model if self.model in BUNDLED_MODELS else str(Path(self.model).resolve())
        return replace(self, source=source, destination=destination, model=model)

    @property
    def settings(self) -> str:
        """Everything except source and model that determines an output, as JSON."""
        look, output, max_pixels = self.request.look, self.request.output, self.request.max_pixels
        settings: dict[str, Any] = {
            "format": output.format,
            "quality": output.quality,
            "seed": look.seed,
            "strength": look.strength,
            "working_size": self.working_size,
        }
        # Defaults are left out, so that manifests of earlier versions count.
        settings |= {} if max_pixels == MAX_PIXELS else {"max_pixels": max_pixels}
        settings |= {} if output.mark else {"mark": False}
        settings |= {"label": output.label} if output.label else {}
        return json.dumps(settings)

    def output_name(self, source: str) -> str:
        """The name of a source's color version."""
        path = PurePosixPath(source)
        own, format = format_of(path), self.format_of_output(source)
        return source if own == format else str(path.with_suffix(FORMATS[format].suffixes[0]))

    def format_of_output(self, source: str) -> str:
        """The format asked for, else that of the source's suffix if it can be written, else PNG."""
        return self.request.output.format or format_of(PurePosixPath(source)) or "png"


class Worker:
    """Colors batches of sources and returns batches of rows. Ray Data runs it in actors."""

    def __init__(self, work: Work):
        self.work = work
        self.source, self.destination = open_store(work.source), open_store(work.destination)
        self.threads = ThreadPoolExecutor(IN_FLIGHT)
        self._child: pebble.ProcessPool | None = None
        self._lock = threading.Lock()

    @property
    def child(self) -> pebble.ProcessPool:
        """The child process. If it dies at work, pebble starts another; if it dies idle, this does."""
        with self._lock:
            if self._child is None or not self._child.active:
                self._child = pebble.ProcessPool(
                    max_workers=1,
                    initializer=start_child,
                    initargs=(self.work.model, self.work.working_size),
                    context=multiprocessing.get_context("spawn"),
                )
            return self._child

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        names, sizes, times = batch["source"], batch["size"], batch["modified"]
        rows = list(self.threads.map(self.color, map(str, names), map(int, sizes), map(int, times)))
        return {key: [asdict(row)[key] for row in rows] for key in asdict(rows[0])}

    def color(self, name: str, size: int, modified: int) -> Row:
        """Color one source. If that fails, the row has the error; nothing is raised."""
        began = time.perf_counter()
        row = Row(
            name, size, modified, "", self.work.output_name(name), "", FAILED, 0, "", self.work.model_digest,
            self.work.settings, 0.0,
        )  # fmt: skip
        try:
            data = self.source.read(name)
        except OSError as error:
            return replace(row, error=f"cannot read {name}: {reason_of(error)}")
        row = replace(row, checksum=hashlib.sha256(data).hexdigest())
        output = replace(self.work.request.output, format=self.work.format_of_output(name))
        request = replace(self.work.request, output=output)
        for tries in range(1, self.work.tries + 1):
            row = replace(row, tries=tries)
            try:
                colored = self.child.schedule(color_in_child, (data, name, request), timeout=self.work.seconds).result()
                self.destination.write(row.output, colored)
            except PhotochromError as error:
                return replace(row, error=str(error))
            except TimeoutError:
                row = replace(row, state=QUARANTINED, error=f"took longer than {self.work.seconds:g} seconds")
            except (pebble.ProcessExpired, BrokenProcessPool):
                row = replace(row, state=QUARANTINED, error="crashed its worker")
            except OSError as error:
                state = STOPPED if error.errno in FULL_OR_FORBIDDEN else FAILED
                return replace(row, state=state, error=f"cannot write {row.output}: {reason_of(error)}")
            except Exception as error:
                row = replace(row, state=QUARANTINED, error=reason_of(error))
            else:
                digest, seconds = hashlib.sha256(colored).hexdigest(), time.perf_counter() - began
                return replace(row, state=DONE, output_checksum=digest, error="", seconds=seconds)
        return row


# In the child process

_colorizer: Colorizer | None = None


def start_child(model: str, working_size: int) -> None:
    """Load the model, once per child."""
    global _colorizer
    _colorizer = Colorizer(model, working_size=working_size, threads=1)


def color_in_child(data: bytes, name: str, request: Request) -> bytes:
    """The color version of an encoded photograph, encoded. Raises PhotochromError."""
    assert _colorizer is not None
    (colored,) = color(data, name, request, _colorizer)
    return colored.content
