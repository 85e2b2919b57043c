"""Trainings of a few steps with a small network: their configuration, their log, and how they are stopped."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from photochrom.networks.discriminator import DiscriminatorConfig
from photochrom.networks.generator import GeneratorConfig
from photochrom.training import loop, samples
from photochrom.training.config import Stage, preset_config

SMALL = GeneratorConfig(encoder="lite0", decoder_channels=(24, 16, 16), style_channels=16, noise_channels=4)
SMALL_STAGE = {"name": "small", "steps": 20, "size": 64, "batch_size": 4, "learning_rate": 1e-3}


def small_config(steps=(2, 2), **changes):
    """Two short stages of 64 pixels: reconstruction, and adversarial with a step for the discriminator alone."""
    stages = (
        Stage("reconstruction", steps=steps[0], size=64, batch_size=4, learning_rate=1e-3),
        Stage(
            "adversarial",
            steps=steps[1],
            size=64,
            batch_size=4,
            learning_rate=1e-4,
            adversarial=0.1,
            discriminator_warmup=1,
        ),
    )
    config = replace(preset_config("default"), generator=SMALL, stages=stages, photograph_size=96)
    discriminator = DiscriminatorConfig(layers=2, channels=8)
    often = {"log_every": 1, "save_every": 1000, "sample_every": 1000}
    return replace(config, **{"discriminator": discriminator, **often, **changes})


def read_log(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@contextmanager
def small_sheets():
    """Two photographs of 64 pixels on a sheet: most of a short training's time would go into its samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "SHOWN", 2)
        patch.setattr(samples, "SIDE", 64)
        yield


@contextmanager
def stopped_after(steps):
    class Stopped(BaseException):  # as Ctrl-C: an Exception would be explained
        pass

    original = loop.Run.train_step

    def stop(self, stage, stage_step):
        if self.step == steps:
            raise Stopped
        return original(self, stage, stage_step)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(loop.Run, "train_step", stop)
        yield
