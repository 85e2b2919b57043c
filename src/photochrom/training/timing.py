"""Where a training's time goes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


class Clock:
    """Tells the time at which work is done, in seconds.

    A GPU works on while the program goes ahead: the clock waits for it first, so that work is timed and not only the
    commands that started it.
    """

    def __init__(self, device: torch.device):
        self.device = device

    def now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()


@dataclass
class Spent:
    """How many photographs were trained on since the last log line, and the seconds that each part of it took."""

    photographs: int = 0
    data: float = 0.0
    discriminator: float = 0.0
    generator: float = 0.0

    def summary(self) -> dict[str, float]:
        """Photographs per second, and each part's share of the time."""
        whole = self.data + self.discriminator + self.generator
        return {
            "photographs_per_second": round(self.photographs / whole, 2),
            "data_share": round(self.data / whole, 3),
            "generator_share": round(self.generator / whole, 3),
            "discriminator_share": round(self.discriminator / whole, 3),
        }
