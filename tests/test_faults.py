"""What can go wrong around the program: kills, full disks, places that can't be written, two at once, clocks.

The stated outcomes are in SECURITY.md: nothing lost, nothing half-written under its final name, and the same command
again completes the work. Archives' own faults (workers, nodes, drivers) are in test_archive.py.
"""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from waiting import wait_until

from photochrom.disk import claimed, write_whole
from photochrom.errors import OutputError

SMALL_TRAINING = ["--steps", "6", "--batch-size", "2", "--precision", "32-true"]
for change in ("encoder=lite0", "decoder_channels=[24,16,16]"):
    SMALL_TRAINING += ["--set", f"generator.{change}"]
for change in ("photograph_size=64", "save_every=2", "log_every=1", "sample_every=1000", "pretrained=false"):
    SMALL_TRAINING += ["--set", change]


SMALL_PICTURES = ["--working-size", "64"]  # of films and archives, where faults are the point, not colors


def photochrom(*arguments, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "photochrom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, **options)


def start(*arguments, output=subprocess.DEVNULL) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "photochrom", *map(str, arguments)]
    return subprocess.Popen(command, stdout=output, stderr=output, text=True)


def assert_one_line(result, status, *words):
    assert result.returncode == status, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("photochrom: ")]
    assert lines and "Traceback" not in result.stderr
    for word in words:
        assert word in lines[0].lower()


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.fixture
def album(tmp_path, photographs):
    folder = tmp_path / "album"
    folder.mkdir()
    for number in range(12):
        gray = photographs["coffee"][..., 1][:, number : number + 300]
        Image.fromarray(np.ascontiguousarray(gray)).save(folder / f"{number:02}.png")
    return folder


@contextmanager
def small_disk(folder: Path, size: str, *options: str):
    """A disk of this size at a folder. Skips where none can be mounted."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can't be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


# Killed


@pytest.mark.slow
def test_a_killed_colorize_goes_on(album, tmp_path):
    out = tmp_path / "color"
    process = start("colorize", album, "-o", out)
    wait_until(lambda: out.exists() and len(visible(out)) >= 3, "three photographs are done", 180)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("[0-9]*")}
    assert 3 <= len(kept) < 12
    for name in kept:
        Image.open(out / name).load()  # whole
    assert photochrom("colorize", album, "-o", out).returncode == 0
    assert visible(out) == visible(album)
    assert all((out / name).stat().st_mtime_ns == modified for name, modified in kept.items())


# Full disks


@pytest.mark.slow
def test_a_full_disk_while_coloring(album, tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        result = photochrom("colorize", album, "-o", disk)
        assert_one_line(result, 1, "cannot write", "no space")
        written = visible(disk)
        assert 0 < len(written) < 12 and {p.name for p in disk.iterdir()} == written
        for name in written:
            Image.open(disk / name).load()
        remount(disk, "size=100m")
        assert photochrom("colorize", album, "-o", disk).returncode == 0
        assert visible(disk) == visible(album)


@pytest.mark.slow
def test_a_full_disk_while_training(training_folder, tmp_path):
    pytest.importorskip("lightning_fabric")
    with small_disk(tmp_path / "disk", "8m") as disk:
        result = photochrom("train", training_folder, "--out", disk / "run", *SMALL_TRAINING)
        assert_one_line(result, 2, "cannot write", "no space", "--resume")
        assert not list((disk / "run").glob("*.part"))
        remount(disk, "size=500m")
        again = ["--resume"] if (disk / "run" / "checkpoint.pt").exists() else []
        assert photochrom("train", training_folder, "--out", disk / "run", *SMALL_TRAINING, *again).returncode == 0


@pytest.mark.slow
def test_a_full_disk_while_coloring_a_film(photographs, tmp_path):
    film = write_film(tmp_path / "old.mp4", photographs, frames=60)
    with small_disk(tmp_path / "disk", "300k") as disk:
        result = photochrom("video", film, disk / "new.mkv", "--codec", "ffv1", *SMALL_PICTURES)
        assert_one_line(result, 2, "cannot write", "no space")
        assert visible(disk) == set()
        remount(disk, "size=500m")
        assert photochrom("video", film, disk / "new.mkv", "--codec", "ffv1", *SMALL_PICTURES).returncode == 0
        assert {path.name for path in disk.iterdir()} == {"new.mkv"}


# Places that can't be written


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_read_only_destinations(album, training_folder, photographs, tmp_path, ray_address):
    film = write_film(tmp_path / "old.mp4", photographs, frames=3)
    with small_disk(tmp_path / "disk", "1m") as disk:
        remount(disk, "ro")
        assert_one_line(
            photochrom("colorize", album / "00.png", "-o", disk / "new.png"), 2, "cannot write", "read-only"
        )
        assert_one_line(photochrom("colorize", album, "-o", disk / "new"), 1, "cannot make the folder", "read-only")
        assert_one_line(photochrom("video", film, disk / "new.mp4"), 2, "cannot write", "read-only")
        assert_one_line(photochrom("archive", album, disk, "--address", ray_address), 2, "cannot write", "read-only")
        result = photochrom("train", training_folder, "--out", disk / "run", *SMALL_TRAINING)
        assert_one_line(result, 2, "cannot write", "read-only")


# Two at once


@pytest.mark.slow
def test_two_colorize_the_same_album(album, tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert photochrom("colorize", album, "-o", alone).returncode == 0
    processes = [start("colorize", album, "-o", together) for _ in range(2)]
    assert [process.wait(600) for process in processes] == [0, 0]
    assert {path.name for path in together.iterdir()} == visible(album)
    assert all((together / name).read_bytes() == (alone / name).read_bytes() for name in visible(album))


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_two_archives_at_one_destination(album, tmp_path, ray_address):
    arguments = ["archive", album, tmp_path / "new", *SMALL_PICTURES, "--address", ray_address]
    processes = [start(*arguments, "--workers", "1") for _ in range(2)]
    assert [process.wait(600) for process in processes] == [0, 0]
    assert visible(tmp_path / "new") == visible(album) | {"_photochrom"}
    again = photochrom(*arguments)
    assert again.returncode == 0 and "12 settled before, nothing to do" in again.stderr


def test_a_claim_is_one_process_s(tmp_path):
    lock = tmp_path / "lock"
    code = (
        f"import sys; from photochrom.disk import claimed; claim = claimed({str(lock)!r}, 'the run'); claim.__enter__()"
    )
    with claimed(lock, tmp_path):
        refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert refused.returncode == 1 and "another photochrom works on the run" in refused.stderr
    holder = subprocess.Popen([sys.executable, "-c", code + "; print(flush=True); sys.stdin.read()"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(OutputError, match="let it finish"), claimed(lock, tmp_path):
        pass
    holder.kill()
    holder.wait()
    with claimed(lock, tmp_path):
        pass


@pytest.mark.slow
def test_a_training_whose_output_nobody_reads_ends_quietly(training_folder, tmp_path):
    """`train | head -1` said that the run's folder can't be written."""
    pytest.importorskip("lightning_fabric")
    arguments = ["train", training_folder, "--out", tmp_path / "run", *SMALL_TRAINING]
    with start(*arguments, output=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("12 photographs of 1 set")
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1 and "photochrom: " not in said and "Traceback" not in said


@pytest.mark.slow
def test_two_trainings_or_films_at_one_place_are_refused(training_folder, photographs, tmp_path):
    pytest.importorskip("lightning_fabric")
    film = write_film(tmp_path / "old.mp4", photographs, frames=3)
    (tmp_path / "run").mkdir()
    (tmp_path / ".new.mp4.parts").mkdir()
    with claimed(tmp_path / "run" / "lock", tmp_path), claimed(tmp_path / ".new.mp4.parts" / "lock", tmp_path):
        result = photochrom("train", training_folder, "--out", tmp_path / "run", *SMALL_TRAINING)
        assert_one_line(result, 2, "another photochrom works on")
        assert_one_line(photochrom("video", film, tmp_path / "new.mp4"), 2, "another photochrom works on")
    assert photochrom("video", film, tmp_path / "new.mp4").returncode == 0


# The clock


def test_a_clock_that_was_set_back_makes_no_row_older(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    from photochrom.archive import manifest
    from photochrom.archive.stores import open_store

    store, clock = open_store(str(tmp_path)), iter([5000, 9000, 3000, 2000, 1000, *range(100)])
    monkeypatch.setattr("photochrom.archive.manifest.time.time_ns", lambda: next(clock))
    for number in range(manifest.MANY_PARTS + 4):
        row = manifest.Row("a", 1, 1, "", "a", "", "done", number, "", "model", "{}", 0.0)
        manifest.append_rows(store, [row])
        assert manifest.read_manifest(store)["a"].tries == number
    assert len(list(store.entries(manifest.FOLDER))) < manifest.MANY_PARTS


def test_nothing_is_left_of_a_write_that_failed(tmp_path, monkeypatch):
    path = tmp_path / "facts.json"
    write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"facts.json": b"old"}


def write_film(path: Path, photographs, frames: int) -> Path:
    """A film that moves over a photograph."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(frames):
            picture = np.ascontiguousarray(photographs["astronaut"][:120, number : number + 160])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path
