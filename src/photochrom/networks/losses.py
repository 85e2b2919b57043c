"""The losses; only arithmetic. Chroma is in Lab units, (N, 2, H, W); a loss is one number for the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from photochrom.networks.units import scale_chroma

EDGE_SCALES = (1, 2, 4)
WORST_PORTION = 0.1  # of a picture's cells
SMOOTH_BETA = 0.03  # in network units, about 3 Lab units: below it the pixel loss is quadratic


def pixel_loss(fake_chroma: Tensor, real_chroma: Tensor) -> Tensor:
    """L1 between chroma in network units: mean |fake - real| / 110 (Isola et al. 2017, eq. 3)."""
    return F.l1_loss(scale_chroma(fake_chroma), scale_chroma(real_chroma))


def smooth_pixel_loss(fake_chroma: Tensor, real_chroma: Tensor) -> Tensor:
    """Smooth L1 (Huber) in network units: differences too small to see count less."""
    return F.smooth_l1_loss(scale_chroma(fake_chroma), scale_chroma(real_chroma), beta=SMOOTH_BETA)


def edge_loss(fake_chroma: Tensor, real_chroma: Tensor) -> Tensor:
    """How far chroma's edges are from the true ones, in Lab units: mean |gradient of (fake - real)|.

    Over neighbors across and down, in the picture itself and averaged down by 2 and 4 (gradient matching, Li &
    Snavely 2018, arXiv 1804.00607). A patch of color in the middle of an object has edges where the truth has none.
    """
    difference, terms = fake_chroma - real_chroma, []
    for scale in EDGE_SCALES:
        pooled = F.avg_pool2d(difference, scale)
        terms += [_length(pooled.diff(dim=2)).mean(), _length(pooled.diff(dim=3)).mean()]
    return torch.stack(terms).mean()


def dullness_loss(fake_chroma: Tensor, real_chroma: Tensor) -> Tensor:
    """How much less chroma pixels have than in the truth, in Lab units: mean max(0, |real| - |fake|).

    Each pixel counts by itself, so that a glaring pixel elsewhere can't make up for a dull one. A loss on the
    colorfulness of the whole picture (Kang et al. 2023, DDColor, arXiv 2212.11613) mostly rewards contrast: a network
    learned to paint a stripe of sky along the upper edge of every photograph.
    """
    return F.relu(_length(real_chroma) - _length(fake_chroma)).mean()


def worst_loss(differences: Tensor) -> Tensor:
    """The mean color difference over the worst tenth of each picture's cells: what people notice first.

    differences: (N, H, W), such as `ciede2000.color_difference` returns.
    """
    cells = differences.flatten(1)
    return cells.topk(max(1, round(WORST_PORTION * cells.shape[1])), dim=1).values.mean()


def _length(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(dim=1) + 1e-2).sqrt()  # rounded at 0, in Lab units


def pixel_distance(fake_chroma: Tensor, real_chroma: Tensor) -> Tensor:
    """Mean ab distance of each picture, (N,), in Lab units; best-of-many sampling compares it."""
    return (fake_chroma - real_chroma).square().sum(dim=1).add(1e-6).sqrt().mean(dim=(1, 2))


def classification_loss(
    log_probabilities: Tensor, corners: Tensor, corner_weights: Tensor, color_weights: Tensor
) -> Tensor:
    """Rebalanced cross-entropy over palette colors (Zhang et al. 2016, eq. 2-4).

    log_probabilities: (N, h, w, Q). corners (N, h, w, 4): indices of the palette colors around
    the true chroma; corner_weights (N, h, w, 4): their bilinear weights, summing to 1. color_weights (Q,):
    the weight of each palette color. Returns sum(weight * cross-entropy) / sum(weight) over pixels.
    """
    cross_entropy = -(log_probabilities.gather(-1, corners) * corner_weights).sum(dim=-1)
    weights = (color_weights[corners] * corner_weights).sum(dim=-1)
    return (weights * cross_entropy).sum() / weights.sum()


def color_weights(frequencies: Tensor, smoothing: float = 0.5, power: float = 0.5) -> Tensor:
    """Rebalancing weights (Q,) from palette frequencies (Q,) that sum to 1.

    ((1 - s) p + s / Q) ** -power, scaled to a mean of 1 under p. Zhang et al. use power 1; the square root
    also protects rare colors and costs less accuracy.
    """
    weights = ((1 - smoothing) * frequencies + smoothing / len(frequencies)) ** -power
    return weights / (weights * frequencies).sum()


class AdversarialLoss(NamedTuple):
    """The two sides of an adversarial loss: for the discriminator (real and fake maps), for the generator (fake)."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def vanilla_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)), halved (Goodfellow et al. 2014, as pix2pix)."""
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def vanilla_generator_loss(fake: Tensor) -> Tensor:
    """-log D(fake): the non-saturating form."""
    return F.softplus(-fake).mean()


def least_squares_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """((D(real) - 1)^2 + D(fake)^2) / 2 (Mao et al. 2017, arXiv 1611.04076)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_generator_loss(fake: Tensor) -> Tensor:
    """(D(fake) - 1)^2."""
    return (fake - 1).square().mean()


def hinge_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - D(real)) + max(0, 1 + D(fake)), halved (Lim & Ye 2017, arXiv 1705.02894)."""
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


def hinge_generator_loss(fake: Tensor) -> Tensor:
    """-D(fake)."""
    return -fake.mean()


ADVERSARIAL_LOSSES = {
    "vanilla": AdversarialLoss(vanilla_discriminator_loss, vanilla_generator_loss),
    "least-squares": AdversarialLoss(least_squares_discriminator_loss, least_squares_generator_loss),
    "hinge": AdversarialLoss(hinge_discriminator_loss, hinge_generator_loss),
}
