"""The schedule: what a step of a training does, and with which photographs and random numbers."""

from __future__ import annotations

import math

import numpy as np

from photochrom.errors import TrainingError
from photochrom.training.config import Stage, TrainingConfig


def steps_reached(config: TrainingConfig, step: int, seconds: float) -> int:
    """How many of the stages' steps are done: the steps taken or, by the clock, their part in proportion to time."""
    total = sum(stage.steps for stage in config.stages)
    return int(min(total, seconds / (60 * config.minutes) * total if config.minutes else step))


def stage_at(config: TrainingConfig, step: int) -> tuple[Stage, int]:
    """The stage to which a step of the whole training belongs, and the step within that stage."""
    for stage in config.stages:
        if step < stage.steps:
            return stage, step
        step -= stage.steps
    raise TrainingError("this training is complete: nothing is left to do")


def learning_rate(stage: Stage, stage_step: int, warmup: int, final_rate: float) -> float:
    """Linear warm-up, then half a cosine down to `final_rate` times the stage's rate."""
    rising = min(1.0, (stage_step + 1) / max(1, min(warmup, stage.steps)))
    falling = final_rate + (1 - final_rate) * (1 + math.cos(math.pi * stage_step / stage.steps)) / 2
    return stage.learning_rate * rising * falling


class SampleOrder:
    """Which photograph stands where in an endless sequence that mixes sets by weight.

    A set of n photographs is drawn in proportion to n ** balance: 1 mixes photographs as they are, 0 all sets alike.
    The sequence goes round after round, of as many places as there are photographs. Each round has its sets shuffled
    anew, and every set shows all of its photographs, in another order each time, before one comes again. What stands
    where depends on the seed and the place alone, so that a training resumed at any step goes on as it would have.
    """

    def __init__(self, sets: np.ndarray, balance: float, seed: int):
        """sets: the number of the set of each photograph, (N,)."""
        self.seed = seed
        kinds, counts = np.unique(sets, return_counts=True)
        self.members = [np.flatnonzero(sets == kind) for kind in kinds]
        self.quotas = _apportion(counts**balance, len(sets))  # how often each set is drawn in a round
        self._round = (-1, np.empty(0, int), np.empty(0, int))
        self._epochs = [(-1, np.empty(0, int)) for _ in kinds]

    def at(self, positions: np.ndarray) -> np.ndarray:
        """The photographs at these positions."""
        chosen = []
        for position in positions.tolist():
            turn, place = divmod(position, int(self.quotas.sum()))
            draws, earlier = self._draws(turn)
            kind = draws[place]
            epoch, number = divmod(int(turn * self.quotas[kind] + earlier[place]), len(self.members[kind]))
            chosen.append(self._order(kind, epoch)[number])
        return np.array(chosen)

    def _draws(self, turn: int) -> tuple[np.ndarray, np.ndarray]:
        """The sets of a round in its order, and how often each stood earlier in it. The last round is kept."""
        if self._round[0] != turn:
            draws = np.repeat(np.arange(len(self.quotas)), self.quotas)
            draws = np.random.default_rng((self.seed, 0, turn)).permutation(draws)
            earlier = np.empty_like(draws)
            earlier[np.argsort(draws, kind="stable")] = np.concatenate([np.arange(quota) for quota in self.quotas])
            self._round = turn, draws, earlier
        return self._round[1:]

    def _order(self, kind: int, epoch: int) -> np.ndarray:
        """The photographs of a set in the order of one epoch. The last epoch of each set is kept."""
        if self._epochs[kind][0] != epoch:
            order = np.random.default_rng((self.seed, 1 + kind, epoch)).permutation(self.members[kind])
            self._epochs[kind] = epoch, order
        return self._epochs[kind][1]


def _apportion(weights: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers in proportion to weights that sum to total: the largest remainders are rounded up."""
    exact = weights / weights.sum() * total
    quotas = np.floor(exact).astype(int)
    quotas[np.argsort(quotas - exact, kind="stable")[: total - quotas.sum()]] += 1
    return quotas


def step_seed(seed: int, step: int, process: int) -> int:
    """The seed of a step's random numbers in one process: NumPy's SeedSequence, alike in every version and machine."""
    return int(np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)[0])
