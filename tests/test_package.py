"""The wheel colors a photograph without PyTorch; by night it does so in an empty environment."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

HIDING_PYTORCH = "import sys; sys.modules['torch'] = None; from photochrom.cli import main; main()"


@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_the_wheel_has_all_that_it_needs(wheel, photographs, tmp_path):
    assert wheel.stat().st_size < 30e6
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "installed here")
    assert_it_colors([sys.executable, "-c", HIDING_PYTORCH], photographs, tmp_path, str(tmp_path / "installed here"))


@pytest.mark.nightly
def test_the_wheel_in_an_empty_environment(wheel, photographs, tmp_path):
    environment = tmp_path / "an empty environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True)
    assert missing.returncode != 0
    size = sum(
        f.stat().st_size
        for f in environment.rglob("*")
        if f.is_file() and "/pip" not in str(f) and "/setuptools" not in str(f)
    )
    assert size < 300e6
    assert_it_colors([str(environment / "bin" / "photochrom")], photographs, tmp_path)


def assert_it_colors(command: list[str], photographs, folder: Path, path: str = "") -> None:
    """The command colors a photograph under LANG=C, and says what training lacks. path: where its package lies."""
    Image.fromarray(photographs["chelsea"]).convert("L").save(folder / "old cat.jpg")
    kept = (key for key in os.environ if key != "PYTHONPATH" and not key.startswith("COVERAGE"))
    clean = {key: os.environ[key] for key in kept} | {"LANG": "C"}
    if path:
        clean["PYTHONPATH"] = path
    subprocess.run([*command, "colorize", folder / "old cat.jpg"], check=True, env=clean, cwd=folder)
    assert Image.open(folder / "old cat-color.jpg").size == (451, 300)
    training = [*command, "train", str(folder), "--out", str(folder / "run")]
    refused = subprocess.run(training, capture_output=True, text=True, env=clean)
    assert refused.returncode == 2
    assert "pip install 'photochrom[train]'" in refused.stderr
    assert "Traceback" not in refused.stderr
