"""Sample sheets: the same photographs colored again and again while the training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from photochrom.networks.build import AnyGenerator
from photochrom.networks.lab import lab_to_rgb, rgb_to_lab
from photochrom.photo.vips import pyvips

FOLDER = "samples"  # in a run's folder
SHOWN = 12  # photographs on a sheet
SIDE = 256  # pixels


def own_folders(run: Path) -> tuple[Path, ...]:
    """Where a training writes pictures. They are none of its photographs, even if those are in the run's own folder."""
    return run, run / FOLDER


@torch.no_grad()
def write_sample_sheet(generator: AnyGenerator, photographs: Sequence[NDArray[np.uint8]], path: Path) -> None:
    """Write a picture with a row per photograph: gray | noise 0 | two other noises | truth.

    photographs: uint8 (H, W, 3), of which the central squares are shown. The same noises are used every time.
    """
    device = next(generator.parameters()).device
    rgb = torch.cat([central_square(photograph, SIDE) for photograph in photographs]).to(device)
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


def central_square(photograph: NDArray[np.uint8], side: int) -> Tensor:
    """The central square of a photograph, (1, 3, side, side) in 0..1."""
    height, width = photograph.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = torch.tensor(photograph[top : top + short, left : left + short]).permute(2, 0, 1)[None].float() / 255
    return F.interpolate(square, (side, side), mode="bilinear", antialias=True).clamp(0, 1)


def _noises(count: int, channels: int) -> list[Tensor]:
    source = torch.Generator().manual_seed(0)
    others = [torch.randn(1, channels, generator=source).expand(count, -1) for _ in range(2)]
    return [torch.zeros(count, channels), *others]
