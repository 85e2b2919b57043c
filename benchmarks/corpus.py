"""Color every picture of a folder, and compare the luminance of the outputs with what other readers see.

Usage: nice python benchmarks/corpus.py FOLDER --workers 2 [--go-on]       (writes CORPUS.md and CORPUS.jsonl)

FOLDER has a folder for each project that pictures come from, and COMMITS.tsv with a line "project, commit, number of
pictures" for each. Every file goes through `coloring.color`, the way of all photographs in this program, in a process
that may crash or hang without harm; the network works at its smallest size, because luminance doesn't depend on it.
What comes out is compared with the readings of Pillow, tifffile and ImageMagick (benchmarks/judging), and what is
refused is tried with them too. Needs the dev extra, the extra formats, and ImageMagick for third opinions. On two
quiet cores 4,800 pictures take about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from judging.child import Child
from judging.kinds import sniff
from judging.report import report
from judging.verdict import judge_colors, judge_refusal

from photochrom.coloring import Request, color
from photochrom.errors import PhotochromError
from photochrom.folders import is_photograph
from photochrom.inference.colorizer import Colorizer
from photochrom.settings import WORKING_SIZE

RESULTS = Path(__file__).with_name("CORPUS.md")
SECONDS = 60.0  # a hang
SLOW = 5.0  # seconds, which are written down
FILES_TOGETHER = 50  # of those that are tried two at a time
INTERNAL = re.compile(
    r"vips|libtiff|libpng|libspng|libheif|libjpeg|libwebp|pillow|\bPIL\b|imagecodecs|tifffile|rawpy|\w+load(_buffer|:)|"
    r"VipsJpeg|TIFF(Read|Fill|Fetch|Open)\w*|_tiff|Errno|Traceback|\w+Error\b|<[_\w.]+ object|"
    r"0x[0-9a-f]{6}|source input",
)


@dataclass(frozen=True)
class Painted:
    """What the program made of a file. kind: colored, refused, or traceback."""

    kind: str
    content: bytes = b""
    message: str = ""
    noise: str = ""  # what libraries wrote to standard error


@dataclass(frozen=True)
class Finding:
    """What came of a file.

    verdict: right, unjudged (no other reader opens it), refused, false reason, wrong, traceback, crash or hang.
    opens: the other readers that open a refused file. taken: whether a folder's run takes the file.
    """

    path: str
    format: str
    verdict: str
    message: str = ""
    opens: tuple[str, ...] = ()
    taken: bool = True
    internal: bool = False
    noise: str = ""
    seconds: float = 0.0


@cache
def colorizer() -> Colorizer:
    return Colorizer(working_size=int(WORKING_SIZE.low), threads=1)


def paint(path: Path) -> Painted:
    """Color a file as the command line does."""
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)
    kind, content, message = attempt(path)
    return Painted(kind, content, message, os.pread(2, 2000, 0).decode("utf-8", "replace"))


def attempt(path: Path) -> tuple[str, bytes, str]:
    """What the program makes of a file: kind, content and message, in which NAME stands for the file's name."""
    try:
        (colored,) = color(path.read_bytes(), path.name, Request(), colorizer())
        return "colored", colored.content, ""
    except PhotochromError as error:
        return "refused", b"", str(error).replace(path.name, "NAME")
    except Exception as error:  # a traceback in the program
        return "traceback", b"", f"{type(error).__name__}: {error}"


def attempt_together(paths: list[Path]) -> list[str]:
    """The messages for files that are colored two at a time, as `photochrom colorize --jobs 2` does."""
    with ThreadPoolExecutor(2) as threads:
        return [message for _, _, message in threads.map(attempt, paths)]


def judge(path: Path, painted: Painted) -> tuple[str, str, tuple[str, ...]]:
    """Verdict, message and readers that open the file."""
    data = path.read_bytes()
    if painted.kind == "colored":
        return (*judge_colors(data, painted.content), ())
    if painted.kind == "traceback":
        return painted.kind, painted.message, ()
    return judge_refusal(data, painted.message)


class Bench:
    """A process that colors and one that judges; one file at a time."""

    def __init__(self, stack: ExitStack, painter: Callable[[Path], Painted], seconds: float):
        self.seconds, self.painter = seconds, painter
        self.color, self.judge = Child(), Child()
        for child in (self.color, self.judge):
            stack.callback(child.close)

    def examine(self, path: Path, folder: Path) -> Finding:
        """Color a file and judge what comes of it."""
        name = path.relative_to(folder).as_posix()
        kind, taken, began = sniff(path.read_bytes()), is_photograph(name), time.monotonic()
        try:
            painted: Painted = self.color.do(self.painter, path, seconds=self.seconds)
        except TimeoutError:
            return Finding(name, kind, "hang", taken=taken)
        except Exception as error:  # the process died
            return Finding(name, kind, "crash", str(error), taken=taken)
        seconds = time.monotonic() - began
        try:
            verdict, message, opens = self.judge.do(judge, path, painted, seconds=2 * self.seconds)
        except Exception as error:  # other readers crash, too
            verdict, message, opens = ("unjudged" if painted.kind == "colored" else painted.kind), repr(error), ()
        internal = bool(INTERNAL.search(painted.message)) or "\n" in painted.message
        return Finding(name, kind, verdict, message, opens, taken, internal, painted.noise, round(seconds, 2))


def examine_all(
    folder: Path,
    paths: list[Path],
    workers: int = 1,
    seconds: float = SECONDS,
    painter: Callable[[Path], Painted] = paint,
) -> Iterator[Finding]:
    """The findings of all files, in their order."""
    with ExitStack() as stack:
        benches: SimpleQueue[Bench] = SimpleQueue()
        for _ in range(workers):
            benches.put(Bench(stack, painter, seconds))

        def examine(path: Path) -> Finding:
            bench = benches.get()
            try:
                return bench.examine(path, folder)
            finally:
                benches.put(bench)

        yield from stack.enter_context(ThreadPoolExecutor(workers)).map(examine, paths)


def mixed(folder: Path, findings: list[Finding]) -> tuple[int, int]:
    """How many refused files get another reason when two are colored at a time, and of how many."""
    refused = [(folder / f.path, f.message) for f in findings if f.verdict in ("refused", "false reason")]
    other = 0
    with closing(Child()) as child:
        for start in range(0, len(refused), FILES_TOGETHER):
            paths, messages = zip(*refused[start : start + FILES_TOGETHER], strict=True)
            found = child.do(attempt_together, list(paths), seconds=FILES_TOGETHER * 20)
            other += sum(map(str.__ne__, found, messages))
    return other, len(refused)


def pictures(folder: Path) -> list[Path]:
    """All files of a folder except the list of commits."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder)


def commits(folder: Path) -> dict[str, str]:
    """The commit of each project."""
    table = folder / "COMMITS.tsv"
    lines = table.read_text().splitlines() if table.is_file() else []
    return {line.split("\t")[0]: line.split("\t")[1] for line in lines}


def found_before(journal: Path) -> list[Finding]:
    """The findings of a run that was stopped."""
    lines = journal.read_text().splitlines() if journal.is_file() else []
    return [Finding(**{**found, "opens": tuple(found.get("opens", ()))}) for found in map(json.loads, lines)]


def told(finding: Finding) -> dict[str, Any]:
    """A finding without what goes without saying."""
    usual = {"message": "", "opens": (), "taken": True, "internal": False, "noise": ""}
    every = asdict(finding).items()
    return {
        key: value for key, value in every if not (key in usual and value == usual[key]) and not is_quick(key, value)
    }


def is_quick(key: str, value: object) -> bool:
    return key == "seconds" and isinstance(value, float) and value < SLOW


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--report", type=Path, default=RESULTS, help="Markdown; the findings stand in .jsonl beside it")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after them a file counts as a hang")
    parser.add_argument("--match", default="", help="only files whose path has this regular expression in it")
    parser.add_argument("--every", type=int, default=1, help="only every nth file")
    parser.add_argument("--go-on", action="store_true", help="keep the findings of a run that was stopped")
    options = parser.parse_args(arguments)
    paths = [path for path in pictures(options.folder) if re.search(options.match, str(path))][:: options.every]
    began, journal = time.monotonic(), options.report.with_suffix(".jsonl")
    findings = found_before(journal) if options.go_on else []
    known = {finding.path for finding in findings}
    paths = [path for path in paths if path.relative_to(options.folder).as_posix() not in known]
    with journal.open("a" if options.go_on else "w", buffering=1) as lines:
        for finding in examine_all(options.folder, paths, options.workers, options.seconds):
            findings.append(finding)
            lines.write(json.dumps(told(finding)) + "\n")
            if len(findings) % 250 == 0:
                print(f"{len(findings):,} in {time.monotonic() - began:.0f} s", file=sys.stderr)
    other, refused = mixed(options.folder, findings)
    text = report(findings, commits(options.folder), time.monotonic() - began)
    text += f"\nTwo files at a time: {other:,} of {refused:,} refusals give another reason than one at a time.\n"
    options.report.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
