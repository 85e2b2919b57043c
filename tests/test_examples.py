"""The examples do what they say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photochrom.inference.weights import load_model

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="not in a source distribution")


def run(name, *arguments) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_colorize_in_python(photographs, tmp_path):
    gray = Image.fromarray(photographs["chelsea"]).convert("L")
    gray.save(tmp_path / "old.jpg")
    result = run("colorize_in_python", tmp_path / "old.jpg", tmp_path / "new")
    assert result.returncode == 0, result.stderr
    made = {path.name: np.asarray(Image.open(path)) for path in (tmp_path / "new").iterdir()}
    assert {"color.jpg", "seed-1.png", "seed-2.png", "seed-3.png", "hinted.png", "strength-1.5.png"} < set(made)
    assert all(picture.shape == (300, 451, 3) for picture in made.values())
    assert not np.array_equal(made["seed-1.png"], made["seed-2.png"])
    wrong = run("colorize_in_python", tmp_path / "none.jpg", tmp_path / "new")
    assert wrong.returncode == 1 and "no such file" in wrong.stderr and "Traceback" not in wrong.stderr


@pytest.mark.slow
def test_train_on_your_own_then_compare(training_folder, tmp_path):
    pytest.importorskip("lightning_fabric")
    result = run("train_on_your_own", training_folder, tmp_path, "--steps", 2)
    assert result.returncode == 0, result.stderr
    from photochrom.networks.build import generator_config

    learned = json.loads((tmp_path / "run" / "config.json").read_text())["generator"]
    shipped = load_model().info.details["config"]["generator"]
    assert generator_config("default", learned) == generator_config("default", shipped)  # else colors would be duller
    assert (tmp_path / "mine.onnx").stat().st_size > 10e6 and list((tmp_path / "run" / "samples").glob("*.jpg"))
    result = run(
        "compare_models", training_folder, "default", tmp_path / "mine.onnx", "--out", tmp_path / "report", "--limit", 3
    )
    assert result.returncode == 0, result.stderr
    assert "minus default" in result.stdout and (tmp_path / "report" / "report.html").exists()
