"""The training loop: batch, discriminator, generator, EMA, log, save."""

from __future__ import annotations

import copy
import json
import math
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from photochrom.disk import claimed
from photochrom.errors import OutputError, TrainingError, reason_of
from photochrom.networks.build import CHECKPOINT_NAME, AnyGenerator, build_generator, read_checkpoint
from photochrom.networks.ciede2000 import color_difference
from photochrom.networks.discriminator import PatchGAN
from photochrom.networks.encoder import read_pretrained
from photochrom.networks.generator import Generator
from photochrom.networks.lab import rgb_to_lab
from photochrom.networks.losses import (
    ADVERSARIAL_LOSSES,
    DiscriminatorLoss,
    GeneratorLoss,
    classification_loss,
    color_weights,
    dullness_loss,
    edge_loss,
    pixel_loss,
    smooth_pixel_loss,
    worst_loss,
)
from photochrom.networks.palette import palette_corners
from photochrom.training import samples
from photochrom.training.augmentation import Batch, make_batch
from photochrom.training.checkpoint import write_checkpoint
from photochrom.training.colorings import BestOfMany, Prediction, draw_candidates
from photochrom.training.config import Stage, TrainingConfig, config_from_dict, config_to_dict
from photochrom.training.machine import open_fabric
from photochrom.training.optimizers import build_optimizer, parameter_groups, set_rate, update_ema
from photochrom.training.photographs import Photographs, load_photographs, read_some
from photochrom.training.schedule import SampleOrder, learning_rate, stage_at, step_seed, steps_reached
from photochrom.training.teachers import load_teachers
from photochrom.training.timing import Clock, Spent

LOCK = "lock"  # in a run's folder
FREQUENCY_PHOTOGRAPHS = 1024  # this many are counted for the palette's color frequencies
PIXEL_LOSSES = {"l1": pixel_loss, "smooth-l1": smooth_pixel_loss}


def train(
    photographs: list[Path],
    out: Path,
    config: TrainingConfig,
    *,
    validation: list[Path] | None = None,
    start: Path | None = None,
    resume: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    precision: str | None = None,
) -> None:
    """Train a generator and its discriminator on color photographs; leave everything in folder `out`.

    photographs, validation: folders or ZIP archives; the sample sheets show validation photographs if
    there are any. start: a checkpoint or run whose networks to start from (for the same generator). resume:
    go on from out's own checkpoint, with its configuration. accelerator, precision: one of machine.ACCELERATORS
    and machine.PRECISIONS; by default bf16-mixed where the hardware multiplies bf16, else 32-true. Raises
    TrainingError or OutputError.
    """
    if (out / CHECKPOINT_NAME).exists() and not resume:
        raise TrainingError(f"{out} already holds a training: go on with --resume, or choose another --out")
    fabric = open_fabric(accelerator, devices, nodes, precision, out)
    fabric.launch()
    state = read_checkpoint(out) if resume else None
    if state is not None:
        config = config_from_dict(state["config"])
    _check_batches(config, fabric.world_size)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with claimed(out / LOCK, out) if fabric.is_global_zero else nullcontext():
            run = _prepare(fabric, config, photographs, validation or photographs, out)
            if state is not None:
                run.load(state)
            elif start is not None:
                run.start_from(read_checkpoint(start))
            run.go()
    except OSError as error:
        reason = reason_of(error)
        raise OutputError(f"cannot write {out}: {reason}; --resume goes on from the last checkpoint, if any") from error


def _prepare(fabric: Fabric, config: TrainingConfig, photographs: list[Path], validation: list[Path], out: Path) -> Run:
    """Decode the photographs, write the configuration, set up the networks."""
    with fabric.rank_zero_first():
        shown = read_some(validation, samples.SHOWN, config.photograph_size)
        pictures, left_out = load_photographs(
            photographs, config.photograph_size, config.min_chroma, out / "photographs"
        )
    if fabric.is_global_zero:
        (out / "config.json").write_text(json.dumps(config_to_dict(config), indent=1) + "\n")
        precision = fabric.strategy.precision.precision
        sets = f"{len(pictures.sets)} set" + "s" * (len(pictures.sets) > 1)
        counts = f"{len(pictures)} photographs of {sets}, {left_out} left out (damaged, tiny or near gray)"
        print(f"{counts}, {precision}", flush=True)
    return Run(fabric, config, pictures, shown, out)


class AdversarialLoss(NamedTuple):
    """The two sides of an adversarial loss: for the discriminator (real and fake maps), for the generator (fake)."""

    discriminator: DiscriminatorLoss
    generator: GeneratorLoss


class Judged(NamedTuple):
    """What the discriminator has just judged: luminance (N, 1, H, W), true and predicted chroma (N, 2, h, w)."""

    luminance: Tensor
    real_chroma: Tensor
    fake_chroma: Tensor


class Run:
    """A training under way: networks, optimizers and the step it has reached."""

    def __init__(
        self,
        fabric: Fabric,
        config: TrainingConfig,
        pictures: Photographs,
        shown: list[NDArray[np.uint8]],
        out: Path,
    ):
        self.fabric, self.config, self.out = fabric, config, out
        self.pictures, self.shown = pictures.near(fabric.device), shown
        self.order = SampleOrder(pictures.index[:, 3], config.balance, config.seed)
        self.step = 0
        self.seconds = 0.0  # of training, from the first step on, without the time between a stop and --resume
        self.clock = Clock(fabric.device)
        self.spent = Spent()
        torch.manual_seed(config.seed)

        generator = build_generator(config.generator)
        if isinstance(generator, Generator):
            if config.pretrained:
                generator.encoder.load_pretrained(read_pretrained(generator.config.encoder))
            generator.encoder.requires_grad_(config.encoder_rate > 0)
        discriminator = PatchGAN(config.discriminator)
        self.ema = copy.deepcopy(generator).eval().requires_grad_(False).to(fabric.device)
        self.raw_generator: AnyGenerator = generator
        self.raw_discriminator = discriminator
        self.teachers = load_teachers(config.teachers, generator).to(fabric.device) if config.teachers else None
        colorings = BestOfMany(generator).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        discriminator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator, self.generator_optimizer = fabric.setup(
            colorings, build_optimizer(config, *parameter_groups(generator, config))
        )
        self.discriminator, self.discriminator_optimizer = fabric.setup(
            discriminator,
            build_optimizer(config, {"params": list(discriminator.parameters()), "rate": config.discriminator_rate}),
        )
        self.adversarial_loss = AdversarialLoss(*ADVERSARIAL_LOSSES[config.adversarial_loss])
        self.palette = generator.palette if isinstance(generator, Generator) else None
        self.color_weights = self._count_colors(self.palette) if self.palette is not None else None

    def go(self) -> None:
        """Train from the step reached to the end of the last stage."""
        config, total = self.config, sum(stage.steps for stage in self.config.stages)
        started = self.clock.now() - self.seconds
        reached = self._reached()
        while reached < total:
            stage, stage_step = stage_at(config, reached)
            losses, judged = self.train_step(stage, stage_step)
            self.step += 1
            self.seconds = self.clock.now() - started
            reached = self._reached()
            last = reached == total
            if self.step % config.log_every == 0 or last:
                self._log(stage, losses, judged)
            if self.step % config.sample_every == 0 or last:
                self._write_samples()
            if self.step % config.save_every == 0 or last:
                self.save()

    def _reached(self) -> int:
        reached = steps_reached(self.config, self.step, self.seconds)
        return self.fabric.broadcast(reached) if self.config.minutes else reached  # every process has its own clock

    def train_step(self, stage: Stage, stage_step: int) -> tuple[dict[str, Tensor], Judged | None]:
        """One optimizer update of each network. The same step draws the same random numbers, resumed or not.

        Returns the losses, unweighted, and what the discriminator judged in an adversarial stage.
        """
        config, fabric = self.config, self.fabric
        torch.manual_seed(step_seed(config.seed, self.step, fabric.global_rank))
        adversarial = stage.adversarial > 0
        only_discriminator = adversarial and stage_step < stage.discriminator_warmup
        rate = learning_rate(stage, stage_step, config.warmup, config.final_rate)
        set_rate(self.generator_optimizer, rate)
        set_rate(self.discriminator_optimizer, rate)
        losses: dict[str, Tensor] = {}

        # Batch
        times = [self.clock.now()]
        batch = self._batch(stage)
        noise_channels = config.generator.noise_channels
        tried = config.candidates if self.teachers is None else 1  # teachers predict with one
        candidates = draw_candidates(tried, len(batch.luminance), noise_channels, config.noisy, fabric.device)
        aim = self._aim(batch, candidates[0])
        times.append(self.clock.now())

        # Prediction
        with torch.set_grad_enabled(not only_discriminator):
            predicted = self.generator(batch.luminance, batch.hints, candidates, batch.real_chroma)
        times.append(self.clock.now())

        # Discriminator
        if adversarial:
            real_map = self.discriminator(batch.luminance, batch.real_chroma).float()
            fake_map = self.discriminator(batch.luminance, predicted.chroma.detach()).float()
            losses["discriminator"] = self.adversarial_loss.discriminator(real_map, fake_map)
            self.discriminator_optimizer.zero_grad()
            fabric.backward(losses["discriminator"])
            self.discriminator_optimizer.step()
        times.append(self.clock.now())

        # Generator
        if not only_discriminator:
            losses |= self.supervised_losses(predicted, aim)
            if adversarial:
                self.raw_discriminator.requires_grad_(False)
                with fabric.no_backward_sync(self.discriminator, enabled=fabric.world_size > 1):
                    fake_map = self.discriminator(batch.luminance, predicted.chroma).float()
                self.raw_discriminator.requires_grad_(True)
                losses["adversarial"] = self.adversarial_loss.generator(fake_map)
            none = torch.zeros((), device=fabric.device)  # stands for a loss without a weight, which isn't computed
            total = (
                config.pixel_weight * losses.get("pixel", none)
                + config.classification_weight * losses.get("classification", none)
                + config.difference_weight * losses.get("difference", none)
                + config.worst_weight * losses.get("worst", none)
                + config.edge_weight * losses.get("edge", none)
                + config.dullness_weight * losses.get("dullness", none)
                + stage.adversarial * losses.get("adversarial", none)
            )
            self.generator_optimizer.zero_grad()
            fabric.backward(total)
            if config.clip_norm > 0:
                fabric.clip_gradients(self.generator, self.generator_optimizer, max_norm=config.clip_norm)
            self.generator_optimizer.step()

            # EMA
            update_ema(self.ema, self.raw_generator, min(config.ema_decay, (1 + self.step) / (10 + self.step)))
        times.append(self.clock.now())

        data, forward, discriminator, backward = np.diff(times).tolist()
        self.spent.photographs += stage.batch_size
        self.spent.data += data
        self.spent.discriminator += discriminator
        self.spent.generator += forward + backward
        fake_chroma = predicted.chroma.detach()
        return losses, Judged(batch.luminance, batch.real_chroma, fake_chroma) if adversarial else None

    def supervised_losses(self, predicted: Prediction, real: Tensor) -> dict[str, Tensor]:
        """The unweighted losses between prediction and truth, or the teachers' prediction: those with a weight only."""
        fake = predicted.chroma
        config, losses = self.config, {}
        if config.pixel_weight > 0:
            losses["pixel"] = PIXEL_LOSSES[config.pixel_loss](fake, real)
        if config.difference_weight > 0 or config.worst_weight > 0:
            differences = color_difference(fake, real)
            losses |= {"difference": differences.mean()} if config.difference_weight > 0 else {}
            losses |= {"worst": worst_loss(differences)} if config.worst_weight > 0 else {}
        if config.edge_weight > 0:
            losses["edge"] = edge_loss(fake, real)
        if config.dullness_weight > 0:
            losses["dullness"] = dullness_loss(fake, real)
        if config.classification_weight > 0 and predicted.log_probabilities is not None:
            assert self.palette is not None and self.color_weights is not None
            corners, corner_weights = palette_corners(real, self.palette)
            losses["classification"] = classification_loss(
                predicted.log_probabilities, corners, corner_weights, self.color_weights
            )
        return losses

    def save(self) -> None:
        """Write the checkpoint: networks, EMA, optimizers, step, configuration."""
        state = {
            "config": config_to_dict(self.config),
            "step": self.step,
            "seconds": self.seconds,
            "ema": self.ema.state_dict(),
            "generator": self.raw_generator.state_dict(),
            "discriminator": self.raw_discriminator.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
        }
        if self.fabric.is_global_zero:
            write_checkpoint(state, self.out)
        self.fabric.barrier()

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint's state as if the training had never stopped."""
        self.start_from(state)
        self.step, self.seconds = state["step"], state.get("seconds", 0.0)
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])

    def start_from(self, state: dict[str, Any]) -> None:
        """Take only the networks of a checkpoint; optimizers and steps start from the beginning."""
        try:
            self.ema.load_state_dict(state["ema"])
            self.raw_generator.load_state_dict(state.get("generator", state["ema"]))  # small ones have no other
            self.raw_discriminator.load_state_dict(state["discriminator"])
        except (KeyError, RuntimeError) as error:
            raise TrainingError(f"the checkpoint is of another network: {reason_of(error)}") from error

    def _batch(self, stage: Stage) -> Batch:
        fabric, count = self.fabric, stage.batch_size // self.fabric.world_size
        first = self.step * stage.batch_size + fabric.global_rank * count
        chosen = self.order.at(np.arange(first, first + count))
        pictures = (self.pictures[number] for number in chosen)
        stride = self.raw_generator.stride
        batch = make_batch(pictures, stage.size, stride, self.config.augmentation, fabric.device)
        return Batch(**{name: _channels_last(tensor) for name, tensor in vars(batch).items()})

    def _aim(self, batch: Batch, noise: Tensor) -> Tensor:
        if self.teachers is None:
            return batch.real_chroma
        with self.fabric.autocast():
            return self.teachers(batch.clean_luminance, batch.hints, noise).float()

    def _count_colors(self, palette: Tensor) -> Tensor:
        """Rebalancing weights from the palette frequencies of photographs as training shows them."""
        counts = torch.zeros(len(palette), device=palette.device)
        for number in self.order.at(np.arange(min(FREQUENCY_PHOTOGRAPHS, len(self.pictures)))):
            rgb = self.pictures[number][::4, ::4].to(palette.device).permute(2, 0, 1)[None] / 255
            corners, weights = palette_corners(rgb_to_lab(rgb)[:, 1:], palette)
            counts.index_add_(0, corners.flatten(), weights.flatten() / weights.sum())
        return color_weights(counts / counts.sum())

    @torch.no_grad()
    def scores(self, judged: Judged) -> dict[str, float]:
        """The discriminator's mean score of true and of predicted colorings; above 0 means "real".

        Looking changes nothing in the discriminator, so that a training does not depend on how often it is logged.
        """
        discriminator = self.raw_discriminator.eval()  # in training mode spectral normalization changes at every call
        real = discriminator.score(judged.luminance, judged.real_chroma)
        fake = discriminator.score(judged.luminance, judged.fake_chroma.float())
        discriminator.train()
        return {"real_score": round(real.mean().item(), 5), "fake_score": round(fake.mean().item(), 5)}

    def _log(self, stage: Stage, losses: dict[str, Tensor], judged: Judged | None) -> None:
        values = {name: round(loss.item(), 5) for name, loss in losses.items()}
        if judged is not None:
            values |= self.scores(judged)
        values |= self.spent.summary()
        self.spent = Spent()
        if any(not math.isfinite(v) for v in values.values()):
            raise TrainingError(f"the training diverged at step {self.step}: lower the learning rate and --resume")
        self.fabric.log_dict(values, self.step)
        if self.fabric.is_global_zero:
            line = {"step": self.step, "stage": stage.name, "time": round(time.time()), **values}
            with open(self.out / "log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)

    def _write_samples(self) -> None:
        if self.fabric.is_global_zero:
            samples.write_sample_sheet(self.ema, self.shown, self.out / "samples" / f"step-{self.step:06d}.jpg")
        self.fabric.barrier()


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _check_batches(config: TrainingConfig, processes: int) -> None:
    for stage in config.stages:
        if stage.batch_size % processes:
            raise TrainingError(
                f"stage {stage.name!r} has batches of {stage.batch_size}, which {processes} processes can't share"
            )
