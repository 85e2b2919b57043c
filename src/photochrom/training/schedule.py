"""The schedule: what a step of a training does, and with which photographs and random numbers."""

from __future__ import annotations

import math

import numpy as np

from photochrom.errors import TrainingError
from photochrom.training.config import Stage, TrainingConfig


def steps_reached(config: TrainingConfig, step: int, seconds: float) -> int:
    """How many of its stages' steps a training is through: those it took or, by the clock, their share of its time."""
    total = sum(stage.steps for stage in config.stages)
    return min(total, int(seconds / (60 * config.minutes) * total) if config.minutes else step)


def stage_at(config: TrainingConfig, step: int) -> tuple[Stage, int]:
    """The stage that step of the whole training belongs to, and the step within it."""
    for stage in config.stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise TrainingError("this training is complete: nothing is left to do")


def learning_rate(stage: Stage, stage_step: int, warmup: int, final_rate: float) -> float:
    """Linear warm-up, then half a cosine down to a share `final_rate` of the stage's."""
    rising = min(1.0, (stage_step + 1) / max(1, min(warmup, stage.steps)))
    falling = final_rate + (1 - final_rate) * (1 + math.cos(math.pi * stage_step / stage.steps)) / 2
    return stage.learning_rate * rising * falling


def photograph_order(positions: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Which photographs stand at these positions of an endless sequence that shuffles every epoch anew."""
    epochs, places = positions // count, positions % count
    orders = {e: np.random.default_rng((seed, int(e))).permutation(count) for e in np.unique(epochs)}
    return np.array([orders[e][p] for e, p in zip(epochs, places, strict=True)])


def step_seed(seed: int, step: int, process: int) -> int:
    """The seed of a step's random numbers in one process: NumPy's SeedSequence, alike in every version and machine."""
    return int(np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)[0])
