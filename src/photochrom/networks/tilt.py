"""Other plausible colorings: noise makes some palette colors likelier, for whole things at a time."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WHOLE = 2  # the first noise channels tilt the whole picture: toward green or red, toward blue or yellow
WHOLE_STRENGTH = 0.35  # of them, beside the others
AXIS = 50.0  # Lab units: how far from gray such a tilt still grows
COLOR_SCALE = 22.0  # Lab units: palette colors nearer than this rise and fall together
LOOK_SCALE = 2.1  # how different things must look to choose their colors apart; unlike places are about 1.4 apart


class PaletteTilt(nn.Module):
    """Adds a random function of color and look to the logits of the palette's colors.

    A sample of every place's own distribution would be confetti. Here all places share one random function g, drawn
    by the noise, and the palette color q at place x gets the logit l(q, x) + g(q, x). g changes slowly with q and with
    what x looks like, so that all of a dress takes the same one of its likely colors, and the sofa may take another.
    Where the network is sure, g changes nothing. The first two noise channels are factors of tilts that don't look at
    x. The others are factors of random Fourier features (Rahimi & Recht 2007) of a Gaussian process over colors and
    features. Nothing of it is learned.
    """

    directions: Tensor  # (C, Z - W) in the space of looks
    colors: Tensor  # (K, Q): what each of the K maps adds to the logits of the Q colors

    def __init__(self, palette: Tensor, channels: int, noise_channels: int, strength: float):
        super().__init__()
        source = torch.Generator().manual_seed(0)
        self.whole = min(WHOLE, noise_channels - 1)  # W: of so many channels
        count = noise_channels - self.whole
        frequencies = torch.randn(count, 2, generator=source) / COLOR_SCALE
        directions = torch.randn(channels, count, generator=source) / LOOK_SCALE
        phases = 2 * math.pi * torch.rand(count, generator=source)
        waves = palette @ frequencies.t() + phases  # (Q, Z - W)
        scale = math.sqrt(2 / count)
        # All are 0 for gray.
        cosines = scale * (torch.cos(waves) - torch.cos(phases))
        sines = scale * (torch.sin(waves) - torch.sin(phases))
        whole = WHOLE_STRENGTH * torch.sin(palette / AXIS)[:, : self.whole]
        self.register_buffer("directions", directions, persistent=False)
        self.register_buffer("colors", strength * torch.cat([cosines, sines, whole], dim=1).t(), persistent=False)

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        """The maps (N, K, 4h, 4w) whose product with `colors` is added to logits.

        features: (N, C, h, w). noise: (N, Z); its first W channels tilt the whole picture, and K = 2 (Z - W) + W.
        """
        length = noise.norm(dim=1, keepdim=True) / math.sqrt(noise.shape[1])
        noise = noise / length.clamp(min=1)  # the longest draws would tilt everything to one glaring color
        look = F.normalize(F.instance_norm(features.float()), dim=1)  # what sets a place apart in its own picture
        angles = look.permute(0, 2, 3, 1) @ self.directions  # (N, h, w, Z - W)
        factors = noise[:, None, None, self.whole :]
        waves = torch.cat([factors * angles.cos(), -factors * angles.sin()], dim=3).permute(0, 3, 1, 2)
        waves = F.interpolate(waves, scale_factor=4.0, mode="bilinear")
        whole = noise[:, : self.whole, None, None].expand(-1, -1, *waves.shape[2:])
        return torch.cat([waves, whole], dim=1)
