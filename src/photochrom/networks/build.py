"""Build the network that a configuration or a checkpoint describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from photochrom.errors import InputError, TrainingError, WeightsError
from photochrom.networks.generator import Generator, GeneratorConfig
from photochrom.networks.pix2pix import Pix2PixConfig, Pix2PixGenerator

CHECKPOINT_NAME = "checkpoint.pt"
BEST_NAME = "best.pt"  # beside it: the networks that colored the validation photographs best
CHECKPOINT = {"config": dict, "step": int, "ema": dict}  # what every checkpoint has, small ones too
RENAMED = {"skipped": "drop_path"}  # names in configurations that earlier versions wrote
AnyGenerator = Generator | Pix2PixGenerator


def build_generator(config: GeneratorConfig | Pix2PixConfig) -> AnyGenerator:
    """Build the generator that a configuration describes, freshly initialized."""
    return Pix2PixGenerator(config) if isinstance(config, Pix2PixConfig) else Generator(config)


def generator_config(preset: str, values: dict[str, Any]) -> GeneratorConfig | Pix2PixConfig:
    """A generator's configuration from plain JSON types, as this version or an earlier one wrote them.

    Raises TypeError for an unknown name.
    """
    values = {RENAMED.get(k, k): tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Pix2PixConfig(**values) if preset == "pix2pix" else GeneratorConfig(**values)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint file, or the checkpoint of a training run; only tensors and plain types are accepted.

    Raises TrainingError if there is none, WeightsError if it is damaged or no checkpoint.
    """
    file = path / CHECKPOINT_NAME if path.is_dir() else path
    if not file.exists():
        raise TrainingError(
            f"{path} has no {CHECKPOINT_NAME}: it is not a training run, or nothing was saved there yet"
        )
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise WeightsError(f"{file} is not a readable checkpoint: it is damaged or from another program") from error
    if not (isinstance(state, dict) and all(isinstance(state.get(name), kind) for name, kind in CHECKPOINT.items())):
        raise WeightsError(f"{file} is not a checkpoint of photochrom: it is from another program")
    return state


def load_ema(path: Path, changes: Mapping[str, Any] | None = None) -> tuple[AnyGenerator, dict[str, Any], int]:
    """Return the averaged generator of a checkpoint or run, ready to predict, its configuration and its step.

    changes: values of the default generator's configuration that change no tensor, such as its gains. Raises
    InputError for changes to another generator, TrainingError, WeightsError.
    """
    state = read_checkpoint(path)
    try:
        config = state["config"]
        if changes and config["preset"] != "default":
            raise InputError(f"only the default generator can be calibrated, not {config['preset']}'s")
        config = {**config, "generator": {**config["generator"], **(changes or {})}}
        generator = build_generator(generator_config(config["preset"], config["generator"]))
        generator.load_state_dict(state["ema"], strict=True)
        return generator.eval().requires_grad_(False), config, state["step"]
    except (KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{path} is a checkpoint of another version of photochrom") from error
