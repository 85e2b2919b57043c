"""Generators on PyTorch, straight from a training's checkpoint (the `train` extra)."""

from __future__ import annotations

from pathlib import Path

try:
    import torch
except ImportError as error:
    from photochrom.errors import MissingExtra

    raise MissingExtra("colorizing from a training checkpoint", "train") from error

from photochrom.inference.backends import ModelInfo
from photochrom.networks.build import load_ema
from photochrom.photo.color import FloatArray


class TorchBackend:
    """The averaged (EMA) generator of a training run or checkpoint."""

    def __init__(self, path: Path, device: str = "cpu"):
        """Raises TrainingError or WeightsError for a path that is no checkpoint."""
        self.device = torch.device(device)
        generator, config, step = load_ema(path)
        self.generator = generator.to(self.device)
        self.info = ModelInfo(
            config["preset"], generator.size_multiple, generator.noise_channels, {"step": step, "config": config}
        )

    @torch.inference_mode()
    def predict(self, luminance: FloatArray, hints: FloatArray, noise: FloatArray) -> FloatArray:
        inputs = (torch.from_numpy(x).to(self.device) for x in (luminance, hints, noise))
        return self.generator(*inputs).float().cpu().numpy()
