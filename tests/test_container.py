"""The container file: linted, and the commands it runs, run in an empty virtual environment."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINERFILE = ROOT / "Containerfile"

pytestmark = pytest.mark.skipif(not CONTAINERFILE.exists(), reason="not in a source distribution")


def commands(instruction: str) -> list[str]:
    """What stands after an instruction, one string each time."""
    return re.findall(rf"^{instruction} (.*)$", CONTAINERFILE.read_text(), re.MULTILINE)


def test_it_is_clean():
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("no hadolint for this machine")
    assert subprocess.run([linter, CONTAINERFILE]).returncode == 0


def test_what_it_copies_is_let_through():
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in let_through)


@pytest.mark.slow
def test_its_commands_work_in_an_empty_environment(tmp_path):
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, copy = ROOT / line[1:], tmp_path / "source" / line[1:]
            copy.parent.mkdir(exist_ok=True)
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    environment = os.environ | {"PATH": f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}"}
    (install,) = commands("RUN")
    subprocess.run(shlex.split(install.replace("/source", str(tmp_path / "source"))), check=True, env=environment)

    (start,), (check,) = (
        [json.loads(command[command.index("[") :]) for command in commands(name)] for name in ("CMD", "HEALTHCHECK CMD")
    )
    refused = subprocess.run(start, env=environment, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2 and "--token" in refused.stderr
    process = subprocess.Popen(start, env=environment | {"PHOTOCHROM_TOKEN": "x"})
    try:
        ends = time.monotonic() + 60
        while subprocess.run(check, env=environment, stderr=subprocess.DEVNULL).returncode:
            assert time.monotonic() < ends and process.poll() is None
            time.sleep(0.5)
    finally:
        process.terminate()
        assert process.wait(20) == 0
