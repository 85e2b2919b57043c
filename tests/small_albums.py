"""Folders of a few small photographs, and the command line on them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photochrom import Photograph, cli

GRAY = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))
JPEG = Photograph(GRAY).encode("jpeg")
posix_only = pytest.mark.skipif(os.name != "posix", reason="names and files as POSIX has them")


def put(folder: Path, *names: str, content: bytes = JPEG) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def run(*arguments, stdin=None):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments], input=stdin)


def colorize(*words):
    return CliRunner().invoke(cli.main, ["colorize", "--working-size", "64", *map(str, words)])


def photochrom(*words, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "photochrom", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
