"""Generators on ONNX Runtime, which every installation has."""

from __future__ import annotations

import os

# ONNX Runtime reports events and a device identifier to its maker, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime

from photochrom.errors import WeightsError
from photochrom.inference.onnx_file import (
    INPUTS,
    METADATA_KEY,
    PIPELINE_KEY,
    checked_digest,
    foreign,
    not_a_generator,
    not_a_model,
    parse_info,
)
from photochrom.photo.color import FloatArray

if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
    onnxruntime.disable_telemetry_events()  # something else may have imported it before the variable was set


class OnnxBackend:
    """A generator that `photochrom export` wrote, on ONNX Runtime."""

    def __init__(self, model: bytes, name: str, threads: int = 0, digest: str | None = None):
        """model: the file's content; name: for messages; threads: 0 for one per core.

        digest: the SHA-256 of the content, if the caller has checked it. Raises WeightsError.
        """
        digest = digest or checked_digest(model, name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_cpu_mem_arena = False  # an arena would never give back the memory of the largest picture
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no error class of its own to name
            raise WeightsError(not_a_model(model, name)) from error
        metadata = self.session.get_modelmeta().custom_metadata_map
        if PIPELINE_KEY in metadata:
            raise WeightsError(not_a_generator(name))
        self.info = parse_info(metadata.get(METADATA_KEY), name, digest)
        if {given.name for given in self.session.get_inputs()} != INPUTS:
            raise WeightsError(foreign(name))

    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        inputs = {"luminance": luminance, "hints": hints, "noise": noise}
        (chroma,) = self.session.run(["chroma"], inputs)
        return np.asarray(chroma, np.float32)
