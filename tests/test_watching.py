"""Folders that are watched: photographs are colored when they arrive, each once it is complete."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from small_albums import colorize
from waiting import wait_until

from photochrom import Photograph

watching = pytest.importorskip("photochrom.watching", exc_type=ImportError)

GRAY = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))


class Clock:
    """What the module `time` is to whoever only asks what time it is."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.png"
    Photograph(GRAY).save(path)
    return path


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_photographs_are_colored_when_they_arrive(tmp_path, old, rgb):
    inbox, out, log = tmp_path / "inbox", tmp_path / "inbox" / "color", tmp_path / "log"
    inbox.mkdir()
    shutil.copy(old, inbox / "first.png")
    (inbox / "notes.txt").write_text("x")
    command = [sys.executable, "-m", "photochrom", "colorize", "--watch", str(inbox), "-o", str(out)]
    with log.open("w") as told:
        process = subprocess.Popen([*command, "--working-size", "32"], stderr=told)

    def is_there(*names):
        told = [str(out / name) for name in names]  # which follows the file itself
        wait_until(lambda: set(told) <= set(log.read_text().splitlines()), f"{names} are colored", 120)

    try:
        is_there("first.png")
        content = old.read_bytes()
        with (inbox / "slow.png").open("wb") as file:  # still being written: nothing is read of it
            for begin in range(0, len(content), len(content) // 12):
                file.write(content[begin : begin + len(content) // 12])
                file.flush()
                wait_a_moment()
        (inbox / "sub").mkdir()
        (inbox / "bad.jpg").write_bytes(b"nothing")
        Photograph(rgb).save(inbox / "cup.jpg")
        os.replace(shutil.copy(old, tmp_path / "moved"), inbox / "sub" / "moved.png")
        is_there("slow.png", "sub/moved.png")
        wait_until(lambda: "bad.jpg" in log.read_text() and "cup.jpg" in log.read_text(), "troubles are named", 60)
        shutil.copy(old, inbox / "last.png")
        is_there("last.png")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    lines = log.read_text().splitlines()
    assert process.returncode == 128 + signal.SIGINT and lines[-1] == "photochrom: stopped"
    assert [sum(name in line for line in lines) for name in ("bad.jpg", "cup.jpg", "notes.txt")] == [1, 1, 1]
    assert {str(out / name) for name in ("first.png", "slow.png", "sub/moved.png", "last.png")} < set(lines)
    assert len(lines) == 8 and not list(inbox.rglob(".photochrom-*"))


def test_a_file_is_complete_when_nothing_is_written_for_two_seconds(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    settling, path = watching._Settling(), tmp_path / "slow.png"
    for number in range(5):
        path.write_bytes(b"x" * (number + 1))
        assert settling.settled([str(path)]) == []
        clock.now += 1.9
        assert settling.settled([str(path)]) == []
    clock.now += 0.2
    assert settling.settled([str(path)]) == [str(path)]
    assert settling.settled([str(path)]) == []  # each once


def wait_a_moment() -> None:
    """A pause of a slow writer: much shorter than what makes a file complete, because a busy machine adds its own."""
    time.sleep(0.3)


def test_a_link_to_a_watched_folder_is_told_once(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watching, "time", clock)
    (tmp_path / "loop").symlink_to(tmp_path)
    settling, told = watching._Settling(), []
    for number in range(5):
        (tmp_path / f"{number}.txt").touch()
        clock.now += 3
        told += settling.settled([str(tmp_path / "loop")])
    assert told == [str(tmp_path / "loop")]


def test_only_folders_are_watched(tmp_path, old):
    told = colorize("--watch", old)
    assert told.exit_code == 2 and "is not a folder" in told.output and len(told.output.splitlines()) == 1
    assert colorize("--watch", "--dry-run", tmp_path).exit_code == 2
