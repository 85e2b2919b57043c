"""The service without HTTP: slots, workers, jobs, and how it stops."""

import io
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from photochrom.errors import Busy, Stopping, UnknownJob
from photochrom.photo.photograph import Photograph
from photochrom.service.jobs import Jobs
from photochrom.service.service import Service, Upload
from photochrom.settings import Limits


@pytest.fixture(scope="module")
def picture() -> bytes:
    return Photograph(np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16).encode("png")


def wait_until(condition, seconds=20):
    """Wait until something is true, however busy the machine is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def upload(picture: bytes, **fields) -> Upload:
    return Upload(lambda: picture, "old.png", **fields)


def test_slots_are_counted_and_refused(loud):
    service = Service(loud, Limits(queue=2))
    service.take_slot()
    service.take_slot()
    with pytest.raises(Busy, match="2 photographs are waiting"):
        service.take_slot()
    assert service.held == 2
    service.free_slot()
    service.free_slot()
    assert service.held == 0
    service.close()
    with pytest.raises(Stopping):
        service.take_slot()


def test_jobs_that_nobody_can_fetch_any_more_are_not_colored(held, picture, tmp_path):
    """Closing gives up jobs that wait, because their results would be deleted at once."""
    service = Service(held, Limits(workers=1))
    jobs = Jobs(service)
    started = [jobs.start(upload(picture), io.BytesIO(picture)) for _ in range(5)]
    wait_until(lambda: started[0].state == "working" and held.backend.asked == 1)
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(jobs.close)
        wait_until(lambda: all(job.future.cancelled() for job in started[1:]))
        held.backend.open.set()
        closing.result(20)
    service.close()
    assert held.backend.asked == 2  # only the first job, in both views
    assert not started[0].folder.parent.exists()


def test_a_forgotten_job_makes_no_more_variants(held, picture):
    service = Service(held, Limits(workers=1))
    jobs = Jobs(service)
    job = jobs.start(upload(picture, variants=8), io.BytesIO(picture))
    wait_until(lambda: held.backend.asked == 1)
    jobs.forget(job)
    held.backend.open.set()
    wait_until(job.future.done)
    wait_until(lambda: not job.folder.exists())
    assert held.backend.asked <= 4
    with pytest.raises(UnknownJob):
        jobs.find(job.id)
    jobs.close()
    service.close()


def test_jobs_that_come_together_stay_within_the_limit(held, picture):
    """No thread can add a job between the count and the addition of another thread."""
    service = Service(held, Limits(workers=1, jobs=3))
    jobs = Jobs(service)

    def start(_: int) -> bool:
        try:
            jobs.start(upload(picture), io.BytesIO(picture))
        except Busy:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(start, range(64))) == 3
    held.backend.open.set()
    jobs.close()
    service.close()


def test_a_job_that_could_not_be_taken_leaves_its_room(loud, picture):
    class FullDisk(io.BytesIO):
        def read(self, *_):
            raise OSError(28, "No space left on device")

    service = Service(loud, Limits(jobs=1))
    jobs = Jobs(service)
    with pytest.raises(OSError, match="No space"):
        jobs.start(upload(picture), FullDisk())
    job = jobs.start(upload(picture), io.BytesIO(picture))
    wait_until(lambda: job.state == "done")
    jobs.close()
    service.close()


def test_nobody_waits_for_a_closed_service(loud):
    service = Service(loud, Limits())
    service.close()
    with pytest.raises(Stopping):
        service.batcher.predict_one(np.zeros((64, 64), np.uint8))


def test_a_job_that_was_given_up_has_failed(held, picture):
    service = Service(held, Limits(workers=1))
    jobs = Jobs(service)
    first, second = (jobs.start(upload(picture), io.BytesIO(picture)) for _ in range(2))
    wait_until(lambda: first.state == "working")
    service.give_up()
    wait_until(lambda: second.state == "failed")
    held.backend.open.set()
    wait_until(lambda: first.state == "done")
    jobs.close()
    service.close()
