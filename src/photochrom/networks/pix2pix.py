"""The generator of pix2pix (Isola et al. 2017, arXiv 1611.07004): the U-Net-256, luminance to chroma."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from photochrom.networks.checking import COUNT, check_config
from photochrom.networks.units import scale_luminance, unscale_chroma

DEPTH = 8  # halvings: 256 pixels become 1
MAX_WIDENING = 8
HASH_PRIME = 2**31 - 1  # its square fits 64 bits
DROPOUT_LEVELS = 3  # this many decoder levels, from the bottleneck on, drop half of their values


@dataclass(frozen=True)
class Pix2PixConfig:
    """What it takes to rebuild the published generator."""

    channels: int = 64
    noise_channels: int = 8  # any noise but 0 switches the dropout on

    def __post_init__(self) -> None:
        check_config(self, "generator.", channels=COUNT, noise_channels=COUNT)


class Pix2PixGenerator(nn.Module):
    """U-Net-256: 8 convolutions down, 8 up, a skip at every scale, dropout as its source of noise.

    Normalization is the paper's: batch normalization with the statistics of a batch of one, at test time
    too, which is instance normalization. It ignores hints.
    """

    stride = 1  # chroma comes out at full size
    size_multiple = 2**DEPTH  # of height and width

    def __init__(self, config: Pix2PixConfig):
        super().__init__()
        self.config = config
        self.noise_channels = config.noise_channels
        widths = [config.channels * min(2**i, MAX_WIDENING) for i in range(DEPTH)]
        self.down = nn.ModuleList([nn.Conv2d(1, widths[0], 4, 2, 1)])
        for inputs, outputs in pairwise(widths[:-1]):
            self.down.append(_activated(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), outputs))
        # The bottleneck is one pixel at 256 x 256: nothing to normalize.
        self.down.append(nn.Sequential(nn.LeakyReLU(0.2), nn.Conv2d(widths[-2], widths[-1], 4, 2, 1)))
        self.up = nn.ModuleList()
        inputs = widths[-1]
        for outputs in reversed(widths[:-1]):
            conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
            self.up.append(nn.Sequential(nn.ReLU(), conv, nn.InstanceNorm2d(outputs, affine=True)))
            inputs = 2 * outputs
        self.head = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(inputs, 2, 4, 2, 1), nn.Tanh())
        self.apply(_initialize)

    def forward(self, luminance: Tensor, hints: Tensor, noise: Tensor) -> Tensor:
        """Predict chroma (N, 2, H, W) in Lab units.

        luminance (N, 1, H, W) in 0..100, H and W multiples of 256; hints (N, 3, H, W) are ignored; noise
        (N, Z): 0 switches the dropout off.
        """
        x = scale_luminance(luminance)
        skips: list[Tensor] = []
        for down in self.down:
            x = down(x)
            skips.append(x)
        skips.pop()  # the bottleneck is where the decoder starts
        for level, up in enumerate(self.up):
            x = up(x)
            if level < DROPOUT_LEVELS:
                x = noise_dropout(x, noise, level)
            x = torch.cat([x, skips.pop()], dim=1)
        return unscale_chroma(self.head(x))


def noise_dropout(x: Tensor, noise: Tensor, level: int) -> Tensor:
    """Drop half of the values of x (N, C, H, W); a hash of the noise vector (N, Z) selects which.

    Plain dropout draws from a random generator that an ONNX file can't control. Hashing the noise makes the
    same picture from the same noise, on every backend; noise 0 drops nothing.
    """
    _, channels, height, width = x.shape

    def ramp(length: int, step: int) -> Tensor:
        return step * torch.arange(length, device=x.device)

    # Integer arithmetic, which every backend computes alike; the squares separate neighboring values.
    place = ramp(channels, 69_997)[:, None, None] + ramp(height, 1_009)[:, None] + ramp(width, 15_013)  # (C, H, W)
    key = ((noise.float() * 4096).round().long() * (ramp(noise.shape[1], 7_919) + 104_729)).sum(dim=1)
    coin = (place + (level * 1_299_709 + key)[:, None, None, None]).abs() % HASH_PRIME
    for addend in (12_345, 67_891, 24_683):
        coin = (coin * coin + addend) % HASH_PRIME
    kept = (coin > HASH_PRIME // 2).to(x.dtype)
    active = (noise != 0).any(dim=1)[:, None, None, None]
    return torch.where(active, x * kept * 2, x)


def _activated(conv: nn.Module, outputs: int) -> nn.Module:
    return nn.Sequential(nn.LeakyReLU(0.2), conv, nn.InstanceNorm2d(outputs, affine=True))


def _initialize(module: nn.Module) -> None:
    """Initialize as published: weights from N(0, 0.02), normalization scales from N(1, 0.02)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
