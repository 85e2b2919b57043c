"""Archives: what a run makes, what a second one does again, and what survives a kill or a full disk."""

import csv
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

ray = pytest.importorskip("ray")

from small_archives import COUNT, WORKING_SIZE, command, finished, make_work, names_of, outputs_of, processes, rows_of
from waiting import wait_until

from photochrom import Photograph, cli
from photochrom.archive.manifest import DONE, FAILED, FOREIGN
from photochrom.archive.run import plan, run_archive
from photochrom.archive.stores import UNFINISHED_FOLDER, open_store
from photochrom.coloring import Look, Output, Request
from photochrom.disk import UNFINISHED
from photochrom.names import from_text
from photochrom.photo.metadata.record import Metadata

pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture(scope="module")
def reference(scans, tmp_path_factory, ray_address) -> dict[str, bytes]:
    """The outputs of an undisturbed run."""
    destination = tmp_path_factory.mktemp("reference")
    (*_, summary) = run_archive(make_work(scans, destination), workers=2, address=ray_address, retry=False)
    assert summary.states == {DONE: COUNT}
    assert finished(destination) == names_of(destination)  # a run that ends well leaves nothing else
    return outputs_of(destination)


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
