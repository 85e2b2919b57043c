"""sRGB <-> CIELAB (D65, 2 degree observer) in PyTorch, differentiable everywhere.

The same formulas and constants as in `photochrom.photo.color`; a test compares the two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from photochrom.photo.color import (
    D65_WHITE,
    LAB_EPSILON,
    LAB_KAPPA,
    RGB_TO_XYZ,
    SRGB_LINEAR_LIMIT,
    XYZ_TO_RGB,
)


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """sRGB (N, 3, H, W) in [0, 1] to L in 0..100, a, b: (N, 3, H, W)."""
    # Each branch of a `where` sees only arguments at which its derivative is finite.
    curved = ((rgb.clamp_min(SRGB_LINEAR_LIMIT) + 0.055) / 1.055) ** 2.4
    linear_rgb = torch.where(rgb <= SRGB_LINEAR_LIMIT, rgb / 12.92, curved)
    xyz = torch.einsum("ij,njhw->nihw", rgb.new_tensor(RGB_TO_XYZ), linear_rgb)
    ratio = xyz / rgb.new_tensor(D65_WHITE)[:, None, None]
    root = ratio.clamp_min(LAB_EPSILON) ** (1 / 3)
    f = torch.where(ratio <= LAB_EPSILON, (LAB_KAPPA * ratio + 16) / 116, root)
    x, y, z = f.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lab_to_linear_rgb(lab: Tensor) -> Tensor:
    """L in 0..100, a, b (N, 3, H, W) to linear sRGB, unclipped: outside [0, 1] means outside the gamut."""
    luminance, a, b = lab.unbind(dim=1)
    y = (luminance + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    ratio = torch.where(f**3 <= LAB_EPSILON, (116 * f - 16) / LAB_KAPPA, f**3)
    xyz = ratio * lab.new_tensor(D65_WHITE)[:, None, None]
    return torch.einsum("ij,njhw->nihw", lab.new_tensor(XYZ_TO_RGB), xyz)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """L in 0..100, a, b (N, 3, H, W) to sRGB, unclipped; negative values follow the linear part of the curve."""
    linear_rgb = lab_to_linear_rgb(lab)
    limit = SRGB_LINEAR_LIMIT / 12.92
    curved = 1.055 * linear_rgb.clamp_min(limit) ** (1 / 2.4) - 0.055
    return torch.where(linear_rgb <= limit, linear_rgb * 12.92, curved)
