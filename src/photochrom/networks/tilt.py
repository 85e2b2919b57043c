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

    directions: Tensor  # (C, Z - WHOLE) in the space of looks
    whole: Tensor  # (WHOLE, Q)
    cosines: Tensor  # (Z - WHOLE, Q)
    sines: Tensor  # (Z - WHOLE, Q)

    def __init__(self, palette: Tensor, channels: int, noise_channels: int, strength: float):
        super().__init__()
        self.strength = strength
        source = torch.Generator().manual_seed(0)
        count = max(0, noise_channels - WHOLE)
        frequencies = torch.randn(count, 2, generator=source) / COLOR_SCALE
        directions = torch.randn(channels, count, generator=source) / LOOK_SCALE
        phases = 2 * math.pi * torch.rand(count, generator=source)
        colors = palette @ frequencies.t() + phases  # (Q, Z - WHOLE)
        scale = math.sqrt(2 / max(1, count))
        self.register_buffer("directions", directions, persistent=False)
        self.register_buffer("whole", WHOLE_STRENGTH * torch.sin(palette / AXIS).t(), persistent=False)
        # All are 0 for gray.
        self.register_buffer("cosines", scale * (torch.cos(colors) - torch.cos(phases)).t(), persistent=False)
        self.register_buffer("sines", scale * (torch.sin(colors) - torch.sin(phases)).t(), persistent=False)

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        """What to add to logits: (N, 4h, 4w, Q), for features (N, C, h, w) and noise (N, Z)."""
        length = noise.norm(dim=1, keepdim=True) / math.sqrt(noise.shape[1])
        noise = noise / length.clamp(min=1)  # the longest draws would tilt everything to one glaring color
        look = F.normalize(F.instance_norm(features.float()), dim=1)  # what sets a place apart in its own picture
        angles = look.permute(0, 2, 3, 1) @ self.directions  # (N, h, w, Z - WHOLE)
        factors = noise[:, None, None, WHOLE:]
        waves = torch.cat([factors * angles.cos(), -factors * angles.sin()], dim=3).permute(0, 3, 1, 2)
        waves = F.interpolate(waves, scale_factor=4.0, mode="bilinear").permute(0, 2, 3, 1)
        tilts = waves @ torch.cat([self.cosines, self.sines]) + (noise[:, :WHOLE] @ self.whole)[:, None, None]
        return self.strength * tilts
