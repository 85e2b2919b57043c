"""Run the tests that take hours, and write what came of them to benchmarks/NIGHTLY.md.

Usage: python tools/nightly.py [-k WORDS]      (or: make nightly; -k as pytest has it, to run some of them)

A row that was not run this time keeps its last result and its date.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "benchmarks" / "NIGHTLY.md"
ROW = re.compile(r"^\| `([^`]+)` \| (\S+) \| (\S+) \| (.+?) \|$", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", metavar="WORDS", help="only tests whose names have these words")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results, began = Path(folder) / "results.xml", time.monotonic()
        command = [sys.executable, "-m", "pytest", "-m", "nightly", "-k", options.k, f"--junit-xml={results}"]
        status = subprocess.run(command, cwd=ROOT).returncode
        minutes = (time.monotonic() - began) / 60
        today = datetime.date.today().isoformat()
        old = PAGE.read_text() if PAGE.exists() else ""
        rows = {test: (test, *rest) for test, *rest in ROW.findall(old)}
        rows |= {row[0]: row for row in rows_of(results, today)}
    last = f"Last run: {today}, {minutes:.0f} minutes, Python {platform.python_version()}, {platform.machine()}."
    lines = [f"| `{test}` | {date} | {seconds} | {result} |" for test, date, seconds, result in sorted(rows.values())]
    table = "\n".join(["| test | run on | seconds | result |", "|---|---|---|---|", *lines])
    about = "Written by `make nightly`. Only what was run stands here, each test with its last run."
    PAGE.write_text("\n\n".join(["# Tests that take hours", about, last, table]) + "\n")
    sys.exit(status)


def rows_of(results: Path, date: str) -> list[tuple[str, str, str, str]]:
    """A row for each test that pytest reports: its name, date, seconds, what came of it."""
    rows = []
    for case in xml.parse(results).iter("testcase"):
        ended = {child.tag for child in case} & {"failure", "error", "skipped"}
        name = f"{case.get('classname', '').rpartition('.')[2]}: {case.get('name')}"
        rows.append((name, date, f"{float(case.get('time', 0)):.0f}", ", ".join(sorted(ended)) or "passed"))
    return rows


if __name__ == "__main__":
    main()
