"""The training loop: batch, discriminator, generator, EMA, validation, log, save."""

from __future__ import annotations

import copy
import dataclasses
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from photochrom.disk import claimed
from photochrom.errors import TrainingError
from photochrom.networks.build import BEST_NAME, CHECKPOINT_NAME, AnyGenerator, build_generator, read_checkpoint
from photochrom.networks.discriminator import PatchGAN
from photochrom.networks.encoder import read_pretrained
from photochrom.networks.generator import Generator
from photochrom.networks.lab import rgb_to_lab
from photochrom.networks.losses import ADVERSARIAL_LOSSES, color_weights
from photochrom.networks.palette import palette_corners
from photochrom.training import samples
from photochrom.training.augmentation import Batch, make_batch
from photochrom.training.checkpoint import check_networks, write_best, write_checkpoint
from photochrom.training.colorings import BestOfMany, Prediction, draw_candidates
from photochrom.training.config import Stage, TrainingConfig, config_from_dict, config_to_dict
from photochrom.training.log import Log, diverged
from photochrom.training.machine import explaining, open_fabric
from photochrom.training.optimizers import build_optimizer, fastest_layout, parameter_groups, set_rate, update_ema
from photochrom.training.photographs import Photographs, load_photographs, read_some
from photochrom.training.schedule import SampleOrder, learning_rate, stage_at, step_seed, steps_reached
from photochrom.training.supervision import supervised_losses
from photochrom.training.teachers import load_teachers
from photochrom.training.timing import Clock, Spent
from photochrom.training.validation import DELTA_E, Best, Validation

LOCK = "lock"  # in a run's folder
NOT_WHOLE = f"its {CHECKPOINT_NAME} is not whole: start anew"
FREQUENCY_PHOTOGRAPHS = 1024  # this many are counted for the palette's color frequencies


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

    photographs, validation: folders or ZIP archives. If there are validation photographs, the sample sheets show them,
    the log says how well they are colored, and the networks that did it best are kept (see training/validation.py).
    start: a checkpoint or run whose networks to start from (for the same generator). resume: go on from out's own
    checkpoint, with its configuration. accelerator, precision: one of machine.ACCELERATORS and machine.PRECISIONS; by
    default bf16-mixed where the hardware multiplies bf16, else 32-true. Raises PhotochromError.
    """
    if (out / CHECKPOINT_NAME).exists() and not resume:
        raise TrainingError(f"{out} already holds a training: go on with --resume, or choose another --out")
    state = read_checkpoint(out) if resume else None
    started = read_checkpoint(start) if start is not None and not resume else None
    if state is not None:
        config = config_from_dict(state["config"])
        check_networks(state, config, f"{out} can't go on, {NOT_WHOLE}")
    elif started is not None:
        check_networks(started, config, f"{start} is of another network: take its --preset and --set")
    config.check_processes(devices * nodes)
    if config.patience and not validation:
        raise TrainingError("patience needs photographs to validate by: name them with --validation")
    load_teachers(config.teachers, config.generator)  # tells what is wrong with one before all photographs are decoded
    fabric = open_fabric(accelerator, devices, nodes, precision, out)
    fabric.launch()
    with explaining(out):
        out.mkdir(parents=True, exist_ok=True)
        with claimed(out / LOCK, out) if fabric.is_global_zero else nullcontext():
            run = _prepare(fabric, config, photographs, validation, out)
            if state is not None:
                run.load(state)
            elif started is not None:
                run.start_from(started)
            run.go()


def _prepare(
    fabric: Fabric, config: TrainingConfig, photographs: list[Path], validation: list[Path] | None, out: Path
) -> Run:
    """Decode the photographs, write the configuration, set up the networks."""
    side, own = config.photograph_size, samples.own_folders(out)
    with fabric.rank_zero_first():
        shown = read_some(validation or photographs, samples.SHOWN, side, own)
        held_back = read_some(validation, config.validated, side, own) if validation else []
        pictures, left_out = load_photographs(photographs, side, config.min_chroma, out / "photographs", own)
    if fabric.is_global_zero:
        (out / "config.json").write_text(json.dumps(config_to_dict(config), indent=1) + "\n")
        precision = fabric.strategy.precision.precision
        sets = f"{len(pictures.sets)} set" + "s" * (len(pictures.sets) > 1)
        counts = f"{len(pictures)} photographs of {sets}, {left_out} left out (damaged, tiny or near gray)"
        print(f"{counts}, {precision}", flush=True)
    return Run(fabric, config, pictures, shown, held_back, out)


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
        held_back: list[NDArray[np.uint8]],
        out: Path,
    ):
        self.fabric, self.config, self.out = fabric, config, out
        self.pictures, self.shown = pictures.near(fabric.device), shown
        self.order = SampleOrder(pictures.index[:, 3], config.balance, config.seed)
        self.step = 0
        self.seen = 0  # photographs that these networks were shown, in this training and those that it started from
        self.seconds = 0.0  # of training, from the first step on, without the time between a stop and --resume
        self.clock = Clock(fabric.device)
        self.spent = Spent()
        self.log = Log(fabric, out)
        self.best = Best()
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
        self.teachers = load_teachers(config.teachers, config.generator)
        if self.teachers is not None:
            self.teachers.to(fabric.device)
        self.validation = (
            Validation(held_back, config.stages[-1].size, generator.stride, fabric.device) if held_back else None
        )
        self.layout = fastest_layout(generator, fabric.device)
        colorings = BestOfMany(generator).to(memory_format=self.layout)  # type: ignore[call-overload]
        discriminator.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.generator, self.generator_optimizer = fabric.setup(
            colorings, build_optimizer(config, fabric.device, *parameter_groups(generator, config))
        )
        self.discriminator, self.discriminator_optimizer = fabric.setup(
            discriminator,
            build_optimizer(
                config, fabric.device, {"params": list(discriminator.parameters()), "rate": config.discriminator_rate}
            ),
        )
        self.adversarial_loss = ADVERSARIAL_LOSSES[config.adversarial_loss]
        self.palette = generator.palette if isinstance(generator, Generator) else None
        self.color_weights = self._count_colors(self.palette) if self.palette is not None else None

    def go(self) -> None:
        """Train from the step reached to the end of the last stage, or until patience is at its end."""
        config, total = self.config, sum(stage.steps for stage in self.config.stages)
        started = self.clock.now() - self.seconds
        reached = self._reached()
        while reached < total and not self._is_out_of_patience():
            stage, stage_step = stage_at(config, reached)
            losses, judged = self.train_step(stage, stage_step)
            self.step += 1
            self.seen += stage.batch_size
            self.seconds = self.clock.now() - started
            reached = self._reached()
            last = reached == total
            if self.validation is not None and (self.step % config.validate_every == 0 or last):
                self._validate(stage, self.validation)
                last = last or self._is_out_of_patience()
            if self.step % config.log_every == 0 or last:
                self._log(stage, losses, judged)
            if self.step % config.sample_every == 0 or last:
                self._write_samples()
            if self.step % config.save_every == 0 or last:
                self.save()
        if self.best.step and self.fabric.is_global_zero:
            why = ", stopped early" if self._is_out_of_patience() else ""
            print(f"{self.step} steps{why}; the best was step {self.best.step}: {self.out / BEST_NAME}", flush=True)

    def _is_out_of_patience(self) -> bool:
        return 0 < self.config.patience <= self.best.waited

    def _validate(self, stage: Stage, validation: Validation) -> None:
        """Log how well the averaged generator colors photographs that are held back; keep it if it is the best."""
        fabric = self.fabric
        measures = fabric.broadcast(validation.measure(self.ema) if fabric.is_global_zero else {})
        self.best = self.best.after(measures[DELTA_E], self.step)
        self.log.add(self.step, stage.name, {**measures, "best_step": self.best.step})
        if self.best.step == self.step and fabric.is_global_zero:
            write_best(self.state(), self.out)

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
        generator_learns = not adversarial or stage_step >= stage.discriminator_warmup
        rate = learning_rate(stage, stage_step, config.warmup, config.final_rate)
        set_rate(self.generator_optimizer, rate)
        set_rate(self.discriminator_optimizer, rate)
        losses: dict[str, Tensor] = {}

        times = [self.clock.now()]
        batch = self._batch(stage)
        tried = config.candidates if self.teachers is None else 1  # teachers predict with one
        noise_channels = config.generator.noise_channels
        candidates = draw_candidates(tried, len(batch.luminance), noise_channels, config.noisy, fabric.device)
        aim = self._aim(batch, candidates[0])
        times.append(self.clock.now())

        with torch.set_grad_enabled(generator_learns):
            predicted = self.generator(batch.luminance, batch.hints, candidates, batch.real_chroma)
        times.append(self.clock.now())

        judged = Judged(batch.luminance, batch.real_chroma, predicted.chroma.detach()) if adversarial else None
        if judged is not None:
            losses["discriminator"] = self._train_discriminator(judged)
        times.append(self.clock.now())

        if generator_learns:
            losses |= self._train_generator(predicted, aim, batch.luminance, stage.adversarial)
        times.append(self.clock.now())

        data, forward, discriminator, backward = np.diff(times).tolist()
        self.spent.photographs += stage.batch_size
        self.spent.data += data
        self.spent.discriminator += discriminator
        self.spent.generator += forward + backward
        return losses, judged

    def _train_discriminator(self, judged: Judged) -> Tensor:
        """One update of the discriminator; its loss."""
        real_map = self.discriminator(judged.luminance, judged.real_chroma).float()
        fake_map = self.discriminator(judged.luminance, judged.fake_chroma).float()
        loss = self.adversarial_loss.discriminator(real_map, fake_map)
        self.discriminator_optimizer.zero_grad()
        self.fabric.backward(loss)
        self.discriminator_optimizer.step()
        return loss

    def _train_generator(
        self, predicted: Prediction, aim: Tensor, luminance: Tensor, adversarial: float
    ) -> dict[str, Tensor]:
        """One update of the generator and of its average; the unweighted losses.

        aim: the chroma to learn, (N, 2, h, w). adversarial: the weight of the adversarial loss.
        """
        config, fabric = self.config, self.fabric
        losses = supervised_losses(config, predicted, aim, self.palette, self.color_weights)
        weights = {name: getattr(config, f"{name}_weight") for name in losses}
        if adversarial > 0:
            self.raw_discriminator.requires_grad_(False)
            with fabric.no_backward_sync(self.discriminator, enabled=fabric.world_size > 1):
                fake_map = self.discriminator(luminance, predicted.chroma).float()
            self.raw_discriminator.requires_grad_(True)
            losses["adversarial"] = self.adversarial_loss.generator(fake_map)
            weights["adversarial"] = adversarial
        self.generator_optimizer.zero_grad()
        fabric.backward(torch.stack([weights[name] * loss for name, loss in losses.items()]).sum())
        if config.clip_norm > 0:
            norm = fabric.clip_gradients(
                self.generator, self.generator_optimizer, max_norm=config.clip_norm, error_if_nonfinite=False
            )
            if norm is not None and not norm.isfinite():
                raise diverged(self.step + 1)
        self.generator_optimizer.step()
        update_ema(self.ema, self.raw_generator, min(config.ema_decay, (1 + self.step) / (10 + self.step)))
        return losses

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: networks, EMA, optimizers, step, configuration."""
        return {
            "config": config_to_dict(self.config),
            "step": self.step,
            "seen": self.seen,
            "seconds": self.seconds,
            "best": dataclasses.asdict(self.best),
            "ema": self.ema.state_dict(),
            "generator": self.raw_generator.state_dict(),
            "discriminator": self.raw_discriminator.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
        }

    def save(self) -> None:
        """Write the checkpoint."""
        if self.fabric.is_global_zero:
            write_checkpoint(self.state(), self.out)
        self.fabric.barrier()

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint's state as if the training had never stopped."""
        self.start_from(state)
        self.step, self.seconds = state["step"], state.get("seconds", 0.0)
        try:
            self.best = Best(**state.get("best", {}))
            self.generator_optimizer.load_state_dict(state["generator_optimizer"])
            self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise TrainingError(f"{self.out} can't go on, {NOT_WHOLE}") from error

    def start_from(self, state: dict[str, Any]) -> None:
        """Take only the networks of a checkpoint, and go on where the order of its photographs ended.

        Optimizers and steps start from the beginning. Checkpoints of old versions don't say what they have seen.
        """
        self.seen = int(state.get("seen", 0))
        self.ema.load_state_dict(state["ema"])
        self.raw_generator.load_state_dict(state.get("generator", state["ema"]))  # small ones have no other
        self.raw_discriminator.load_state_dict(state["discriminator"])

    def _batch(self, stage: Stage) -> Batch:
        fabric, count = self.fabric, stage.batch_size // self.fabric.world_size
        first = self.seen + fabric.global_rank * count
        chosen = self.order.at(np.arange(first, first + count))
        pictures = (self.pictures[number] for number in chosen)
        stride = self.raw_generator.stride
        batch = make_batch(pictures, stage.size, stride, self.config.augmentation, fabric.device)
        return Batch(**{name: x.contiguous(memory_format=self.layout) for name, x in vars(batch).items()})

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
        self.log.add(self.step, stage.name, values)

    def _write_samples(self) -> None:
        if self.fabric.is_global_zero:
            samples.write_sample_sheet(self.ema, self.shown, self.out / samples.FOLDER / f"step-{self.step:06d}.jpg")
        self.fabric.barrier()
