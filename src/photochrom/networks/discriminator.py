"""The PatchGAN discriminator: fully convolutional, judges each patch as real or fake (Isola et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from photochrom.networks.checking import COUNT, Bounds, check_config
from photochrom.networks.units import scale_chroma, scale_luminance

MAX_WIDENING = 8  # channels double layer by layer up to 8 times the first layer's


@dataclass(frozen=True)
class DiscriminatorConfig:
    """What it takes to rebuild a PatchGAN.

    `layers` stride-2 convolutions give a receptive field of 16, 34, 70 or 142 pixels for 1, 2, 3 or 4.
    """

    layers: int = 3
    channels: int = 64
    norm: Literal["instance", "spectral"] = "spectral"

    def __post_init__(self) -> None:
        check_config(self, "discriminator.", layers=Bounds(1, 6), channels=COUNT)


class PatchGAN(nn.Module):
    """Gives a logit to every patch of a candidate coloring, given the luminance it was made for.

    norm "instance" is the published network: batch normalization at the paper's batch size of 1.
    "spectral" normalizes the weights instead (Miyato et al. 2018, arXiv 1802.05957).
    """

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config = config
        widths = [config.channels * min(2**i, MAX_WIDENING) for i in range(config.layers + 1)]
        normalize = config.norm == "instance"
        blocks: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
            stride = 2 if number < config.layers else 1
            blocks.append(nn.Conv2d(inputs, outputs, 4, stride, 1, bias=not normalize))
            if normalize:
                blocks.append(nn.InstanceNorm2d(outputs, affine=True))
            blocks.append(nn.LeakyReLU(0.2))
        blocks.append(nn.Conv2d(widths[-1], 1, 4, 1, 1))
        if config.norm == "spectral":
            blocks = [spectral_norm(b) if isinstance(b, nn.Conv2d) else b for b in blocks]
        self.patches = nn.Sequential(*blocks)

    def forward(self, luminance: Tensor, chroma: Tensor) -> Tensor:
        """The patch map: one logit per patch, above 0 where the patch looks real.

        luminance (N, 1, H, W) in 0..100 is averaged down to the size of chroma (N, 2, h, w), in Lab
        units. Returns (N, 1, h', w').
        """
        luminance = F.adaptive_avg_pool2d(luminance, (chroma.shape[-2], chroma.shape[-1]))
        return self.patches(torch.cat([scale_luminance(luminance), scale_chroma(chroma)], dim=1))

    def score(self, luminance: Tensor, chroma: Tensor) -> Tensor:
        """The score of each whole picture, (N,): the mean of its logits."""
        return self(luminance, chroma).mean(dim=(1, 2, 3))
