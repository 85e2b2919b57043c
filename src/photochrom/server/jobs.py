"""Jobs: long work that is asked for now and fetched later; photographs and results wait on disk."""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

from photochrom.errors import InputError
from photochrom.server.problems import OUR_FAULT, Refusal
from photochrom.server.studio import Delivery, Order, Studio

log = logging.getLogger(__name__)


@dataclass
class Job:
    """One order on its way."""

    id: str
    folder: Path  # of its photograph and its result
    state: Literal["waiting", "working", "done", "failed"] = "waiting"
    detail: str | None = None  # why it failed
    delivery: Delivery | None = None
    ended: float | None = None  # by the monotonic clock, which no change of the time of day disturbs
    future: Future[None] = field(default_factory=Future)


class Jobs:
    """All jobs of a server; those that ended long ago are forgotten."""

    def __init__(self, studio: Studio):
        self.studio, self.limits = studio, studio.limits
        self._jobs: dict[str, Job] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="photochrom-jobs-")

    def start(self, order: Order, photograph: BinaryIO) -> Job:
        """Take an order, whose photograph is copied. Raises Refusal if there is no room."""
        self._forget_old()
        if len(self._jobs) >= self.limits.jobs:
            raise Refusal(429, f"{len(self._jobs)} jobs are waiting or not fetched yet: try again later", 30)
        name = secrets.token_urlsafe(16)
        job = Job(name, Path(self._folder.name) / name)
        job.folder.mkdir()
        copy = job.folder / "photograph"
        with copy.open("wb") as file:
            shutil.copyfileobj(photograph, file)
        self._jobs[name] = job
        job.future = self.studio.pool.submit(self._work, job, replace(order, read=copy.read_bytes))
        job.future.add_done_callback(lambda future: self._end(job, future))
        return job

    def find(self, name: str) -> Job:
        """The job of this id. Raises Refusal."""
        self._forget_old()
        if name not in self._jobs:
            raise Refusal(404, "there is no such job; jobs are forgotten some time after they end")
        return self._jobs[name]

    def forget(self, job: Job) -> None:
        """Drop a job and its files; if it is in work, its result is dropped when it comes."""
        self._jobs.pop(job.id, None)
        job.future.cancel()
        if job.future.done():
            shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """Remove all files."""
        self._folder.cleanup()

    def _work(self, job: Job, order: Order) -> None:
        job.state = "working"
        job.delivery = self.studio.fill(order, job.folder)

    def _end(self, job: Job, future: Future[None]) -> None:
        job.ended = time.monotonic()
        error = None if future.cancelled() else future.exception()
        if error is None:
            job.state = "done"
        elif isinstance(error, InputError):
            job.detail, job.state = str(error), "failed"
        else:
            log.error("a job failed", exc_info=error)
            job.detail, job.state = OUR_FAULT, "failed"
        if job.id not in self._jobs:
            shutil.rmtree(job.folder, ignore_errors=True)

    def _forget_old(self) -> None:
        now = time.monotonic()
        for job in [j for j in list(self._jobs.values()) if j.ended is not None and now - j.ended > self.limits.keep]:
            self.forget(job)
