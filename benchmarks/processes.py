"""Builds of photochrom, and the time and memory of processes, for the benchmarks that compare them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Starts a command, waits for it and writes what it took. A process of its own, because Linux counts the memory of who
# starts a process to its peak, and the benchmark's own is large.
LAUNCHER = """
import json, os, sys, time
began = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
seconds = time.perf_counter() - began
took = [usage.ru_utime + usage.ru_stime, seconds, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]
print("\\n" + json.dumps(took))
"""


@dataclass(frozen=True)
class Took:
    """What a process and those that it started took: CPU and wall seconds; the peak of the largest one in MB."""

    cpu: float
    wall: float
    peak: float


def run(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> Took:
    """Run a command and say what it took. Raises CalledProcessError if it fails."""
    launched = [sys.executable, "-S", "-c", LAUNCHER, *command]
    lines = subprocess.run(launched, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    *took, status = json.loads(lines[-1])
    if status:
        raise subprocess.CalledProcessError(status, list(command))
    return Took(*took)


def median(runs: Sequence[Took]) -> Took:
    """The median of each figure."""
    return Took(*(statistics.median(getattr(each, name) for each in runs) for name in ("cpu", "wall", "peak")))


def alternately(repeats: int, contestants: Mapping[str, tuple[Sequence[str], Mapping[str, str]]]) -> dict[str, Took]:
    """The median of what each contestant's command takes in its environment; they run in turn, so that all of them
    meet the same hours of the machine."""
    runs: dict[str, list[Took]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, (command, environment) in contestants.items():
            runs[name].append(run(command, environment))
    return {name: median(each) for name, each in runs.items()}


@dataclass(frozen=True)
class Build:
    """A build of photochrom. path: a folder with the package."""

    name: str
    path: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Python imports it."""
        return os.environ | {"PYTHONPATH": str(self.path)}

    def command(self, *words: object) -> tuple[list[str], dict[str, str]]:
        """The command line of this build, and its environment."""
        return [sys.executable, "-m", "photochrom", *map(str, words)], self.environment


THIS = Build("this build", ROOT / "src")


@contextmanager
def build_of(against: str) -> Iterator[Build]:
    """The build of a wheel, of a checkout, or of a commit of this repository; it uses the packages installed here."""
    path = Path(against)
    with tempfile.TemporaryDirectory(prefix="photochrom-build-") as folder:
        if path.suffix == ".whl":
            install = ["pip", "install", "--quiet", "--no-deps", "--target", folder, str(path)]
            subprocess.run([sys.executable, "-m", *install], check=True)
            yield Build(path.stem, Path(folder))
        elif path.is_dir():
            yield Build(path.resolve().name, path.resolve() / "src")
        else:
            tree = Path(folder) / "tree"
            git = ["git", "-C", str(ROOT), "worktree"]
            subprocess.run([*git, "add", "--quiet", "--detach", str(tree), against], check=True)
            try:
                yield Build(against, tree / "src")
            finally:
                subprocess.run([*git, "remove", "--force", str(tree)], check=True)
