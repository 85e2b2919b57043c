"""Jobs: photographs that are uploaded now and fetched in color later. They and their results are on disk."""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
import threading
import time
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

from photochrom.errors import OUR_FAULT, Busy, InputError, UnknownJob
from photochrom.service.service import Abandoned, Result, Service, Upload

log = logging.getLogger(__name__)


@dataclass
class Job:
    """An upload, how far it is, and its result."""

    id: str
    folder: Path  # of its photograph and its result
    state: Literal["waiting", "working", "done", "failed"] = "waiting"
    detail: str | None = None  # why it failed
    result: Result | None = None
    ended: float | None = None  # by the monotonic clock, which doesn't change with the system time
    abandoned: bool = False
    future: Future[None] = field(default_factory=Future)


class Jobs:
    """All jobs of a service; those that ended long ago are forgotten."""

    def __init__(self, service: Service):
        self.service, self.limits = service, service.limits
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="photochrom-jobs-")

    def start(self, upload: Upload, photograph: BinaryIO) -> Job:
        """Start a job for an upload, whose photograph is copied. Raises Busy if there are too many jobs."""
        self._forget_old()
        name = secrets.token_urlsafe(16)
        job = Job(name, Path(self._folder.name) / name)
        with self._lock:
            if len(self._jobs) >= self.limits.jobs:
                raise Busy(f"{len(self._jobs)} jobs are waiting or not fetched yet: try again later", 30)
            self._jobs[name] = job
        try:
            job.folder.mkdir()
            copy = job.folder / "photograph"
            with copy.open("wb") as file:
                shutil.copyfileobj(photograph, file)
            job.future = self.service.submit(lambda: self._work(job, replace(upload, read=copy.read_bytes)))
        except BaseException:  # a full disk, for example: the job must not count any more
            self.forget(job)
            raise
        job.future.add_done_callback(lambda future: self._end(job, future))
        if job.abandoned:  # closed meanwhile
            self.forget(job)
        return job

    def find(self, name: str) -> Job:
        """The job of this id. Raises UnknownJob."""
        self._forget_old()
        job = self._jobs.get(name)
        if job is None:
            raise UnknownJob("there is no such job; jobs are forgotten some time after they end")
        return job

    def forget(self, job: Job) -> None:
        """Delete a job and its files. If it is in work, its remaining variants are given up."""
        with self._lock:
            self._jobs.pop(job.id, None)
        job.abandoned = True
        job.future.cancel()
        if job.future.done() or not job.future.running():
            shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """Give up all jobs, because nobody could fetch their results any more, and wait for those in work."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            self.forget(job)
        wait([job.future for job in jobs if job.future.running()])
        self._folder.cleanup()

    def _work(self, job: Job, upload: Upload) -> None:
        job.state = "working"
        job.result = self.service.color(upload, job.folder, is_abandoned=lambda: job.abandoned)

    def _end(self, job: Job, future: Future[None]) -> None:
        job.ended = time.monotonic()
        error = Abandoned() if future.cancelled() else future.exception()
        if error is None:
            job.state = "done"
        elif isinstance(error, (InputError, Abandoned)):
            job.detail, job.state = str(error), "failed"
        else:
            log.error("a job failed", exc_info=error)
            job.detail, job.state = OUR_FAULT, "failed"
        if job.abandoned:
            shutil.rmtree(job.folder, ignore_errors=True)

    def _forget_old(self) -> None:
        now = time.monotonic()
        with self._lock:
            old = [job for job in self._jobs.values() if job.ended is not None and now - job.ended > self.limits.keep]
        for job in old:
            self.forget(job)
