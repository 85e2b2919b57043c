"""The ONNX files that `photochrom export` writes: their metadata, their checksum, and messages about other files."""

from __future__ import annotations

import hashlib
import json

from photochrom.errors import WeightsError
from photochrom.inference.model import ModelInfo

METADATA_KEY = "photochrom"  # of the metadata entry with the JSON
PIPELINE_KEY = "photochrom-pipeline"  # of the same in a file that `photochrom export --pipeline` wrote
FORMAT_VERSION = 1
OPSET = 18  # the version of ONNX's operators in what photochrom writes
SEAL_KEY = "sha256"  # of the last metadata entry: the digest of everything before it
SEAL_START = b"\x72\x4a\x0a\x06" + SEAL_KEY.encode() + b"\x12\x40"  # that entry in protobuf, up to 64 hex digits
INPUTS = {"luminance", "hints", "noise"}


def seal(model: bytes) -> bytes:
    """An ONNX file with its own SHA-256 as the last metadata entry, its seal, by which damage is recognized.

    Protobuf lets entries be appended to a finished message. If another program rewrites the file, it has no seal at
    the end. Such a file is accepted as it is.
    """
    return model + SEAL_START + hashlib.sha256(model).hexdigest().encode()


def checked_digest(model: bytes, name: str) -> str:
    """The SHA-256 of a file. Its seal is checked too: raises WeightsError if the file was altered."""
    end = len(model) - len(SEAL_START) - 64
    sealed = end > 0 and model[end:-64] == SEAL_START
    content, rest = (memoryview(model)[:end], model[end:]) if sealed else (model, b"")
    digest = hashlib.sha256(content)
    if sealed and digest.hexdigest().encode() != model[-64:]:
        raise WeightsError(f"{name} was altered or damaged after it was exported: copy or export it again")
    digest.update(rest)
    return digest.hexdigest()


def parse_info(text: str | None, name: str, digest: str = "") -> ModelInfo:
    """Read the JSON of an exported file. Raises WeightsError if photochrom didn't write it."""
    try:
        values = json.loads(text or "")
        if values["format"] > FORMAT_VERSION:
            raise WeightsError(f"{name} was exported by a newer photochrom: upgrade with pip install -U photochrom")
        details = values["details"]
        return ModelInfo(values["preset"], values["size_multiple"], values["noise_channels"], details, digest)
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(foreign(name)) from error


def foreign(name: str) -> str:
    """The message about an ONNX model that another program wrote."""
    return f"{name} is an ONNX model, but not one that `photochrom export` wrote"


def not_a_generator(name: str) -> str:
    """The message about a pipeline where a model is asked for."""
    return f"{name} is a whole pipeline, for other programs: name the model that it was made of"


def not_a_model(model: bytes, name: str) -> str:
    """The message about a file that ONNX Runtime can't read."""
    start = model[:512].lstrip().lower()
    if not model:
        return f"{name} is empty, not a model"
    if start.startswith((b"<!doctype", b"<html")):
        return f"{name} is a web page saved under a model's name: download the file itself"
    if start.startswith(b"version https://git-lfs"):
        return f"{name} is a Git LFS pointer, not the model itself: run git lfs pull"
    return f"{name} is not a readable ONNX model: it is damaged or incomplete, export or download it again"
