"""Optimizers, which parameters learn at which rate, how they lie in memory, and the average of the weights (EMA)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from photochrom.networks.generator import Generator
from photochrom.training.config import TrainingConfig


def parameter_groups(generator: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """The encoder's and the other parameters, each with its learning rate over the stage's."""
    if not isinstance(generator, Generator):
        return [{"params": list(generator.parameters()), "rate": 1.0}]
    encoder = list(generator.encoder.parameters())
    ids = {id(p) for p in encoder}
    rest = [p for p in generator.parameters() if id(p) not in ids]
    return [{"params": encoder, "rate": config.encoder_rate}, {"params": rest, "rate": 1.0}]


def build_optimizer(config: TrainingConfig, device: torch.device, *groups: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer that the configuration names, for training on a device; `set_rate` sets its learning rates."""
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[config.optimizer]
    # On a CPU PyTorch by itself goes through all weights once for each operation: with 54 M of them, a fifth of a step.
    fused = True if device.type == "cpu" else None
    return kind(groups, lr=1.0, betas=config.betas, weight_decay=config.weight_decay, fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group to its part of a rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


def fastest_layout(generator: nn.Module, device: torch.device) -> torch.memory_format:
    """How numbers of pictures lie in memory: for the wide filters of pix2pix on a processor channel by channel."""
    by_channel = device.type == "cpu" and not isinstance(generator, Generator)
    return torch.contiguous_format if by_channel else torch.channels_last


@torch.no_grad()
def update_ema(ema: nn.Module, generator: nn.Module, decay: float) -> None:
    """Move the average (ema) by a part (1 - decay) of the way to the generator; buffers too."""
    pairs = list(zip(ema.state_dict().values(), generator.state_dict().values(), strict=True))
    averaged = [a for a, _ in pairs if a.is_floating_point()]
    current = [c for _, c in pairs if c.is_floating_point()]
    get_ema_multi_avg_fn(decay)(averaged, current, None)  # all at once: a GPU launch per tensor is slow
    for counter, counted in pairs:
        if not counter.is_floating_point():
            counter.copy_(counted)
