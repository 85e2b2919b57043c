"""Where a generator runs: the names that users give, ONNX Runtime's names for them, and what to install."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from photochrom.errors import DeviceError, InputError, brief
from photochrom.settings import AUTO, CPU, DEVICES


@dataclass(frozen=True)
class Kind:
    """A kind of device.

    provider: ONNX Runtime's name of what drives it. build: the pip package that has it, and needs: what must be there
    besides. automatic: whether `auto` tries it. options: of the provider. numbered: whether one of several can be
    chosen. alone: one prediction at a time.
    """

    provider: str
    build: str
    needs: str
    automatic: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    numbered: bool = True
    alone: bool = False


CUDA_BUILD, CUDA_NEEDS = "onnxruntime-gpu[cuda,cudnn]", "NVIDIA's driver, CUDA and cuDNN"
# In the order in which `auto` tries them. It leaves out those that build an engine for every shape, because photographs
# have many; OpenVINO, which was not faster than the processor without it and took five times as long to load; and
# CoreML, which every Mac's build has, and which nobody has measured.
KINDS = {
    # Trying all algorithms pays for many pictures of one shape only; an arena that doubles takes memory from others.
    "cuda": Kind(
        "CUDAExecutionProvider", CUDA_BUILD, CUDA_NEEDS,
        options={"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"},
    ),
    "tensorrt": Kind("TensorrtExecutionProvider", CUDA_BUILD, CUDA_NEEDS + " and TensorRT", automatic=False),
    "rocm": Kind("ROCMExecutionProvider", "onnxruntime-rocm", "AMD's driver and ROCm"),
    "migraphx": Kind("MIGraphXExecutionProvider", "onnxruntime-migraphx", "AMD's driver and ROCm", automatic=False),
    "directml": Kind("DmlExecutionProvider", "onnxruntime-directml", "Windows and a driver for DirectX 12", alone=True),
    "openvino": Kind(
        "OpenVINOExecutionProvider", "onnxruntime-openvino", "an Intel processor", automatic=False, numbered=False
    ),
    "coreml": Kind("CoreMLExecutionProvider", "onnxruntime", "macOS", automatic=False, numbered=False),
    CPU: Kind("CPUExecutionProvider", "onnxruntime", "nothing", numbered=False),
}  # fmt: skip


@dataclass(frozen=True)
class Device:
    """A device: its name, as a user gives it, and its kind. number: of several of the kind, from 0."""

    name: str
    kind: Kind
    number: int | None = None

    @property
    def provider(self) -> tuple[str, dict[str, Any]]:
        """What ONNX Runtime is told."""
        number = {} if self.number is None else {"device_id": self.number}
        return self.kind.provider, self.kind.options | number

    @property
    def is_cpu(self) -> bool:
        """Whether it is the processor."""
        return self.name == CPU


PROCESSOR = Device(CPU, KINDS[CPU])


def find_device(text: str) -> Device | None:
    """The device of a name such as cuda or cuda:1; None for auto. Raises InputError."""
    found = re.fullmatch(r"([a-z]+)(?::([0-9]{1,3}))?", text) if isinstance(text, str) else None
    name, number = found.groups() if found else ("", None)
    if name == AUTO and number is None:
        return None
    if name not in KINDS or (number and not KINDS[name].numbered):
        raise InputError(f"no device {brief(text)}: name one of {', '.join(DEVICES)}, or one of several, as in cuda:1")
    return Device(text, KINDS[name], int(number) if number else None)


def devices_to_try(text: str, providers: Collection[str]) -> list[Device]:
    """The devices for a name, the best one first; for auto without the processor, which is always there.

    providers: what the installed build of ONNX Runtime has. Raises InputError for a name that isn't one, DeviceError
    for a device that the build doesn't have.
    """
    device = find_device(text)
    if device is None:
        there = (Device(name, kind) for name, kind in KINDS.items() if kind.automatic and kind.provider in providers)
        return [device for device in there if not device.is_cpu]
    if device.kind.provider not in providers:
        kind = device.kind
        how = f"pip uninstall onnxruntime, then pip install '{kind.build}'"
        how = f"it needs {kind.needs}" if kind.build == "onnxruntime" else f"{how}; it needs {kind.needs}"
        raise DeviceError(f"the installed build of ONNX Runtime has no {text}: {how}")
    return [device]
