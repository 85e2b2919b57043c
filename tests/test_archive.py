"""Archives: stores, the manifest, what is done again, and what survives a kill."""

import csv
import errno
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

ray = pytest.importorskip("ray")

from waiting import wait_until

from photochrom import Photograph, cli
from photochrom.archive.exports import checksum_line
from photochrom.archive.finishing import line_of
from photochrom.archive.manifest import (
    DONE,
    FAILED,
    FOLDER,
    FOREIGN,
    MANY_PARTS,
    QUARANTINED,
    Row,
    append_rows,
    read_manifest,
)
from photochrom.archive.run import plan, run_archive
from photochrom.archive.stores import UNFINISHED_FOLDER, open_store, without_secrets
from photochrom.archive.worker import STOPPED, Job, Work, Worker
from photochrom.coloring import Look, Output, Request
from photochrom.disk import UNFINISHED
from photochrom.errors import InputError
from photochrom.folders import Entry
from photochrom.names import from_text
from photochrom.photo.metadata.record import Metadata

pytestmark = pytest.mark.xdist_group("ray")
COUNT = 24  # in two blocks, the engine's units: one for each of two workers
WORKING_SIZE = 128


@pytest.fixture(scope="module")
def scans(tmp_path_factory, photographs) -> Path:
    """Small scans in two folders."""
    folder = tmp_path_factory.mktemp("scans")
    (folder / "box 2").mkdir()
    gray = photographs["astronaut"][..., 1]
    for number in range(COUNT):
        left, top = 40 * (number % 8), 60 * (number // 8)
        name = f"scan-{number:02}.{'png' if number % 2 else 'jpg'}"
        Photograph(gray[top : top + 160, left : left + 200]).save(
            folder / "box 2" / name if number > 18 else folder / name
        )
    return folder


@pytest.fixture(scope="module")
def reference(scans, tmp_path_factory, ray_address) -> dict[str, bytes]:
    """The outputs of an undisturbed run."""
    destination = tmp_path_factory.mktemp("reference")
    (*_, summary) = run_archive(make_work(scans, destination), workers=2, address=ray_address, retry=False)
    assert summary.states == {DONE: COUNT}
    assert finished(destination) == names_of(destination)  # a run that ends well leaves nothing else
    return outputs_of(destination)


def make_work(source, destination, **changes) -> Work:
    work = Work.of_model("default", WORKING_SIZE, str(source), str(destination), Request(), 2, 60.0)
    return replace(work, **changes)


def job(name: str, known: str = "") -> Job:
    return Job(Entry(name, 1, 1), name, known)


def outputs_of(destination: Path) -> dict[str, bytes]:
    """The whole files: a run that ends by a fault leaves workers that write, or have just been killed at it."""
    return {name: (destination / name).read_bytes() for name in finished(destination)}


def names_of(destination: Path) -> list[str]:
    files = [path for path in destination.rglob("*") if path.is_file() and "_photochrom" not in path.parts]
    return [str(path.relative_to(destination)) for path in files]


def finished(destination: Path) -> list[str]:
    return [name for name in names_of(destination) if not Path(name).name.startswith(UNFINISHED)]


def command(*arguments):
    size = ["--working-size", str(WORKING_SIZE)]
    return [sys.executable, "-m", "photochrom", "archive", *map(str, arguments), *size]


def rows_of(destination) -> dict[str, Row]:
    return read_manifest(open_store(str(destination)))


def processes(word: str) -> list[int]:
    """Processes below this one whose command line has this word; never another's, who may run the same tests."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        process = int(path.parent.name)
        if word in command_line(path) and is_below_this(process):
            found.append(process)
    return found


def command_line(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def is_below_this(process: int) -> bool:
    while process > 1:
        process = parent_of(process)
        if process == os.getpid():
            return True
    return False


def parent_of(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


# Stores and manifest


@pytest.mark.parametrize("kind", ["folder", "file URL", "memory URL"])
def test_stores(kind, tmp_path):
    url = {"folder": str(tmp_path), "file URL": tmp_path.as_uri(), "memory URL": f"memory://{tmp_path}"}[kind]
    store = open_store(url)
    store.write("a/b c.txt", b"one")
    store.write("a/b c.txt", b"three")
    store.write("d.txt", b"")
    assert [(entry.name, entry.size) for entry in store.entries()] == [("a/b c.txt", 5), ("d.txt", 0)]
    assert store.read("a/b c.txt") == b"three"
    store.delete("d.txt")
    assert [entry.name for entry in store.entries("a")] == ["a/b c.txt"] and not list(store.entries("nowhere"))


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    store = open_store(str(tmp_path))
    store.write("a.txt", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        store.write("a.txt", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and store.read("a.txt") == b"old"


@pytest.mark.parametrize("url", ["nonsense://bucket/x", "/nowhere/at/all"])
def test_wrong_urls_are_one_line(url, tmp_path):
    result = CliRunner().invoke(cli.main, ["archive", url, str(tmp_path)])
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1 and "Traceback" not in result.output


def test_manifests_of_versions_without_a_column_are_read(tmp_path):
    store, row = open_store(str(tmp_path)), Row("a", 1, 2, "", "b", "", DONE, 1, "", "m", "{}", 0.5, "the sound")
    append_rows(store, [row])
    (part,) = (tmp_path / FOLDER).iterdir()
    pq.write_table(pq.read_table(part).drop(["left_out"]), part)
    assert read_manifest(store) == {"a": replace(row, left_out="")}


def test_what_outputs_lack_of_metadata_is_said_once(tmp_path, photographs):
    gray = photographs["astronaut"][:64, :64, 1]
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in").mkdir(exist_ok=True)
        Photograph(gray, metadata=Metadata(comments=(b"Haus",))).save(tmp_path / "in" / name)
    work = make_work(tmp_path / "in", tmp_path / "out", request=Request(output=Output("bmp", mark=False)))
    *_, summary = run_archive(work, workers=1, address=None, retry=False)
    said = "comments, which BMP can't hold"
    assert summary.metadata_left_out == {said: 2}
    assert {row.left_out for row in rows_of(tmp_path / "out").values()} == {said}


def test_secrets_in_urls_are_in_no_message_or_record(tmp_path):
    url = "s3://KEY:SE%2FCRET@museum/scans?region=eu"
    work = replace(make_work(tmp_path, tmp_path), source=url)
    row = Row("a b?.jpg", 1, 2, "", "b", "", FAILED, 1, "", "m", "{}", 0.5)
    assert line_of(row, work).source == "s3://museum/scans/a b?.jpg"
    assert without_secrets("scans?/x@y") == "scans?/x@y"
    with pytest.raises(InputError) as caught:
        open_store("nothing://KEY:SECRET@museum/scans")
    assert "SECRET" not in str(caught.value) and "nothing://museum/scans" in str(caught.value)


def test_what_is_not_supported_has_failed_and_crashes_nobody(tmp_path, worker):
    (tmp_path / "x.jpg").write_bytes(b"8BPS\0\1")
    odd = Worker(replace(worker.work, source=str(tmp_path), destination=str(tmp_path / "out")))
    row = odd.color(job("x.jpg"))
    assert (row.state, row.tries) == (FAILED, 1) and row.error.startswith("x.jpg is not supported: PSD")


def test_failures_are_named_even_if_a_table_cannot_be_written(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no photograph")
    (tmp_path / "file").write_bytes(b"")
    words = ("--workers", "1", "--csv", str(tmp_path / "file" / "x.csv"))
    told = subprocess.run(command(tmp_path / "in", tmp_path / "out", *words), capture_output=True, text=True)
    assert told.returncode == 2 and "bad.jpg is not supported" in told.stderr and "cannot make" in told.stderr


def test_the_last_row_counts_and_many_parts_are_merged(tmp_path):
    store = open_store(str(tmp_path))
    row = Row("a.jpg", 1, 2, "c", "a.jpg", "d", FAILED, 1, "why", "m", "s", 0.5)
    for number in range(MANY_PARTS + 1):
        append_rows(store, [replace(row, source=f"{number % 5}.jpg", tries=number)])
    expected = {f"{n % 5}.jpg": replace(row, source=f"{n % 5}.jpg", tries=n) for n in range(MANY_PARTS + 1)}
    assert read_manifest(store) == expected
    assert len(list(store.entries(FOLDER))) == 1 and read_manifest(store) == expected


def test_a_damaged_manifest_says_so(tmp_path):
    open_store(str(tmp_path)).write(f"{FOLDER}/1.parquet", b"no")
    with pytest.raises(InputError, match=r"1\.parquet"):
        rows_of(tmp_path)


def test_destinations_inside_the_source_are_refused(scans):
    with pytest.raises(InputError, match="another destination"):
        next(iter(run_archive(make_work(scans, scans / "color"), workers=1, address=None, retry=False)))


def test_outputs_of_one_name_get_their_sources_whole_names(tmp_path, scans):
    for suffix in ("jpg", "png", "tif"):
        Photograph(np.zeros((20, 20), np.uint8)).save(tmp_path / f"a.{suffix}")
    store = open_store(str(tmp_path))
    work = make_work(tmp_path, scans, request=Request(output=Output("png")))
    missing, _ = plan(work, store, open_store(str(scans)), retry=False)
    assert {job.entry.name: job.output for job in missing} == {
        "a.jpg": "a.jpg.png", "a.png": "a.png", "a.tif": "a.tif.png",
    }  # fmt: skip


# Runs


@pytest.mark.slow
def test_the_outputs_are_the_command_lines(reference, scans, tmp_path):
    """Byte for byte what `photochrom colorize` makes of the same folder."""
    arguments = ["colorize", scans, "-o", tmp_path / "color", "--working-size", WORKING_SIZE]
    result = CliRunner().invoke(cli.main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert len(reference) == COUNT and "box 2/scan-19.png" in reference
    assert outputs_of(tmp_path / "color") == reference


@pytest.mark.slow
def test_a_second_run_does_what_is_missing_or_has_changed(reference, scans, tmp_path, ray_address):
    source, destination = tmp_path / "scans", tmp_path / "color"
    run = command(source, destination, "--address", ray_address)
    subprocess.run(["cp", "-rp", scans, source], check=True)
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert outputs_of(destination) == reference and f"{COUNT} done" in done.stderr
    assert finished(destination) == names_of(destination)
    times = {path: path.stat().st_mtime_ns for path in destination.rglob("scan-*")}
    again = subprocess.run(run, capture_output=True, text=True, check=True)
    assert f"{COUNT} settled before, nothing to do" in again.stderr
    (destination / "scan-00.jpg").unlink()
    (source / "scan-02.jpg").write_bytes((source / "scan-04.jpg").read_bytes())
    (source / "bad.jpg").write_bytes(b"bad")
    third = subprocess.run(run, capture_output=True, text=True)
    assert (
        third.returncode == 1
        and "2 done, 1 failed" in third.stderr
        and "bad.jpg is not supported: unknown format" in third.stderr
    )
    changed = {path.name for path, was in times.items() if path.stat().st_mtime_ns != was}
    assert changed == {"scan-00.jpg", "scan-02.jpg"}
    assert rows_of(destination)["bad.jpg"].state == FAILED
    work = make_work(source, destination, tries=3, seconds=300.0)
    missing, _ = plan(work, open_store(str(source)), open_store(str(destination)), retry=False)
    assert missing == []
    for change in (
        {"request": Request(Look(strength=1.5))},
        {"request": Request(Look(warmth=0.5))},
        {"request": Request(crop_border=True)},
        {"model_digest": "another"},
        {"working_size": 64},
    ):
        missing, _ = plan(replace(work, **change), open_store(str(source)), open_store(str(destination)), retry=False)
        assert len(missing) == COUNT + 1
    retried, _ = plan(work, open_store(str(source)), open_store(str(destination)), retry=True)
    assert [job.entry.name for job in retried] == ["bad.jpg"]


def run_and_kill(scans, destination: Path, kill: Callable[[], None], address: str) -> Counter[str]:
    """Run with two workers, call kill once some photographs are done, and return the states of all rows."""
    states: Counter[str] = Counter()
    killed = False
    for summary in run_archive(make_work(scans, destination), workers=2, address=address, retry=False):
        if sum(summary.states.values()) >= 1 and not killed:
            kill()
            killed = True
        states = summary.states
    assert killed
    return states


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(reference, scans, tmp_path, ray_address):
    def kill():
        victims = processes("ray::MapWorker")
        assert len(victims) >= 1
        os.kill(victims[0], signal.SIGKILL)

    assert run_and_kill(scans, tmp_path, kill, ray_address) == {DONE: COUNT}
    assert outputs_of(tmp_path) == reference and set(rows_of(tmp_path)) == set(reference)


@pytest.mark.slow
def test_a_killed_node_loses_nothing(reference, scans, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        states = run_and_kill(scans, tmp_path, lambda: cluster.remove_node(node, allow_graceful=False), cluster.address)
        assert states == {DONE: COUNT} and outputs_of(tmp_path) == reference
    finally:
        cluster.shutdown()


@pytest.mark.slow
def test_a_killed_driver_goes_on(reference, scans, tmp_path):
    """With a cluster of its own, as the command line starts one where no address is given."""
    process = subprocess.Popen(command(scans, tmp_path), stderr=subprocess.DEVNULL)
    wait_until(lambda: len(finished(tmp_path)) >= 3 or process.poll() is not None, "three photographs are done", 180)
    process.kill()
    process.wait()
    assert len(finished(tmp_path)) < COUNT, "killed too late to show anything"
    subprocess.run(command(scans, tmp_path), check=True)
    assert outputs_of(tmp_path) == reference
    assert set(rows_of(tmp_path)) == set(reference)


@pytest.mark.slow
def test_a_folder_as_it_is_found(tmp_path, photographs, ray_address):
    """Odd names, links, foreign files, two of one name, what failed before; records, tables and checksums of it."""
    source, destination = tmp_path / "scans", tmp_path / "color"
    gray = Photograph(photographs["astronaut"][:100, :100, 1])
    odd = ["stra\udcdfe.jpg", "new\nline.jpg", "back\\slash.jpg", "looks\\n.jpg", "sub/a.jpg"]
    for name in [*odd, "scan.tif", "scan.gif", "scan.png", ".thumbnails/x.jpg", "@eaDir/x.jpg", "mine.jpg"]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(gray.encode("jpeg"))
    (source / "sub" / "up").symlink_to("..")
    (source / "dead.jpg").symlink_to("/nowhere/at/all")
    (source / "bad.jpg").write_bytes(b"nothing")
    (source / "notes.txt").write_bytes(b"text")
    (source / "scan.tif.xmp").write_bytes(b"<x/>")
    os.utime(source / "sub" / "a.jpg", (10**9, 10**9))
    destination.mkdir()
    (destination / "mine.jpg").write_bytes(b"someone's own")
    files = ["--csv", tmp_path / "m.csv", "--checksums", tmp_path / "SUMS", "--record", tmp_path / "r.jsonl"]
    run = command(source, destination, "--address", ray_address, *files, "--sidecars", "--keep-date")
    first = subprocess.run(run, capture_output=True, text=True)
    assert first.returncode == 1 and "8 done, 2 failed, 1 foreign" in first.stderr, first.stderr
    assert "mine.jpg is there already" in first.stderr and "1 .txt" in first.stderr and "1 link" in first.stderr
    assert all(line.startswith(("photochrom: ", "11 photographs: ")) for line in first.stderr.splitlines())
    made = {*odd, "scan.tif", "scan.gif.png", "scan.png"}
    assert set(names_of(destination)) == {*made, "scan.tif.xmp", "mine.jpg"}
    assert (destination / "mine.jpg").read_bytes() == b"someone's own"
    assert (destination / "sub" / "a.jpg").stat().st_mtime == 10**9
    assert not (destination / UNFINISHED_FOLDER).exists()
    checked = subprocess.run(["sha256sum", "-c", "--strict", tmp_path / "SUMS"], cwd=destination, capture_output=True)
    assert checked.returncode == 0 and checked.stdout.count(b": OK\n") == len(made), checked.stderr
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert {from_text(row["source"]): row["state"] for row in table if row["state"] != DONE} == {
        "bad.jpg": FAILED, "dead.jpg": FAILED, "mine.jpg": FOREIGN,
    }  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert Counter(line["outcome"] for line in lines) == {"colored": 8, FAILED: 2, FOREIGN: 1}
    assert all(len(line["model_sha256"]) == 64 for line in lines)
    again = subprocess.run(run, capture_output=True, text=True)
    assert again.returncode == 1 and "11 settled before (3 of them without a color version), nothing" in again.stderr
    assert "bad.jpg is not supported: unknown format" in again.stderr and "--retry" in again.stderr
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 11
    (source / "bad.jpg").unlink()
    (source / "dead.jpg").unlink()
    told = subprocess.run([*run, "--overwrite"], capture_output=True, text=True)
    assert told.returncode == 0 and "9 settled before" not in told.stderr and "1 done" in told.stderr, told.stderr
    assert (destination / "mine.jpg").read_bytes() == (destination / "sub" / "a.jpg").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_a_stopped_archive_leaves_nothing_unfinished(scans, tmp_path, again):
    process = subprocess.Popen(command(scans, tmp_path, "--workers", "1"), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(finished(tmp_path)) >= 2 or process.poll() is not None, "two photographs are done", 300)
    process.send_signal(signal.SIGTERM)
    if again:
        time.sleep(1.2)  # sooner it would count as the same signal
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM) and "Traceback" not in said, said
    time.sleep(1)  # Ray's workers end a moment later
    assert finished(tmp_path) == names_of(tmp_path) and len(finished(tmp_path)) < COUNT
    assert not list(tmp_path.rglob(f"{UNFINISHED}*"))


# A single worker


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


def test_what_was_written_once_is_known_whatever_failed_since(tmp_path, scans):
    store, source = open_store(str(tmp_path)), open_store(str(scans))
    work = make_work(scans, tmp_path)
    row = Row("scan-00.jpg", 1, 2, "c", "scan-00.jpg", "d" * 64, DONE, 1, "", work.model_digest, work.settings, 0.5)
    append_rows(store, [row, replace(row, output="scan-00.png", output_checksum="e" * 64)])
    for number in range(MANY_PARTS + 1):
        append_rows(store, [replace(row, source=f"{number}.jpg", output=f"{number}.jpg", output_checksum="")])
    for _ in range(2):  # also after the parts are merged
        jobs, _ = plan(work, source, store, retry=False)
        assert next(job.known for job in jobs if job.output == "scan-00.jpg") == "d" * 64
    png, _ = plan(replace(work, request=Request(output=Output("png"))), source, store, retry=False)
    assert next(job.known for job in png if job.output == "scan-00.png") == "e" * 64


def test_a_foreign_file_that_was_moved_away_is_no_failure_any_more(tmp_path, scans):
    store, source = open_store(str(tmp_path)), open_store(str(scans))
    work = make_work(scans, tmp_path)
    entry = next(entry for entry in source.entries() if entry.name == "scan-00.jpg")
    model = (work.model_digest, work.settings, 0.5)
    row = Row("scan-00.jpg", entry.size, entry.modified, "c", "scan-00.jpg", "", FOREIGN, 1, "is there already", *model)
    append_rows(store, [row])
    (tmp_path / "scan-00.jpg").write_bytes(b"someone's")

    def is_planned(**changes):
        return "scan-00.jpg" in {job.output for job in plan(replace(work, **changes), source, store, retry=False)[0]}

    assert not is_planned() and is_planned(overwrite=True)
    assert plan(work, source, store, retry=False)[1].before == ["scan-00.jpg: is there already"]
    (tmp_path / "scan-00.jpg").unlink()
    assert is_planned()


@pytest.mark.parametrize("name", ["a.jpg", "new\nline.jpg", "back\\slash", "cr\r.jpg", "stra\udcdfe.jpg", "\\n.jpg"])
def test_checksum_lines_are_those_of_sha256sum(tmp_path, name):
    (tmp_path / name).write_bytes(b"content")
    printed = subprocess.run(["sha256sum", "--", name], cwd=tmp_path, capture_output=True, check=True).stdout
    assert checksum_line(name, hashlib.sha256(b"content").hexdigest()) == printed


def test_dates_need_a_folder(scans):
    result = CliRunner().invoke(cli.main, ["archive", str(scans), "memory://x/y", "--keep-date"])
    assert result.exit_code == 2 and "--keep-date needs a folder" in result.output


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


@pytest.mark.slow
def test_a_full_disk_stops_cleanly_and_goes_on(reference, scans, tmp_path):
    """With clusters and processes of their own: Ray Data can't go from one cluster to another in a process."""
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", tmp_path], capture_output=True
        ).returncode
    ):
        pytest.skip("a small disk can't be mounted here")
    try:
        run = command(scans, tmp_path, "--workers", "2")
        stopped = subprocess.run(run, capture_output=True, text=True)
        assert stopped.returncode == 2 and "run the same command again" in stopped.stderr
        written = outputs_of(tmp_path)
        assert written and all(reference[name] == content for name, content in written.items())
        subprocess.run(["mount", "-o", "remount,size=100m", tmp_path], check=True)
        subprocess.run(run, check=True, capture_output=True)
        assert outputs_of(tmp_path) == reference
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


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


def test_relative_folders_reach_workers_as_absolute_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = Work("scans", "s3://museum/color", Request(), "default", "digest", 256).anywhere()
    assert (work.source, work.destination, work.model) == (str(tmp_path / "scans"), "s3://museum/color", "default")
    assert replace(work, model="mine.onnx").anywhere().model == str(tmp_path / "mine.onnx")


def test_outputs_have_the_format_of_their_names():
    work = Work("scans", "color", Request(), "default", "digest", 256)
    names = {"a.gif": "a.png", "b/c.heic": "b/c.heic", "d.JPG": "d.JPG", "e.tif": "e.tif"}
    assert {name: work.output_name(name) for name in names} == names
    assert [work.format_of_output(name) for name in names] == ["png", "heic", "jpeg", "tiff"]
    assert replace(work, request=Request(output=Output("webp"))).output_name("d.JPG") == "d.webp"
