"""The palette: a grid of displayable ab colors, from which the generator chooses.

Zhang, Isola & Efros 2016 (arXiv 1603.08511) showed that predicting a distribution over quantized
colors, and decoding it with a temperature, avoids the brown average that plain regression predicts.
"""

from __future__ import annotations

import torch
from torch import Tensor

from photochrom.networks.lab import lab_to_rgb

SPACING = 10.0  # Lab units between neighboring palette colors
EXTENT = 110.0  # the grid spans -110..110 on both axes
SIDE = round(2 * EXTENT / SPACING) + 1  # grid points along an axis
GAMUT_TOLERANCE = 0.05  # in sRGB: keeps points just outside the gamut, so that its edge can be reached


def displayable_palette() -> Tensor:
    """The grid's ab points that sRGB can show at some lightness: (Q, 2) in Lab units, row by row of a."""
    axis = torch.linspace(-EXTENT, EXTENT, SIDE)
    a, b = torch.meshgrid(axis, axis, indexing="ij")
    luminance = torch.arange(0.0, 101.0, 2.0)[:, None, None].expand(-1, SIDE, SIDE)
    rgb = lab_to_rgb(torch.stack([luminance, a.expand_as(luminance), b.expand_as(luminance)], dim=1))
    inside = (rgb - 0.5).abs() < 0.5 + GAMUT_TOLERANCE
    displayable = inside.all(dim=1).any(dim=0)
    return torch.stack([a[displayable], b[displayable]], dim=1)


def palette_corners(chroma: Tensor, palette: Tensor) -> tuple[Tensor, Tensor]:
    """The palette colors around each chroma, and how much of each it is made of.

    chroma (N, 2, H, W) in Lab units; palette (Q, 2) as `displayable_palette` returns it. Returns indices
    into the palette and weights, both (N, H, W, 4). The weights are bilinear: they sum to 1 and average
    the corner colors to the chroma itself. The weight of a corner outside the palette goes to the others.
    """
    index_of = torch.full((SIDE, SIDE), -1, dtype=torch.long, device=chroma.device)
    cells = ((palette + EXTENT) / SPACING).round().long()
    index_of[cells[:, 0], cells[:, 1]] = torch.arange(len(palette), device=chroma.device)

    position = ((chroma + EXTENT) / SPACING).clamp(0, SIDE - 1.001).permute(0, 2, 3, 1)  # (N, H, W, 2)
    low = position.floor()
    (high_a, high_b), (a, b) = (position - low).unbind(-1), low.long().unbind(-1)
    corners = torch.stack([index_of[a, b], index_of[a, b + 1], index_of[a + 1, b], index_of[a + 1, b + 1]], dim=-1)
    weights = torch.stack(
        [
            (1 - high_a) * (1 - high_b),
            (1 - high_a) * high_b,
            high_a * (1 - high_b),
            high_a * high_b,
        ],
        dim=-1,
    )
    weights = weights * (corners >= 0)
    return corners.clamp_min(0), weights / weights.sum(dim=-1, keepdim=True).clamp_min(1e-6)
