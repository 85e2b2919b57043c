"""Write constraints.txt: the versions that pip picks today for the extra dev, resolved anew.

Usage: python tools/constraints.py [--torch 2.13.0]      (or: make constraints; needs network to a package registry)

pip resolves without installing anything. PyTorch's version is given, because its newest one may bring gigabytes of
CUDA: a plain "torch==2.13.0" takes the CPU build where only that is at hand. Everything that pip names is pinned, what
our dependencies need too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADING = """\
# Written by `make constraints` with Python {python}: the versions that tests, CI and the demo run with.
# Users' installations are free to take newer ones.
# torch=={torch} is a CPU build where only that is at hand; a plain "torch" may bring gigabytes of CUDA.
"""
NOT_HERE = ("nvidia-", "triton", "cuda-")  # what a CUDA build of PyTorch brings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch", default="2.13.0", help="PyTorch's version")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--report", report, f"{ROOT}[dev]", f"torch=={options.torch}"], check=True)
        chosen = json.loads(report.read_text())["install"]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    heading = HEADING.format(python=python, torch=options.torch)
    (ROOT / "constraints.txt").write_text(heading + "".join(sorted(pins(chosen))))


def pins(chosen: list[dict[str, dict[str, str]]]) -> list[str]:
    """A line for each package of pip's report, without our own and without builds' marks such as +cpu."""
    named = [(package["metadata"]["name"].lower(), package["metadata"]["version"]) for package in chosen]
    kept = [(name, version) for name, version in named if name != "photochrom" and not name.startswith(NOT_HERE)]
    return [f"{name.replace('_', '-')}=={version.partition('+')[0]}\n" for name, version in kept]


if __name__ == "__main__":
    main()
