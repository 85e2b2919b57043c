"""Loading models: bundled ones by their name, others by their path."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from photochrom.errors import WeightsError, reason_of
from photochrom.inference.model import Backend
from photochrom.inference.onnx_backend import OnnxBackend
from photochrom.settings import AUTO, DEFAULT_MODEL, limited_cores

WEIGHTS = Path(__file__).parents[1] / "weights"
BUNDLED_MODELS = {
    "default": "U-Net with an EfficientNet-Lite2 encoder, trained on 147,000 photographs (see MODEL_CARD.md)",
}


def load_model(name: str = DEFAULT_MODEL, threads: int = 0, device: str = AUTO) -> Backend:
    """Load a model by its name or path: a bundled one, an .onnx file, or a training's run or checkpoint (on PyTorch).

    threads: of the processor, 0 for one per core that this process may use. device: one of settings.DEVICES, or one of
    several, as in "cuda:1".
    Raises WeightsError, InputError for a name that is no device, DeviceError for a device that can't be used, or
    MissingExtra for a checkpoint without PyTorch.
    """
    backend = _load(name, threads or limited_cores(), device)
    backend.info = replace(backend.info, name=name if name in BUNDLED_MODELS else Path(name).resolve().name)
    return backend


def _load(name: str, threads: int, device: str) -> Backend:
    if is_checkpoint(name):
        from photochrom.inference.torch_backend import TorchBackend

        return TorchBackend(Path(name), device)
    content, title = read_model(name)
    digest = bundled_digest(name) if name in BUNDLED_MODELS else None
    return OnnxBackend(content, title, threads, digest, device)


def is_checkpoint(name: str) -> bool:
    """Whether a model's name is that of a training's run or checkpoint."""
    path = Path(name)
    return name not in ("", *BUNDLED_MODELS) and path.exists() and (path.is_dir() or path.suffix == ".pt")


def read_model(name: str) -> tuple[bytes, str]:
    """The content of a bundled model's or an .onnx file, and what to call it in messages. Raises WeightsError."""
    if name in BUNDLED_MODELS:
        return read_bundled(name), f"the bundled model {name!r}"
    path = Path(name)
    if not name or not path.exists():
        names = ", ".join(BUNDLED_MODELS)
        missing = f"no model {name!r}" if name else "the model's name is empty"
        raise WeightsError(f"{missing}: name a bundled one ({names}), an exported .onnx file or a training run")
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        raise WeightsError(f"cannot read the model {path}: {reason_of(error)}") from error


def read_bundled(name: str) -> bytes:
    """The content of a bundled model's file. Raises WeightsError if SHA256SUMS has another digest for it."""
    try:
        content = (WEIGHTS / f"{name}.onnx").read_bytes()
    except OSError as error:
        raise WeightsError(f"the bundled model {name!r} is missing: reinstall photochrom") from error
    if hashlib.sha256(content).hexdigest() != bundled_digest(name):
        raise WeightsError(f"the bundled model {name!r} was altered or damaged: reinstall photochrom")
    return content


def bundled_digest(name: str) -> str:
    """The SHA-256 that a bundled model's file must have."""
    lines = (WEIGHTS / "SHA256SUMS").read_text().splitlines()
    return {file: digest for digest, file in map(str.split, lines)}[f"{name}.onnx"]
