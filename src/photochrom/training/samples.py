"""Sample sheets: the same photographs colored again and again while the training goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips
import torch
import torch.nn.functional as F
from torch import Tensor

from photochrom.networks.build import AnyGenerator
from photochrom.networks.lab import lab_to_rgb, rgb_to_lab

SHOWN = 12  # photographs on a sheet
SIDE = 256  # pixels


@torch.no_grad()
def write_sample_sheet(generator: AnyGenerator, photographs: np.ndarray, path: Path) -> None:
    """Write a picture with a row a photograph: gray | noise 0 | two other noises | truth.

    photographs: uint8 (N, S, S, 3). The same photographs and noises are used every time.
    """
    chosen = np.linspace(0, len(photographs) - 1, min(SHOWN, len(photographs))).astype(int)
    device = next(generator.parameters()).device
    rgb = torch.from_numpy(photographs[chosen]).to(device).permute(0, 3, 1, 2).float() / 255
    rgb = F.interpolate(rgb, (SIDE, SIDE), mode="bilinear", antialias=True)
    lab = rgb_to_lab(rgb)
    luminance = lab[:, :1]
    hints = torch.zeros_like(lab)
    columns = [lab_to_rgb(torch.cat([luminance, torch.zeros_like(lab[:, 1:])], dim=1))]
    for noise in _noises(len(rgb), generator.noise_channels):
        chroma = generator(luminance, hints, noise.to(device)).float()
        chroma = F.interpolate(chroma, (SIDE, SIDE), mode="bicubic")
        columns.append(lab_to_rgb(torch.cat([luminance, chroma], dim=1)))
    columns.append(rgb)
    sheet = torch.cat(columns, dim=3).permute(0, 2, 3, 1).flatten(0, 1)  # (rows * SIDE, columns * SIDE, 3)
    sheet8 = (sheet.clamp(0, 1) * 255).round().byte().cpu().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    pyvips.Image.new_from_array(sheet8, interpretation="srgb").write_to_file(str(path))


def _noises(count: int, channels: int) -> list[Tensor]:
    source = torch.Generator().manual_seed(0)
    others = [torch.randn(1, channels, generator=source).expand(count, -1) for _ in range(2)]
    return [torch.zeros(count, channels), *others]
