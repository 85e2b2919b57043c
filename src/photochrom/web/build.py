"""The folder of the page: its files, the model as graphs, ONNX Runtime, and what the page has to know of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from photochrom import __version__
from photochrom.disk import write_whole
from photochrom.errors import OutputError, reason_of
from photochrom.inference.colorizer import noise_vector
from photochrom.inference.onnx_backend import OnnxBackend
from photochrom.inference.onnx_file import seal
from photochrom.inference.weights import BUNDLED_MODELS, bundled_digest, read_model
from photochrom.pipeline.build import joining_part, predicting_part
from photochrom.pipeline.export import described, network_of
from photochrom.settings import VARIANTS
from photochrom.web.files import page_files, setup_of
from photochrom.web.runtime import MODULE, WASM

PROMISE = "Your photographs stay on this device: the network runs in your browser."
RUNTIME_FOLDER = "runtime"


def build(model: str, working_size: int, runtime: dict[str, bytes]) -> dict[str, bytes]:
    """All files of the page by their path. runtime: of onnxruntime-web, by name. Raises WeightsError."""
    content, title = read_model(model)
    backend = OnnxBackend(content, title, digest=bundled_digest(model) if model in BUNDLED_MODELS else None)
    network = network_of(content, title, backend)
    graphs = {"predict.onnx": predicting_part(network, working_size), "join.onnx": joining_part()}
    made = page_files()
    made |= {name: seal(described(graph, backend, working_size)) for name, graph in graphs.items()}
    made |= {f"{RUNTIME_FOLDER}/{name}": part for name, part in runtime.items()}
    info = backend.info
    name = model if model in BUNDLED_MODELS else Path(model).name
    setup = setup_of("browser", PROMISE, name, working_size) | {
        "offline": True,
        "version": __version__,
        "modelSha256": info.digest,
        "predict": "predict.onnx",
        "join": "join.onnx",
        "runtime": {"module": f"./{RUNTIME_FOLDER}/{MODULE}", "wasm": f"{RUNTIME_FOLDER}/{WASM}"},
        "noise": [_rounded(noise_vector(seed, info.noise_channels)) for seed in range(1, int(VARIANTS.high) + 1)],
        "files": {path: len(part) for path, part in made.items() if path != "sw.js"},
    }
    made["setup.json"] = json.dumps(setup).encode()
    made["sw.js"] = _service_worker(made)
    return made


def write_folder(made: dict[str, bytes], folder: Path) -> None:
    """Write the files into a folder. Raises OutputError."""
    try:
        for path, content in made.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(folder / path, content)
    except OSError as error:
        raise OutputError(f"cannot write {folder / path}: {reason_of(error)}") from error


def _service_worker(made: dict[str, bytes]) -> bytes:
    """The service worker with the files that it keeps, under a name that changes with any of them."""
    digest = hashlib.sha256()
    for path in sorted(made):
        digest.update(path.encode() + b"\0" + hashlib.sha256(made[path]).digest())
    kept = ["./", *sorted(path for path in made if path != "sw.js")]
    head = f'const BUILD = "photochrom-{digest.hexdigest()[:16]}";\nconst FILES = {json.dumps(kept)};\n\n'
    return head.encode() + made["sw.js"]


def _rounded(noise: np.ndarray[Any, Any]) -> list[float]:
    """As text that is the same float32 when it is read again."""
    return [float(str(value)) for value in noise]
