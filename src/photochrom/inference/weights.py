"""The weights that come with the package."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

from photochrom.errors import WeightsError
from photochrom.inference.backends import Backend, OnnxBackend, open_backend

DEFAULT_MODEL = "default"
BUNDLED_MODELS = {
    "default": "U-Net with an EfficientNet-Lite2 encoder, trained on 18,000 photographs (see MODEL_CARD.md)",
}


def load_model(name: str = DEFAULT_MODEL, threads: int = 0) -> Backend:
    """A bundled model by its name, or any weights file by its path. Raises WeightsError."""
    if name in BUNDLED_MODELS:
        return OnnxBackend(read_bundled(name), f"the bundled model {name!r}", threads)
    path = Path(name)
    if not path.exists():
        names = ", ".join(BUNDLED_MODELS)
        raise WeightsError(f"no model {name!r}: name a bundled one ({names}), an exported .onnx file or a training run")
    return open_backend(path, threads)


def read_bundled(name: str) -> bytes:
    """A bundled model's file. Raises WeightsError if it isn't the one that SHA256SUMS names."""
    folder = files("photochrom.weights")
    lines = folder.joinpath("SHA256SUMS").read_text().splitlines()
    sums = {file: digest for digest, file in map(str.split, lines)}
    file = f"{name}.onnx"
    try:
        content = folder.joinpath(file).read_bytes()
    except OSError as error:
        raise WeightsError(f"the bundled model {name!r} is missing: reinstall photochrom") from error
    if hashlib.sha256(content).hexdigest() != sums[file]:
        raise WeightsError(f"the bundled model {name!r} was altered or damaged: reinstall photochrom")
    return content
