"""The weights that come with the package."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from photochrom.errors import WeightsError
from photochrom.inference.backends import Backend, OnnxBackend, open_backend

DEFAULT_MODEL = "default"


@dataclass(frozen=True)
class BundledModel:
    """A model inside the package."""

    file: str
    sha256: str
    description: str


BUNDLED_MODELS = {
    "default": BundledModel(
        file="default.onnx",
        sha256="",
        description="U-Net with EfficientNet-Lite2 encoder, trained adversarially on 18,000 photographs",
    ),
}


def load_model(name: str = DEFAULT_MODEL, threads: int = 0) -> Backend:
    """A bundled model by its name, or any weights file by its path. Raises WeightsError."""
    if name in BUNDLED_MODELS:
        bundled = BUNDLED_MODELS[name]
        model = files("photochrom.weights").joinpath(bundled.file).read_bytes()
        if hashlib.sha256(model).hexdigest() != bundled.sha256:
            raise WeightsError(f"the bundled model {name!r} was altered or damaged: reinstall photochrom")
        return OnnxBackend(model, f"the bundled model {name!r}", threads)
    path = Path(name)
    if not path.exists():
        names = ", ".join(BUNDLED_MODELS)
        raise WeightsError(f"no model {name!r}: name a bundled one ({names}), an exported .onnx file or a training run")
    return open_backend(path, threads)


def model_size(name: str) -> int:
    """Bytes of a bundled model's file."""
    return len(files("photochrom.weights").joinpath(BUNDLED_MODELS[name].file).read_bytes())
