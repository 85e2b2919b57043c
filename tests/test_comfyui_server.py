"""A workflow on ComfyUI's own server, where there is a checkout of ComfyUI."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from comfyui_parts import FOLDER, chroma_of, painted
from PIL import Image
from waiting import wait_until

torch = pytest.importorskip("torch")

import photochrom
from photochrom.photo.color import rgb_to_lab

COMFYUI = os.environ.get("COMFYUI")  # a checkout of ComfyUI, for the test that really runs it
COMFYUI_PYTHON = os.environ.get("COMFYUI_PYTHON", sys.executable)  # with its requirements and photochrom's

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="not in a source distribution")


@pytest.mark.slow
@pytest.mark.skipif(COMFYUI is None, reason="COMFYUI names no checkout of ComfyUI")
def test_a_workflow_in_comfyui(photographs, tmp_path):
    """The whole of it on ComfyUI's own server: 16 bits in, hints of both kinds, two variants out, errors as lines."""
    shutil.copytree(FOLDER, tmp_path / "custom_nodes" / "photochrom")
    (tmp_path / "input").mkdir()
    gray = np.asarray(Image.fromarray(photographs["chelsea"]).convert("L"))
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "input" / "cat.png")
    opaque = np.where(painted(gray.shape, [(100, 200, 150, 300)]), 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([gray, gray, gray, opaque])).save(tmp_path / "input" / "painted.png")
    prompt: dict[str, tuple[str, dict[str, object]]] = {
        "model": ("PhotochromLoadModel", {"model": "default", "working_size": 64}),
        "photograph": ("PhotochromLoadPhotograph", {"image": "cat.png"}),
        "painted": ("LoadImage", {"image": "painted.png"}),
        "place": ("PhotochromColorHint", {"x": 30, "y": 20, "color": "#c0a020", "radius": 10.0}),
        "mask": ("PhotochromMaskHint", {"mask": ["painted", 1], "color": "#2040c0", "hints": ["place", 0]}),
        "color": ("PhotochromColorize", {"model": ["model", 0], "image": ["photograph", 0], "hints": ["mask", 0]}),
        "save": ("SaveImage", {"images": ["color", 0], "filename_prefix": "new"}),
    }
    prompt["color"][1].update(strength=1.0, warmth=0.0, seed=0, variants=2)
    with comfyui(tmp_path) as address:
        done = ended(address, prompt)
        assert done["status"]["status_str"] == "success", done
        made = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "output").glob("new*.png"))]
        assert len(made) == 2 and not np.array_equal(made[0], made[1])
        light = [rgb_to_lab(rgb / np.float32(255))[..., 0] for rgb in (made[0], np.dstack([gray] * 3))]
        assert np.abs(light[0] - light[1]).mean() < 0.5
        assert np.median(chroma_of(made[0] / np.float32(255))[1, 110:190, 160:290]) < -20
        prompt["place"][1]["color"] = "blue"
        failed = ended(address, prompt)["status"]
        (message,) = [facts["exception_message"] for name, facts in failed["messages"] if name == "execution_error"]
        assert message.strip() == "a hint's color is written #rrggbb, not 'blue'"


@contextmanager
def comfyui(home):
    """A server of ComfyUI whose folders are below `home`: its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    paths = [str(Path(photochrom.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [COMFYUI_PYTHON, "main.py", "--cpu", "--port", str(port), "--base-directory", str(home)]
    command += ["--database-url", "sqlite:///:memory:"]
    log = home / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(command, cwd=COMFYUI, env=environment, stdout=file, stderr=file)
    try:
        wait_until(lambda: server.poll() is not None or "To see the GUI" in log.read_text(), "ComfyUI's server", 600)
        assert server.poll() is None, log.read_text()[-3000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def ended(address, prompt):
    """What ComfyUI's history says of a workflow when it has ended."""
    nodes = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in prompt.items()}
    number = asked(f"{address}/prompt", json.dumps({"prompt": nodes}).encode())["prompt_id"]
    wait_until(lambda: asked(f"{address}/history/{number}"), "the end of the workflow", 600)
    return asked(f"{address}/history/{number}")[number]


def asked(address, body=None):
    with urllib.request.urlopen(urllib.request.Request(address, body, {"Content-Type": "application/json"})) as answer:
        return json.load(answer)
