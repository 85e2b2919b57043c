"""Teachers: trained generators whose predictions another one learns instead of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photochrom.errors import TrainingError
from photochrom.networks.build import load_ema
from photochrom.networks.generator import Generator, GeneratorConfig
from photochrom.networks.pix2pix import Pix2PixConfig

MARGIN = Generator.size_multiple  # pixels: the least by which a picture can grow


class Teachers(nn.Module):
    """The average prediction of several trained generators for undamaged photographs.

    Distillation (Hinton et al. 2015, arXiv 1503.02531): the average of networks is better than each of them, and one
    network can learn it. Teachers see an additional mirrored margin above the photograph, which is cut off their
    predictions: padding with zeros shows convolutions where a picture ends, and some have learned to paint sky there,
    even indoors.
    """

    def __init__(self, generators: Sequence[Generator]):
        super().__init__()
        self.generators = nn.ModuleList(generators)

    @torch.no_grad()
    def forward(self, luminance: Tensor, hints: Tensor, noise: Tensor) -> Tensor:
        """As `Generator.forward`. With noise only the first predicts: each network gives noise another meaning."""
        luminance = F.pad(luminance, (0, 0, MARGIN, 0), mode="reflect")
        hints = F.pad(hints, (0, 0, MARGIN, 0))
        predictions = torch.stack([generator(luminance, hints, noise) for generator in self.generators])
        noisy = (noise != 0).any(dim=1)[:, None, None, None]
        return torch.where(noisy, predictions[0], predictions.mean(dim=0))[:, :, MARGIN // Generator.stride :]


def load_teachers(paths: Sequence[str], student: GeneratorConfig | Pix2PixConfig) -> Teachers | None:
    """The averaged generators of runs or checkpoints, with the student's calibration; None without a path.

    Raises WeightsError for what is no checkpoint, TrainingError for a network that can't teach this one.
    """
    if not paths:
        return None
    teachers = []
    for path in paths:
        teacher, _, _ = load_ema(Path(path))
        if not isinstance(teacher, Generator) or not isinstance(student, GeneratorConfig):
            raise TrainingError(f"{path} can't teach: teachers and the taught must be of the default preset")
        if teacher.noise_channels != student.noise_channels:
            raise TrainingError(f"{path} can't teach: its noise has {teacher.noise_channels} channels")
        teacher.config = replace(
            teacher.config, weak_gain=student.weak_gain, strong_gain=student.strong_gain, tint_gain=student.tint_gain
        )
        teachers.append(teacher)
    return Teachers(teachers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
