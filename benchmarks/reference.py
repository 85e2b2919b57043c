"""The training loop of pix2pix in plain PyTorch, as its authors published it, and ours on the same network.

    python benchmarks/reference.py reference PRESET PHOTOGRAPHS STEPS
    python benchmarks/reference.py ours PRESET PHOTOGRAPHS STEPS

Both train the networks of a preset on the size and batches of its adversarial stage with the same losses (L1 and the
discriminator's), and print, as JSON, the seconds of every step by the clock and of the processor (without the processes
that decode for the reference). The reference follows the authors' code for colorization: every photograph is decoded,
enlarged, cropped and flipped when its turn comes; then an update of the discriminator and one of the generator, each by
PyTorch's Adam as it is. Its decoder makes doubled maps and convolves them, as U-Nets are usually written. It has no
average of the weights, no log and no checkpoint. Ours has.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.color import rgb2lab
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate
from torch.utils.data import DataLoader, Dataset

from photochrom.networks import generator as networks
from photochrom.networks.build import build_generator
from photochrom.networks.discriminator import PatchGAN
from photochrom.training import loop
from photochrom.training.augmentation import AugmentationConfig
from photochrom.training.config import TrainingConfig, preset_config
from photochrom.training.loop import Run, train

ENLARGED = 286 / 256  # photographs are made so much larger than the crop
READERS = 2  # processes that decode ahead
RATE, BETAS, L1 = 2e-4, (0.5, 0.999), 100.0
Times = tuple[float, float]  # by the clock, of the processor


class Photographs(Dataset[tuple[Tensor, Tensor]]):
    """L (1, side, side) in 0..100 and ab (2, side, side) of photographs in a folder."""

    def __init__(self, folder: Path, count: int, side: int):
        self.paths, self.count, self.side = sorted(folder.iterdir()), count, side

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        picture = Image.open(self.paths[number % len(self.paths)]).convert("RGB")
        enlarged = round(ENLARGED * self.side)
        picture = picture.resize((enlarged, enlarged), Image.Resampling.BICUBIC)
        left, top = random.randint(0, enlarged - self.side), random.randint(0, enlarged - self.side)
        picture = picture.crop((left, top, left + self.side, top + self.side))
        if random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        lab = torch.from_numpy(np.moveaxis(rgb2lab(np.asarray(picture)).astype(np.float32), -1, 0).copy())
        return lab[:1], lab[1:]


def plain_config(preset: str, steps: int) -> TrainingConfig:
    """A preset's networks with the published losses: one adversarial stage."""
    config = preset_config(preset)
    stage = replace(config.stages[-1], steps=steps, adversarial=1.0, discriminator_warmup=0, learning_rate=RATE)
    return replace(
        config, stages=(stage,), augmentation=AugmentationConfig((0.9, 1.0), 1.0, 0.0, 0.0), pretrained=False,
        pixel_loss="l1", pixel_weight=L1, classification_weight=0.0, difference_weight=0.0, adversarial_loss="vanilla",
        candidates=1, noisy=1.0, optimizer="adam", betas=BETAS, weight_decay=0.0, encoder_rate=1.0, clip_norm=0.0,
        discriminator_rate=1.0, min_chroma=0.0, save_every=10**6, sample_every=10**6,
    )  # fmt: skip


def reference(folder: Path, config: TrainingConfig) -> Iterator[Times]:
    """Train by the published loop; yield the times between steps."""
    networks.convolve_doubled = convolve_doubled_plainly
    (stage,) = config.stages
    generator, discriminator = build_generator(config.generator), PatchGAN(config.discriminator)
    generator_optimizer = torch.optim.Adam(generator.parameters(), RATE, BETAS)
    discriminator_optimizer = torch.optim.Adam(discriminator.parameters(), RATE, BETAS)
    is_real, distance = nn.BCEWithLogitsLoss(), nn.L1Loss()
    hints = torch.zeros(stage.batch_size, 3, stage.size, stage.size)
    photographs = Photographs(folder, stage.steps * stage.batch_size, stage.size)
    yield now()
    for luminance, chroma in DataLoader(photographs, stage.batch_size, shuffle=True, num_workers=READERS):
        real = avg_pool2d(chroma, generator.stride)
        fake = generator(luminance, hints, torch.randn(stage.batch_size, config.generator.noise_channels))

        discriminator.requires_grad_(True)
        discriminator_optimizer.zero_grad()
        fake_map, real_map = discriminator(luminance, fake.detach()), discriminator(luminance, real)
        loss = is_real(fake_map, torch.zeros_like(fake_map)) + is_real(real_map, torch.ones_like(real_map))
        (loss / 2).backward()
        discriminator_optimizer.step()

        discriminator.requires_grad_(False)
        generator_optimizer.zero_grad()
        fake_map = discriminator(luminance, fake)
        loss = is_real(fake_map, torch.ones_like(fake_map)) + L1 * distance(fake / 110, real / 110)
        loss.backward()
        generator_optimizer.step()
        yield now()


def convolve_doubled_plainly(x: Tensor, skip: Tensor, weight: Tensor) -> Tensor:
    """As `convolve_doubled` of our decoder, but the doubled and joined maps are made."""
    return conv2d(torch.cat([interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1), weight, padding=1)


def ours(folder: Path, config: TrainingConfig) -> Iterator[Times]:
    """Train as `photochrom train` does; yield the times between steps."""
    times = []

    class Timed(Run):
        def train_step(self, stage, stage_step):  # type: ignore[no-untyped-def]
            times.append(now())
            return super().train_step(stage, stage_step)

    loop.Run = Timed  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as name:
        train([folder], Path(name) / "run", config, precision="32-true", accelerator="cpu")
    return iter(times)


def now() -> Times:
    """Seconds by the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    way, preset, folder, steps = sys.argv[1:]
    marks = list({"reference": reference, "ours": ours}[way](Path(folder), plain_config(preset, int(steps) + 1)))
    spent = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(marks)]
    print("\n" + json.dumps(spent[: int(steps)]))
