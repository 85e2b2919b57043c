"""What runs a generator: ONNX Runtime, which every installation has."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime

from photochrom.errors import WeightsError
from photochrom.photo.color import FloatArray

METADATA_KEY = "photochrom"  # of the JSON that an exported ONNX file carries
FORMAT_VERSION = 1
SEAL_KEY = "sha256"  # of the last metadata entry: the digest of all before it
SEAL_START = b"\x72\x4a\x0a\x06" + SEAL_KEY.encode() + b"\x12\x40"  # that entry in protobuf, up to 64 hex digits
INPUTS = {"luminance", "hints", "noise"}


@dataclass(frozen=True)
class ModelInfo:
    """What the pipeline must know of a generator."""

    preset: str
    size_multiple: int  # the input's height and width are multiples of it
    noise_channels: int
    details: dict[str, Any]  # the training's configuration and figures, for people


class Backend(Protocol):
    """A generator ready to predict."""

    info: ModelInfo

    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        """Predict chroma (N, 2, h, w) in Lab units.

        luminance (N, 1, H, W) in 0..100, hints (N, 3, H, W), noise (N, Z); H and W multiples of
        `info.size_multiple`, h x w a whole fraction of H x W.
        """
        ...


class OnnxBackend:
    """A generator exported by `photochrom export`, on ONNX Runtime."""

    def __init__(self, model: bytes, name: str, threads: int = 0):
        """model: the file's content; name: for messages; threads: 0 for one a core. Raises WeightsError."""
        _check_seal(model, name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False  # an arena keeps the largest picture's memory for good
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no error class of its own to name
            raise WeightsError(_not_a_model(model, name)) from error
        self.info = parse_info(self.session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), name)
        if {given.name for given in self.session.get_inputs()} != INPUTS:
            raise WeightsError(_foreign(name))

    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        inputs = {"luminance": luminance, "hints": hints, "noise": noise}
        (chroma,) = self.session.run(["chroma"], inputs)
        return np.asarray(chroma, np.float32)


def parse_info(text: str | None, name: str) -> ModelInfo:
    """Read the JSON that an exported file carries. Raises WeightsError if it isn't ours."""
    try:
        values = json.loads(text or "")
        if values["format"] > FORMAT_VERSION:
            raise WeightsError(f"{name} was exported by a newer photochrom: upgrade with pip install -U photochrom")
        return ModelInfo(values["preset"], values["size_multiple"], values["noise_channels"], values["details"])
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(_foreign(name)) from error


def seal(model: bytes) -> bytes:
    """An ONNX file with its own SHA-256 as the last metadata entry, so that damage is told from another program's file.

    Protobuf lets entries be appended to a finished message. A program that rewrites the file leaves no seal at the
    end; such a file is taken as it is.
    """
    return model + SEAL_START + hashlib.sha256(model).hexdigest().encode()


def _check_seal(model: bytes, name: str) -> None:
    end = len(model) - len(SEAL_START) - 64
    if end > 0 and model[end:-64] == SEAL_START and hashlib.sha256(model[:end]).hexdigest().encode() != model[-64:]:
        raise WeightsError(f"{name} was altered or damaged after it was exported: copy or export it again")


def _foreign(name: str) -> str:
    return f"{name} is an ONNX model, but not one that `photochrom export` wrote"


def open_backend(path: Path, threads: int = 0) -> Backend:
    """The backend for a weights file: .onnx on ONNX Runtime, a training run or checkpoint on PyTorch.

    Raises WeightsError, or MissingExtra for a checkpoint without PyTorch.
    """
    if path.is_dir() or path.suffix == ".pt":
        from photochrom.inference.torch_backend import TorchBackend

        return TorchBackend(path)
    try:
        model = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the model {path}: {(error.strerror or str(error)).lower()}") from error
    return OnnxBackend(model, str(path), threads)


def _not_a_model(model: bytes, name: str) -> str:
    start = model[:512].lstrip().lower()
    if not model:
        return f"{name} is empty, not a model"
    if start.startswith((b"<!doctype", b"<html")):
        return f"{name} is a web page saved under a model's name: download the file itself"
    if start.startswith(b"version https://git-lfs"):
        return f"{name} is a Git LFS pointer, not the model itself: run git lfs pull"
    return f"{name} is not a readable ONNX model: it is damaged or incomplete, export or download it again"
