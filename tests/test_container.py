"""The container file: linted, and its commands run; by night they run in an empty virtual environment."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_until

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
def test_its_commands_work():
    pytest.importorskip("fastapi")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert_its_commands_work(Path(sys.executable).parent, port)


@pytest.mark.nightly
def test_its_commands_work_in_an_empty_environment(tmp_path):
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source, copy = ROOT / line[1:], tmp_path / "source" / line[1:]
            copy.parent.mkdir(exist_ok=True)
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / "bin"
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    (install,) = commands("RUN")
    subprocess.run(shlex.split(install.replace("/source", str(tmp_path / "source"))), check=True, env=environment)
    assert_its_commands_work(programs)


def assert_its_commands_work(programs: Path, port: int | None = None) -> None:
    """CMD refuses to start without a token; with one HEALTHCHECK's command finds it well. port: instead of its own."""
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    (start,), (check,) = (
        [json.loads(command[command.index("[") :]) for command in commands(name)] for name in ("CMD", "HEALTHCHECK CMD")
    )
    if port is not None:
        assert ":7878/" in check[-1]
        start, check = [*start, "--port", str(port)], [*check[:-1], check[-1].replace("7878", str(port))]
    refused = subprocess.run(start, env=environment, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 2
    assert "--token" in refused.stderr
    process = subprocess.Popen(start, env=environment | {"PHOTOCHROM_TOKEN": "x"})

    def is_well() -> bool:
        assert process.poll() is None
        return subprocess.run(check, env=environment, stderr=subprocess.DEVNULL).returncode == 0

    try:
        wait_until(is_well, "the server is well", 120)
    finally:
        process.terminate()
        assert process.wait(30) == 0
