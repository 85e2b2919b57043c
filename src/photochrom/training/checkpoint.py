"""Checkpoints: the whole state of a training in one file, written completely or not at all; whether one fits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photochrom.disk import write_whole
from photochrom.errors import OutputError, TrainingError, reason_of
from photochrom.networks.build import BEST_NAME, CHECKPOINT_NAME, build_generator, read_checkpoint
from photochrom.networks.discriminator import PatchGAN
from photochrom.training.config import TrainingConfig


def check_networks(state: dict[str, Any], config: TrainingConfig, refusal: str) -> None:
    """Check that a checkpoint's networks are those of a configuration. Raises TrainingError with this refusal."""
    try:
        int(state.get("seen", 0))
        generator, discriminator = build_generator(config.generator), PatchGAN(config.discriminator)
        for weights in (state["ema"], state.get("generator", state["ema"])):  # small checkpoints have no other
            generator.load_state_dict(weights)
        discriminator.load_state_dict(state["discriminator"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise TrainingError(refusal) from error


def write_checkpoint(state: dict[str, Any], run: Path) -> None:
    """Write state (tensors and plain types only) to the run's checkpoint, replacing the last one at once."""
    _save(state, run / CHECKPOINT_NAME)


def write_best(state: dict[str, Any], run: Path) -> None:
    """Write the networks of a state, without its optimizers, to the run's best checkpoint, replacing the last one."""
    kept = ("config", "step", "seen", "ema", "generator", "discriminator")
    _save({name: state[name] for name in kept}, run / BEST_NAME)


def write_portable(run: Path, path: Path) -> None:
    """Write what another machine needs for `--from`: averaged generator and discriminator, in 16 bits.

    The file has a fifth of a checkpoint's size, because the optimizers are left out; they warm up again. Raises
    OutputError.
    """
    state = read_checkpoint(run)
    networks = {name: {k: _halved(v) for k, v in state[name].items()} for name in ("ema", "discriminator")}
    try:
        _save({"config": state["config"], "step": state["step"], "seen": state.get("seen", 0), **networks}, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}") from error


def _halved(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _save(state: dict[str, Any], path: Path) -> None:
    buffer = io.BytesIO()  # torch.save hides a full disk in errors of its own
    torch.save(state, buffer)
    write_whole(path, buffer.getvalue())
