"""Generators on ONNX Runtime, which every installation has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from functools import cache
from threading import Lock

# ONNX Runtime reports events and a device identifier to its maker, unless it is told not to before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime

from photochrom.errors import DeviceError, WeightsError
from photochrom.inference.devices import CUDA_BUILD, KINDS, PROCESSOR, Device, devices_to_try
from photochrom.inference.memory import give_back
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
from photochrom.settings import AUTO, CPU

if os.environ["ORT_DISABLE_TELEMETRY"] == "1":
    onnxruntime.disable_telemetry_events()  # something else may have imported it before the variable was set


log = logging.getLogger(__name__)
TRIAL_SIDE = 256  # pixels; every generator takes such a picture
WARNINGS, ERRORS, NOTHING = 2, 3, 4  # what ONNX Runtime writes to standard error
# Optimizations that gain nothing here. After each of them ONNX Runtime goes through the whole model again.
USELESS = ["ConstantSharing", "GatherSliceToSplitFusion", "GemmActivationFusion", "MatMulScaleFusion"]
USELESS += ["MatmulTransposeFusion"]


class OnnxBackend:
    """A generator that `photochrom export` wrote, on ONNX Runtime. device: the name of the one that it runs on."""

    def __init__(self, model: bytes, name: str, threads: int = 0, digest: str | None = None, device: str = AUTO):
        """model: the file's content; name: for messages; threads: of the processor, 0 for one per core.

        digest: the SHA-256 of the content, if the caller has checked it. device: "auto" is the best that works here.
        Raises WeightsError, InputError for a name that is no device, DeviceError for a device that can't be used.
        """
        digest = digest or checked_digest(model, name)
        self.session, found = open_session(model, name, threads, device)
        self.device = found.name
        self._turn: AbstractContextManager[object] = Lock() if found.kind.alone else nullcontext()
        metadata = self.session.get_modelmeta().custom_metadata_map
        if PIPELINE_KEY in metadata:
            raise WeightsError(not_a_generator(name))
        self.info = parse_info(metadata.get(METADATA_KEY), name, digest)
        if {given.name for given in self.session.get_inputs()} != INPUTS:
            raise WeightsError(foreign(name))

    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        """See Backend. Raises DeviceError if another device than the processor fails, as for lack of memory."""
        inputs = {"luminance": luminance, "hints": hints, "noise": noise}
        try:
            with self._turn:
                (chroma,) = self.session.run(["chroma"], inputs)
        except Exception as error:  # ONNX Runtime's own classes have no common root
            if self.device == CPU:
                raise
            raise DeviceError(f"the device {self.device} failed: take a smaller working size, or cpu") from error
        return np.asarray(chroma, np.float32)


def devices_here() -> list[str]:
    """Names of the devices that the installed build of ONNX Runtime has, whether they work or not."""
    return [name for name, kind in KINDS.items() if kind.provider in onnxruntime.get_available_providers()]


def open_session(model: bytes, name: str, threads: int, device: str) -> tuple[onnxruntime.InferenceSession, Device]:
    """A session for a model on the device of this name, or on the best one that works for "auto", and the device.

    What the installed build of ONNX Runtime has, but can't be used, is logged in words. Raises as OnnxBackend does.
    """
    troubles = []
    for each in devices_to_try(device, onnxruntime.get_available_providers()):
        found = _opened(model, threads, each)
        if not isinstance(found, Exception):
            return found, each
        troubles.append((each, found))  # an error of the device, or of the model: the processor will tell
    try:
        session = _session(model, threads, PROCESSOR)
    except Exception as error:
        raise WeightsError(not_a_model(model, name)) from error
    for each, trouble in troubles:
        message = f"the device {each.name} can't be used here: it needs {each.kind.needs}"
        if device != AUTO:
            raise DeviceError(f"{message}; cpu always works") from trouble
        _tell(f"photochrom: {message}. The processor is used")
    return session, PROCESSOR


def _opened(model: bytes, threads: int, device: Device) -> onnxruntime.InferenceSession | Exception:
    try:
        return (_session if device.is_cpu else _tried_session)(model, threads, device)
    except Exception as error:
        return error


def _session(model: bytes, threads: int, device: Device) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # an arena would never give back the memory of the largest picture
    options.log_severity_level = ERRORS if device.is_cpu else NOTHING
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait take no time
    options.enable_mem_pattern = False  # DirectML asks for it, and it helps only pictures of one size
    # What a device can't do, the processor does. ONNX Runtime's own fallback would print to standard output.
    providers = [device.provider] if device.is_cpu else [device.provider, PROCESSOR.provider]
    session = onnxruntime.InferenceSession(
        model, options, providers=providers, enable_fallback=0, disabled_optimizers=USELESS
    )
    give_back()
    return session


def _tried_session(model: bytes, threads: int, device: Device) -> onnxruntime.InferenceSession:
    """A session on a device that has answered there. Raises whatever comes if the device can't be used."""
    with _quietly():
        if device.kind.build == CUDA_BUILD and hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # CUDA's libraries may have come with pip
        session = _session(model, threads, device)
        if device.kind.provider not in session.get_providers():  # left out without a word
            raise DeviceError(f"{device.name} can't be opened")
        sides = (1, 1, TRIAL_SIDE, TRIAL_SIDE)  # for those that a model leaves open
        shapes = {
            given.name: [each if isinstance(each, int) else side for each, side in zip(given.shape, sides)]  # noqa: B905
            for given in session.get_inputs()
        }
        trial = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        if not np.isfinite(session.run(["chroma"], trial)[0]).all():
            raise DeviceError(f"{device.name} computes no numbers")
    return session


@contextmanager
def _quietly() -> Iterator[None]:
    """ONNX Runtime doesn't write of libraries that aren't there, and prints nothing where a picture may go."""
    onnxruntime.set_default_logger_severity(NOTHING)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        onnxruntime.set_default_logger_severity(WARNINGS)


@cache
def _tell(message: str) -> None:
    """Log a warning once. Without a logger of the program's own it goes to standard error."""
    log.warning("%s", message)
