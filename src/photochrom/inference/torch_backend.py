"""Generators on PyTorch, straight from a training's checkpoint (the `train` extra)."""

from __future__ import annotations

import hashlib
from pathlib import Path

try:
    import torch
except ImportError as error:
    from photochrom.errors import MissingExtra

    raise MissingExtra("colorizing from a training checkpoint", "train") from error

from photochrom.inference.model import ModelInfo
from photochrom.networks.build import CHECKPOINT_NAME, load_ema
from photochrom.photo.color import FloatArray


class TorchBackend:
    """The averaged (EMA) generator of a training run or checkpoint."""

    def __init__(self, path: Path):
        """Raises TrainingError or WeightsError for a path that is no checkpoint."""
        self.generator, config, step = load_ema(path)
        file = path / CHECKPOINT_NAME if path.is_dir() else path
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        details = {"step": step, "config": config}
        generator = self.generator
        self.info = ModelInfo(config["preset"], generator.size_multiple, generator.noise_channels, details, digest)

    @torch.inference_mode()
    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        inputs = (torch.from_numpy(x) for x in (luminance, hints, noise))
        return self.generator(*inputs).float().numpy()
