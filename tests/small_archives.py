"""Archives of a few small scans: how they are run, what they leave, and the processes that work at them."""

import os
import sys
from dataclasses import replace
from pathlib import Path

from photochrom.archive.manifest import Row, read_manifest
from photochrom.archive.stores import open_store
from photochrom.archive.worker import Job, Work
from photochrom.coloring import Request
from photochrom.disk import UNFINISHED
from photochrom.folders import Entry

COUNT = 24  # in two blocks, the engine's units: one for each of two workers
WORKING_SIZE = 128


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
