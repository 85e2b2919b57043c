"""A worker of an archive alone, and what is refused or fails in one line before workers start."""

import errno
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

ray = pytest.importorskip("ray")

from small_archives import command, job, make_work, names_of, processes

from photochrom import Photograph, cli
from photochrom.archive.manifest import DONE, FAILED, FOREIGN, QUARANTINED
from photochrom.archive.run import run_archive
from photochrom.archive.worker import STOPPED, Worker
from photochrom.coloring import Look, Request
from photochrom.errors import InputError

pytestmark = pytest.mark.xdist_group("ray")


def test_what_is_not_supported_has_failed_and_crashes_nobody(tmp_path, worker):
    (tmp_path / "x.jpg").write_bytes(b"8BPS\0\1")
    odd = Worker(replace(worker.work, source=str(tmp_path), destination=str(tmp_path / "out")))
    row = odd.color(job("x.jpg"))
    assert (row.state, row.tries) == (FAILED, 1) and row.error.startswith("x.jpg is not supported: PSD")


@pytest.mark.slow
def test_only_what_photochrom_wrote_is_replaced(worker, tmp_path):
    done = worker.color(job("scan-00.jpg"))
    output = tmp_path / "scan-00.jpg"
    assert done.state == DONE
    assert worker.color(job("scan-00.jpg")).state == DONE  # the same content: a killed run's, say
    worker.work = replace(worker.work, request=Request(Look(strength=0.3)))
    weaker = worker.color(job("scan-00.jpg"))  # its mark says that photochrom made it, if the manifest doesn't
    assert weaker.state == DONE and weaker.output_checksum != done.output_checksum
    before = output.stat().st_mtime_ns
    assert worker.color(job("scan-00.jpg")) == replace(weaker, tries=0, seconds=0.0)  # nothing to do
    assert output.stat().st_mtime_ns == before
    output.write_bytes(output.read_bytes() + b"changed")
    assert worker.color(job("scan-00.jpg")).state == FOREIGN
    output.write_bytes(b"retouched by hand")
    row = worker.color(job("scan-00.jpg", known=done.output_checksum))
    assert row.state == FOREIGN and "--overwrite" in row.error and output.read_bytes() == b"retouched by hand"
    worker.work = replace(worker.work, overwrite=True)
    assert worker.color(job("scan-00.jpg")).state == DONE and output.read_bytes() != b"retouched by hand"


@pytest.fixture
def worker(scans, tmp_path):
    worker = Worker(make_work(scans, tmp_path))
    yield worker
    worker.child.stop()
    worker.child.join()


@pytest.mark.slow
def test_a_file_that_hangs_is_quarantined_and_the_rest_goes_on(tmp_path, photographs):
    source = tmp_path / "source"
    source.mkdir()
    slow = np.tile(photographs["astronaut"][..., 1], (16, 16))
    Photograph(slow).save(source / "slow.bmp")  # 67 megapixels, and quick to write
    Photograph(slow[:100, :100]).save(source / "fast.png")
    worker = Worker(make_work(source, tmp_path / "color", tries=2, seconds=60.0))
    worker.color(job("fast.png"))  # starting a child takes a while
    worker.work = replace(worker.work, seconds=2.0)
    jobs = [job(name).to_columns() for name in ("slow.bmp", "fast.png")]
    rows = worker({key: [columns[key] for columns in jobs] for key in jobs[0]})
    worker.child.stop()
    assert rows["state"] == [QUARANTINED, DONE] and rows["tries"][0] == 2 and "longer than 2" in rows["error"][0]
    assert names_of(tmp_path / "color") == ["fast.png"]


@pytest.mark.slow
def test_a_file_that_kills_its_child_is_quarantined(worker):
    assert worker.color(job("scan-00.jpg")).state == DONE
    stop = threading.Event()

    def murder():
        while not stop.is_set():
            for process in processes("multiprocessing.spawn"):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    thread = threading.Thread(target=murder)
    thread.start()
    try:
        row = worker.color(job("scan-01.png"))
    finally:
        stop.set()
        thread.join()
    assert row.state == QUARANTINED and row.tries == 2 and "crashed" in row.error
    assert worker.color(job("scan-01.png")).state == DONE


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_destination_that_takes_no_more_stops_the_run(worker, number, monkeypatch):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(type(worker.destination), "write", refuse)
    row = worker.color(job("scan-00.jpg"))
    assert row.state == STOPPED and os.strerror(number).lower() in row.error


def test_a_full_folder_of_temporary_files_is_not_told_of_the_destination(worker, monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(worker.child, "schedule", lambda *_, **__: SimpleNamespace(result=full))
    row = worker.color(job("scan-00.jpg"))
    assert row.state == STOPPED and row.error == f"cannot write {tempfile.gettempdir()}: no space left on device"


# Refused in one line


@pytest.mark.parametrize("url", ["nonsense://bucket/x", "/nowhere/at/all"])
def test_wrong_urls_are_one_line(url, tmp_path):
    result = CliRunner().invoke(cli.main, ["archive", url, str(tmp_path)])
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1 and "Traceback" not in result.output


def test_destinations_inside_the_source_are_refused(scans):
    with pytest.raises(InputError, match="another destination"):
        next(iter(run_archive(make_work(scans, scans / "color"), workers=1, address=None, retry=False)))


def test_dates_need_a_folder(scans):
    result = CliRunner().invoke(cli.main, ["archive", str(scans), "memory://x/y", "--keep-date"])
    assert result.exit_code == 2 and "--keep-date needs a folder" in result.output


def test_failures_are_named_even_if_a_table_cannot_be_written(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no photograph")
    (tmp_path / "file").write_bytes(b"")
    words = ("--workers", "1", "--csv", str(tmp_path / "file" / "x.csv"))
    told = subprocess.run(command(tmp_path / "in", tmp_path / "out", *words), capture_output=True, text=True)
    assert told.returncode == 2 and "bad.jpg is not supported" in told.stderr and "cannot make" in told.stderr


@pytest.mark.parametrize(
    "error, said",
    [
        (Exception("The current node timed out during startup. GCS is slow"), "it takes too long, so try again"),
        (Exception("No room"), "no room"),
    ],
)
def test_ray_that_does_not_start_is_one_line(scans, tmp_path, monkeypatch, error, said):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("ray.init", fail)
    result = CliRunner().invoke(cli.main, ["archive", str(scans), str(tmp_path / "new")])
    assert result.exit_code == 2 and result.output.count("\n") == 1
    assert f"Ray can't be started on this machine: {said}" in result.output


def test_a_cluster_that_does_not_answer_is_one_line_at_once(scans, tmp_path):
    began = time.monotonic()
    with socket.socket() as listener:  # bound, and so nobody else's; but nobody listens
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        result = CliRunner().invoke(cli.main, ["archive", str(scans), str(tmp_path / "new"), "--address", address])
    assert result.exit_code == 2 and f"no Ray cluster answers at {address}" in result.output
    assert len(result.output.splitlines()) == 1 and time.monotonic() - began < 20


@pytest.mark.parametrize("kind", ["nonesuch", "empty run", "not a model"])
@pytest.mark.slow
def test_a_model_that_cannot_be_used_is_one_line_before_anything_starts(tmp_path, scans, kind):
    model = tmp_path / kind
    if kind == "empty run":
        model.mkdir()
    elif kind == "not a model":
        model.write_bytes(b"<html>")
    words = [*command(scans, tmp_path / "color"), "--model", str(model)]
    refused = subprocess.run(words, capture_output=True, text=True)
    assert (
        refused.returncode == 2 and refused.stderr.startswith("photochrom: ") and len(refused.stderr.splitlines()) == 1
    )
    assert not (tmp_path / "color").exists()


@pytest.mark.parametrize("kind", ["starting", "working"])
def test_an_engine_that_fails_is_one_line(tmp_path, scans, monkeypatch, kind):
    """Ray gives up in its own ways: a user gets one line, and the rows so far stand in the manifest."""
    from photochrom.archive import run as run_module

    def fail(*_, **__):
        raise RuntimeError("Timed out waiting for a file") if kind == "starting" else ray.exceptions.RayActorError()

    if kind == "starting":
        monkeypatch.setattr(run_module.ray, "init", fail)
    else:
        monkeypatch.setattr(run_module, "cluster", lambda *_: nullcontext())
        monkeypatch.setattr(run_module, "_rows", fail)
    runner = CliRunner().invoke(cli.main, ["archive", str(scans), str(tmp_path / "color"), "--workers", "1"])
    assert runner.exit_code == 2 and "Ray" in runner.output and len(runner.output.strip().splitlines()) == 1
