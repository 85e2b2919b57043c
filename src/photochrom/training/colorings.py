"""Best-of-many sampling, by which a generator learns to use its noise."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from photochrom.networks.generator import Generator
from photochrom.networks.losses import pixel_distance


class Prediction(NamedTuple):
    """A generator's output: chroma (N, 2, h, w); log-probabilities of palette colors (N, h, w, Q) if it has any."""

    chroma: Tensor
    log_probabilities: Tensor | None


class BestOfMany(nn.Module):
    """A generator, trained on the best of several noise vectors.

    A generator that is punished for every guess learns one safe prediction and ignores its noise. Here each picture
    is colored with K noise vectors, and only the one nearest to the truth is learned from (Guzman-Rivera et al. 2012,
    "Multiple choice learning"; Li & Malik 2018, arXiv 1809.09087), so that different noise can mean different
    colors. The encoder runs once, and the K trials of the decoder run without gradients.
    """

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, luminance: Tensor, hints: Tensor, candidates: Tensor, real_chroma: Tensor) -> Prediction:
        """luminance (N, 1, H, W), hints (N, 3, H, W), candidates (K, N, Z), real_chroma (N, 2, h, w)."""
        generator = self.generator
        if not isinstance(generator, Generator):
            return Prediction(generator(luminance, hints, candidates[0]), None)
        features = generator.encode(luminance)
        noise = best_noise(generator, [f.detach() for f in features], hints, candidates, real_chroma)
        logits, heeded = generator.logits(features, hints, noise)
        log_probabilities = F.log_softmax(logits, dim=-1, dtype=torch.float32)
        return Prediction(generator.color(log_probabilities.exp(), heeded, noise), log_probabilities)


@torch.no_grad()
def best_noise(
    generator: Generator, features: list[Tensor], hints: Tensor, candidates: Tensor, real_chroma: Tensor
) -> Tensor:
    """Of candidates (K, N, Z), the noise (N, Z) that colors each picture nearest to real_chroma.

    Pictures whose candidates are all the same (noise 0) are not tried.
    """
    if len(candidates) == 1:
        return candidates[0]
    noise = candidates[0].clone()
    tried = (candidates[0] != candidates[1]).any(dim=1).nonzero()[:, 0]
    if len(tried) == 0:
        return noise
    kept_features, kept_hints = [f[tried] for f in features], hints[tried]
    generator.eval()  # trials must not move the batch statistics
    distances = torch.stack(
        [pixel_distance(generator.decode(kept_features, kept_hints, z[tried]), real_chroma[tried]) for z in candidates]
    )  # (K, tried)
    generator.train()
    noise[tried] = candidates[distances.argmin(dim=0), tried]
    return noise


def draw_candidates(count: int, batch: int, channels: int, noisy: float, device: torch.device) -> Tensor:
    """Noise candidates (count, batch, channels): normal for a share `noisy` of the batch, 0 for the rest."""
    shape = (count, batch, channels)
    on = torch.rand(batch, 1, device=device) < noisy
    return torch.randn(shape, device=device) * on
