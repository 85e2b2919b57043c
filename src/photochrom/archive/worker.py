"""The worker: colors an archive's photographs in a child process that may crash or hang without harm.

Each Ray actor has one child process, and each child has one model. The child decodes, colors and encodes. Meanwhile
the actor reads the next files and writes the last ones.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pebble

from photochrom.archive.manifest import DONE, FAILED, FOREIGN, IN_COLOR, QUARANTINED, ROW_SEPARATOR, Row
from photochrom.archive.stores import open_store
from photochrom.coloring import Colored, Request, color
from photochrom.errors import DeviceError, InColorError, PhotochromError, one_line, our_fault, reason_of
from photochrom.existing import Fate
from photochrom.folders import Entry
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.devices import find_device
from photochrom.inference.model import ModelInfo
from photochrom.inference.weights import BUNDLED_MODELS, load_model
from photochrom.names import color_name, contested, from_text, long_color_name, to_text
from photochrom.rerun import fate_by_mark, mark_in
from photochrom.settings import AUTO, CPU, MAX_PIXELS, TRIES, TRY_SECONDS, format_of

STOPPED = "stopped"  # the destination can't be written: the run ends, and this row doesn't enter the manifest
IN_FLIGHT = 3  # files that an actor handles at a time: one read, one colored, one written
FULL_OR_FORBIDDEN = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True)
class Work:
    """Everything a worker needs to know.

    model_digest: the model's name and digest, as in the manifest; info: facts about it. any_model: the user named none,
    so what another version of the bundled one colored stays. tries: how often a file may crash or hang the child.
    seconds: how long each try may take. overwrite: whether files in the destination that aren't ours are replaced.
    keep_date: whether outputs get the date of their sources. run: a name for this run's unfinished files. device: where
    the network runs.
    """

    source: str
    destination: str
    request: Request
    model: str
    model_digest: str
    working_size: int
    tries: int = TRIES
    seconds: float = TRY_SECONDS
    info: ModelInfo | None = None
    any_model: bool = False
    overwrite: bool = False
    keep_date: bool = False
    run: str = ""
    device: str = AUTO

    @classmethod
    def of_model(
        cls,
        model: str,
        working_size: int,
        source: str,
        destination: str,
        request: Request,
        tries: int,
        seconds: float,
        device: str = AUTO,
        elsewhere: bool = False,
    ) -> Work:
        """Work with a model. It is loaded once, so that a wrong one is noticed at once, and a device that isn't there.

        elsewhere: the work is done on other machines, which tell themselves whether they have the device. Raises
        WeightsError, InputError or DeviceError.
        """
        find_device(device)
        info = replace(load_model(model, 1, CPU if elsewhere else device).info, details={})  # only people want them
        digest = f"{info.name}-{info.digest[:16]}"
        return cls(source, destination, request, model, digest, working_size, tries, seconds, info, device=device)

    def anywhere(self) -> Work:
        """The same work with absolute paths, because workers of a cluster run in folders of their own."""
        source, destination = (
            url if "://" in url else str(Path(url).resolve()) for url in (self.source, self.destination)
        )
        model = self.model if self.model in BUNDLED_MODELS else str(Path(self.model).resolve())
        return replace(self, source=source, destination=destination, model=model)

    @property
    def model_sha256(self) -> str:
        """The SHA-256 of the model's file."""
        return self.info.digest if self.info else ""

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
        settings |= {"warmth": look.warmth} if look.warmth else {}
        settings |= {"crop_border": True} if self.request.crop_border else {}
        settings |= {} if output.mark else {"mark": False}
        settings |= {"label": output.label} if output.label else {}
        return json.dumps(settings)

    def output_name(self, source: str) -> str:
        """The usual name of a source's color version."""
        return str(color_name(PurePosixPath(source), self.request.output.format))

    def output_names(self, sources: Sequence[str]) -> list[str]:
        """The names of all color versions: where several would share one, see `names.long_color_name`."""
        usual = [self.output_name(source) for source in sources]
        shared = contested(map(PurePosixPath, usual))
        return [
            str(long_color_name(PurePosixPath(source), self.request.output.format))
            if PurePosixPath(name) in shared and name != source
            else name
            for source, name in zip(sources, usual, strict=True)
        ]

    def format_of_output(self, source: str) -> str:
        """The format asked for, else that of the source's suffix if it can be written, else PNG."""
        return self.request.output.format or format_of(PurePosixPath(source)) or "png"


@dataclass(frozen=True)
class Job:
    """One source for a worker: it, the name of its output, and the checksum of what we last wrote there, or ""."""

    entry: Entry
    output: str
    known: str = ""

    def to_columns(self) -> dict[str, Any]:
        """The job as a row of Ray's tables."""
        entry = self.entry
        names = {"source": to_text(entry.name), "output": to_text(self.output)}
        return names | {"size": entry.size, "modified": entry.modified, "known": self.known}

    @classmethod
    def of_columns(cls, source: str, size: int, modified: int, output: str, known: str) -> Job:
        """The job of `to_columns`."""
        return cls(Entry(from_text(str(source)), int(size), int(modified)), from_text(str(output)), str(known))


class Worker:
    """Colors batches of sources and returns batches of rows. Ray Data runs it in actors."""

    def __init__(self, work: Work):
        self.work = work
        self.source, self.destination = open_store(work.source), open_store(work.destination, work.run)
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
                    initargs=(self.work.model, self.work.working_size, self.work.device),
                    context=multiprocessing.get_context("spawn"),
                )
            return self._child

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        columns = (batch[key] for key in ("source", "size", "modified", "output", "known"))
        jobs = map(Job.of_columns, *columns)
        rows = [row.to_columns() for row in self.threads.map(self.color, jobs)]
        return {key: [row[key] for row in rows] for key in rows[0]}

    def color(self, job: Job) -> Row:
        """Color one source. If that fails, the row has the error; nothing is raised."""
        began = time.perf_counter()
        name = job.entry.name
        row = Row(
            name, job.entry.size, job.entry.modified, "", job.output, job.known, FAILED, 0, "", self.work.model_digest,
            self.work.settings, 0.0,
        )  # fmt: skip
        try:
            data = self.source.read(name)
        except Exception as error:  # object stores have errors of their own
            return replace(row, error=f"cannot read {name}: {reason_of(error)}")
        row = replace(row, checksum=hashlib.sha256(data).hexdigest())
        output = replace(self.work.request.output, format=self.work.format_of_output(name))
        request = replace(self.work.request, output=output)
        is_there, known = self._look(job, request, row.checksum)
        if is_there:
            return replace(row, state=DONE, output_checksum=known)
        for tries in range(1, self.work.tries + 1):
            row = replace(row, tries=tries)
            place = tempfile.gettempdir()  # where a large photograph is kept meanwhile
            try:
                arguments = (data, one_line(name), request)
                colored = self.child.schedule(color_in_child, arguments, timeout=self.work.seconds).result()
                place = row.output
                if not self._write(job, colored.content, known):
                    there = f"{job.output} is there already and is not what photochrom wrote"
                    return replace(row, state=FOREIGN, error=f"{there}: move it away, or replace it with --overwrite")
            except PhotochromError as error:
                return replace(row, state=IN_COLOR if isinstance(error, InColorError) else FAILED, error=str(error))
            except TimeoutError:
                row = replace(row, state=QUARANTINED, error=f"took longer than {self.work.seconds:g} seconds")
            except (pebble.ProcessExpired, BrokenProcessPool):
                row = replace(row, state=QUARANTINED, error="crashed its worker")
            except OSError as error:
                state = STOPPED if error.errno in FULL_OR_FORBIDDEN else FAILED
                return replace(row, state=state, error=f"cannot write {place}: {reason_of(error)}")
            except MemoryError:
                row = replace(row, state=QUARANTINED, error="needs more memory than there is")
            except Exception as error:
                row = replace(row, state=QUARANTINED, error=our_fault(error))
            else:
                digest, seconds = hashlib.sha256(colored.content).hexdigest(), time.perf_counter() - began
                left_out = ROW_SEPARATOR.join(colored.left_out)
                return replace(row, state=DONE, output_checksum=digest, error="", seconds=seconds, left_out=left_out)
        return row

    def _look(self, job: Job, request: Request, source: str) -> tuple[bool, str]:
        """Whether the output is there as it would be made; the SHA-256 of the file that is there, or may be replaced.

        source: the SHA-256 of the source. A mark says it for files that the manifest doesn't know.
        """
        if self.work.overwrite or self.work.info is None:
            return False, job.known
        try:
            there = self.destination.read(job.output)
        except Exception:  # nothing is there, or writing will say what is wrong with it
            return False, job.known
        found = mark_in(there)
        if found is not None and found.unchanged:
            decided = fate_by_mark(
                found, request, self.work.info, self.work.working_size, source=source, any_model=self.work.any_model
            )
            if decided in (Fate.STAYS, Fate.REPLACED):
                return decided is Fate.STAYS, hashlib.sha256(there).hexdigest()
        return False, job.known

    def _write(self, job: Job, colored: bytes, known: str) -> bool:
        """Write an output, unless that would replace a file that isn't ours: then False. Raises OSError.

        known: the SHA-256 of the file that may be replaced.
        """
        if not self.work.overwrite:
            try:
                there = self.destination.read(job.output)
            except FileNotFoundError:
                pass
            except PermissionError:
                return False
            else:
                if there == colored:
                    return True  # a run that was killed had no time to note it
                if hashlib.sha256(there).hexdigest() != known:
                    return False
        modified = job.entry.modified or None
        self.destination.write(job.output, colored, modified if self.work.keep_date else None)
        return True


# In the child process

_colorizer: Colorizer | DeviceError | None = None


def start_child(model: str, working_size: int, device: str) -> None:
    """Load the model, once per child."""
    global _colorizer
    try:
        _colorizer = Colorizer(model, working_size=working_size, threads=1, device=device)
    except DeviceError as error:  # this machine of a cluster has no such device: each photograph says so
        _colorizer = error


def color_in_child(data: bytes, name: str, request: Request) -> Colored:
    """The color version of an encoded photograph, encoded. Raises PhotochromError."""
    assert _colorizer is not None
    if isinstance(_colorizer, DeviceError):
        raise _colorizer
    (colored,) = color(data, name, request, _colorizer)
    return colored
