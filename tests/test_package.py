"""The wheel, in an empty environment: it colors a photograph without PyTorch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_wheel_colors_a_photograph_in_an_empty_environment(tmp_path, photographs):
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 30e6
    environment = tmp_path / "an empty environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True)
    assert missing.returncode != 0
    size = sum(
        f.stat().st_size
        for f in environment.rglob("*")
        if f.is_file() and "/pip" not in str(f) and "/setuptools" not in str(f)
    )
    assert size < 300e6
    Image.fromarray(photographs["chelsea"]).convert("L").save(tmp_path / "old cat.jpg")
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"LANG": "C"}
    command = environment / "bin" / "photochrom"
    subprocess.run([command, "colorize", tmp_path / "old cat.jpg"], check=True, env=clean, cwd=tmp_path)
    assert Image.open(tmp_path / "old cat-color.jpg").size == (451, 300)
    train = subprocess.run(
        [command, "train", tmp_path, "--out", tmp_path / "run"], capture_output=True, text=True, env=clean
    )
    assert (
        train.returncode == 2 and "pip install 'photochrom[train]'" in train.stderr and "Traceback" not in train.stderr
    )
