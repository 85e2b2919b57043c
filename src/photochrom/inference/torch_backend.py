"""Generators on PyTorch, straight from a training's checkpoint (the `train` extra)."""

from __future__ import annotations

import hashlib
from pathlib import Path

try:
    import torch
except ImportError as error:
    from photochrom.errors import MissingExtra

    raise MissingExtra("colorizing from a training checkpoint", "train") from error

from photochrom.errors import DeviceError
from photochrom.inference.devices import find_device
from photochrom.inference.model import ModelInfo
from photochrom.networks.build import CHECKPOINT_NAME, load_ema
from photochrom.photo.color import FloatArray
from photochrom.settings import AUTO, CPU


class TorchBackend:
    """The averaged (EMA) generator of a training run or checkpoint."""

    def __init__(self, path: Path, device: str = AUTO):
        """Raises TrainingError or WeightsError for a path that is no checkpoint, DeviceError for a device not here."""
        self.device = torch_device(device)
        self.generator, config, step = load_ema(path)
        self.generator.to(self.device)
        file = path / CHECKPOINT_NAME if path.is_dir() else path
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        details = {"step": step, "config": config}
        generator = self.generator
        self.info = ModelInfo(config["preset"], generator.size_multiple, generator.noise_channels, details, digest)

    @torch.inference_mode()
    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        inputs = (torch.from_numpy(x).to(self.device) for x in (luminance, hints, noise))
        return self.generator(*inputs).float().cpu().numpy()


def torch_device(name: str) -> str:
    """PyTorch's name of a device: of the best one here for "auto". Raises InputError or DeviceError."""
    device = find_device(name)
    if device is None:
        return "cuda" if torch.cuda.is_available() else CPU
    kind = name.partition(":")[0]
    if kind not in (CPU, "cuda"):
        raise DeviceError(f"a training run is colored on cpu or cuda: for {name}, use photochrom export first")
    there = torch.cuda.device_count()
    if kind == "cuda" and (device.number or 0) >= there:
        raise DeviceError(f"the device {name} can't be used here: PyTorch finds {there} of its kind; cpu always works")
    return name
