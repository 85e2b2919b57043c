"""The configuration of a training as frozen dataclasses; the presets; reading and changing them as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from photochrom.errors import TrainingError
from photochrom.networks.build import RENAMED, generator_config
from photochrom.networks.checking import (
    COUNT,
    NOT_NEGATIVE,
    PORTION,
    PORTION_BELOW_ONE,
    POSITIVE,
    Bounds,
    check_config,
)
from photochrom.networks.discriminator import DiscriminatorConfig
from photochrom.networks.generator import Generator, GeneratorConfig
from photochrom.networks.pix2pix import Pix2PixConfig, Pix2PixGenerator
from photochrom.training.augmentation import AugmentationConfig


@dataclass(frozen=True)
class Stage:
    """One stretch of training with its own size and learning rate (warm-up, then cosine to almost 0)."""

    name: str
    steps: int
    size: int  # side of the training crops, pixels; a multiple of 32
    batch_size: int  # over all processes
    learning_rate: float  # the decoder's; the encoder learns at `encoder_rate` times that
    adversarial: float = 0.0  # weight of the adversarial loss; 0 leaves the discriminator out
    discriminator_warmup: int = 0  # first steps in which only the discriminator learns

    def __post_init__(self) -> None:
        check_config(
            self,
            f"stage {self.name!r}: ",
            steps=COUNT,
            size=Bounds(64, multiple_of=32),
            batch_size=COUNT,
            learning_rate=POSITIVE,
            adversarial=NOT_NEGATIVE,
            discriminator_warmup=Bounds(0, self.steps),
        )


@dataclass(frozen=True)
class TrainingConfig:
    """A whole training; it goes into every checkpoint and weights file.

    Raises TrainingError for a value that no training can have, and for values that don't go together.
    """

    preset: Literal["default", "pix2pix"]
    generator: GeneratorConfig | Pix2PixConfig
    discriminator: DiscriminatorConfig
    stages: tuple[Stage, ...]
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    minutes: float = 0.0  # how long to train; stages share the time in proportion to their steps. 0: count the steps
    pretrained: bool = True  # the encoder starts from its ImageNet weights; generators without one skip it
    pixel_loss: Literal["l1", "smooth-l1"] = "smooth-l1"
    pixel_weight: float = 30.0
    classification_weight: float = 1.0  # of the palette's cross-entropy; generators without one skip it
    difference_weight: float = 0.0  # of the color difference as people see it (CIEDE2000)
    worst_weight: float = 0.0  # of the same over the worst tenth of each picture's cells
    edge_weight: float = 0.0  # of color edges where the truth has none, or the other way round
    dullness_weight: float = 0.0  # of how much less chroma than the truth the prediction has
    adversarial_loss: Literal["vanilla", "least-squares", "hinge"] = "hinge"
    teachers: tuple[str, ...] = ()  # runs or checkpoints whose predictions are learned instead of the true chroma
    candidates: int = 3  # noise vectors tried for a picture; the best one learns
    noisy: float = 0.4  # share of the pictures that are given noise at all
    optimizer: Literal["adamw", "adam"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.05
    encoder_rate: float = 0.2  # the encoder's learning rate over the decoder's; 0 leaves it unchanged, and is faster
    discriminator_rate: float = 4.0  # the discriminator's learning rate over the generator's
    warmup: int = 200  # steps of rising learning rate at the start of each stage
    final_rate: float = 0.02  # the learning rate at a stage's end over its beginning's
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    photograph_size: int = 224  # the short side to which photographs are made smaller; none is enlarged
    balance: float = 0.5  # a set of n photographs is drawn in proportion to n ** balance: 1 as they are, 0 all alike
    min_chroma: float = 3.0  # photographs with a lower mean chroma (Lab units) are left out as near gray
    seed: int = 0
    save_every: int = 500
    sample_every: int = 500
    log_every: int = 20
    validate_every: int = 500  # steps; only with photographs to validate by
    validated: int = 64  # at most so many photographs are validated by
    patience: int = 0  # stop after so many validations without a better one; 0 goes on to the end

    def __post_init__(self) -> None:
        check_config(
            self,
            "",
            minutes=NOT_NEGATIVE,
            pixel_weight=NOT_NEGATIVE,
            classification_weight=NOT_NEGATIVE,
            difference_weight=NOT_NEGATIVE,
            worst_weight=NOT_NEGATIVE,
            edge_weight=NOT_NEGATIVE,
            dullness_weight=NOT_NEGATIVE,
            candidates=COUNT,
            noisy=PORTION,
            betas=PORTION_BELOW_ONE,
            weight_decay=NOT_NEGATIVE,
            encoder_rate=NOT_NEGATIVE,
            discriminator_rate=NOT_NEGATIVE,
            warmup=NOT_NEGATIVE,
            final_rate=PORTION,
            clip_norm=NOT_NEGATIVE,
            ema_decay=PORTION,
            photograph_size=Bounds(32, 4096),
            balance=PORTION,
            min_chroma=NOT_NEGATIVE,
            seed=Bounds(0, 2**63 - 1),
            save_every=COUNT,
            sample_every=COUNT,
            log_every=COUNT,
            validate_every=COUNT,
            validated=COUNT,
            patience=NOT_NEGATIVE,
        )
        is_pix2pix = isinstance(self.generator, Pix2PixConfig)
        if is_pix2pix != (self.preset == "pix2pix"):
            raise TrainingError(f"the generator is not of preset {self.preset}: choose the preset with --preset")
        if not self.stages:
            raise TrainingError("stages must be a list of at least one stage, not []")
        network = Pix2PixGenerator if is_pix2pix else Generator
        for stage in self.stages:
            self._check_stage(stage, network.size_multiple, network.stride)

    def check_processes(self, count: int) -> None:
        """Check that so many processes can share every batch. Raises TrainingError."""
        for stage in self.stages:
            if stage.batch_size % count:
                raise TrainingError(
                    f"stage {stage.name!r} has batches of {stage.batch_size}, which {count} processes can't share"
                )

    def _check_stage(self, stage: Stage, size_multiple: int, stride: int) -> None:
        """Check what a stage's networks and losses ask of it."""
        if stage.size % size_multiple:
            raise TrainingError(
                f"stage {stage.name!r}: size must be a multiple of {size_multiple} for preset {self.preset}, "
                f"not {stage.size}"
            )
        if stage.adversarial > 0 and _patches(stage.size // stride, self.discriminator.layers) < 1:
            raise TrainingError(
                f"stage {stage.name!r}: {stage.size} pixels are too few for a discriminator of "
                f"{self.discriminator.layers} layers: raise size or lower discriminator.layers"
            )
        weights = [self.pixel_weight, self.difference_weight, self.worst_weight, self.edge_weight, self.dullness_weight]
        if self.preset == "default":  # the other generator has no palette
            weights.append(self.classification_weight)
        if not any(weights) and not stage.adversarial:
            raise TrainingError(f"stage {stage.name!r} has nothing to learn from: give a loss a weight above 0")


def _patches(side: int, layers: int) -> int:
    """Side of the patch map that a discriminator makes of chroma of this side."""
    return side // 2**layers - 2


def default_config() -> TrainingConfig:
    """The default preset: made for a few hours on an ordinary CPU."""
    return TrainingConfig(
        preset="default",
        generator=GeneratorConfig(),
        discriminator=DiscriminatorConfig(layers=2, norm="spectral"),
        pixel_weight=18.0,
        classification_weight=0.2,
        difference_weight=0.7,
        stages=(
            Stage("reconstruction", steps=4000, size=128, batch_size=32, learning_rate=1.5e-3),
            Stage("refinement", steps=1700, size=160, batch_size=24, learning_rate=1e-3),
            Stage("full size", steps=1000, size=224, batch_size=16, learning_rate=5e-4),
            Stage(
                "adversarial",
                steps=250,
                size=224,
                batch_size=16,
                learning_rate=1e-4,
                adversarial=0.2,  # 1.0 was tried: livelier, but ΔE2000 rose by 8 %
                discriminator_warmup=60,
            ),
        ),
    )


def pix2pix_config() -> TrainingConfig:
    """The published network and recipe: L1 weight 100, batches of one, Adam at 2e-4 (with our schedule)."""
    return TrainingConfig(
        preset="pix2pix",
        generator=Pix2PixConfig(),
        discriminator=DiscriminatorConfig(layers=3, norm="instance"),
        stages=(Stage("adversarial", steps=400_000, size=256, batch_size=1, learning_rate=2e-4, adversarial=1.0),),
        augmentation=AugmentationConfig(crop=(0.9, 1.0), stretch=1.0, degraded=0.0, hinted=0.0),
        pixel_loss="l1",
        pixel_weight=100.0,
        classification_weight=0.0,
        adversarial_loss="vanilla",
        candidates=1,
        noisy=1.0,
        optimizer="adam",
        betas=(0.5, 0.999),
        weight_decay=0.0,
        encoder_rate=1.0,
        discriminator_rate=1.0,
        clip_norm=0.0,
        photograph_size=286,
        balance=1.0,
        min_chroma=0.0,
    )


KINDS = {
    bool: "true or false,",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list",
    list: "a list",
    dict: "an object",
}
PRESETS = {"default": default_config, "pix2pix": pix2pix_config}


def preset_config(name: str) -> TrainingConfig:
    """The configuration of preset `name`. Raises TrainingError with the valid names."""
    if name not in PRESETS:
        raise TrainingError(f"no preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]()


def config_to_dict(config: TrainingConfig) -> dict[str, Any]:
    """As plain JSON types."""
    return dataclasses.asdict(config)


def config_from_dict(values: dict[str, Any]) -> TrainingConfig:
    """The inverse of `config_to_dict`; an unknown or missing name is a TrainingError, never ignored."""
    _check_names(TrainingConfig, values, "the configuration")
    preset, stages = values["preset"], values["stages"]
    generator = Pix2PixConfig if preset == "pix2pix" else GeneratorConfig
    _check_names(generator, values["generator"], "generator", also=RENAMED)
    _check_names(DiscriminatorConfig, values["discriminator"], "discriminator")
    augmentation = values.get("augmentation", {})
    _check_names(AugmentationConfig, augmentation, "augmentation")
    parts: dict[str, Any] = {
        "generator": generator_config(preset, values["generator"]),
        "discriminator": DiscriminatorConfig(**values["discriminator"]),
        "augmentation": AugmentationConfig(**_with_tuples(augmentation)),
    }
    if isinstance(stages, list | tuple):
        for number, stage in enumerate(stages, 1):
            _check_names(Stage, stage, f"stage {number}")
        parts["stages"] = tuple(Stage(**stage) for stage in stages)
    return TrainingConfig(**_with_tuples(values) | parts)


def _check_names(kind: type, values: Any, what: str, also: Container[str] = ()) -> None:
    """Check that values of plain JSON types are an object with the names of a configuration, and all that it needs.

    also: other names that are known. Raises TrainingError.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    names = f"the names {', '.join(fields)}"
    if not isinstance(values, dict):
        raise TrainingError(f"{what} must be an object with {names}, not {json.dumps(values)}")
    for name in values:
        if name not in fields and name not in also:
            raise TrainingError(f"{what} has a name that this version doesn't know, {name!r}: it has {names}")
    needed = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [name for name in needed if name not in values]:
        raise TrainingError(f"{what} lacks {', '.join(missing)}: it has {names}")


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def with_steps(config: TrainingConfig, steps: int) -> TrainingConfig:
    """The same training in `steps` steps, every stage in proportion and at least one step long."""
    total = sum(stage.steps for stage in config.stages)
    stages, reached, planned = [], 0, 0
    for number, stage in enumerate(config.stages, 1):
        planned += stage.steps
        end = min(round(steps * planned / total), steps - (len(config.stages) - number))  # leave the rest one each
        count = max(1, end - reached)
        reached += count
        warmup = round(stage.discriminator_warmup * count / stage.steps)
        stages.append(replace(stage, steps=count, discriminator_warmup=warmup))
    return replace(config, stages=tuple(stages))


def with_batch_size(config: TrainingConfig, batch_size: int) -> TrainingConfig:
    """The same training with batches of this many photographs in every stage."""
    return replace(config, stages=tuple(replace(stage, batch_size=batch_size) for stage in config.stages))


def change_config(config: TrainingConfig, changes: Sequence[str]) -> TrainingConfig:
    """Apply changes written NAME=VALUE or PART.NAME=VALUE, values as JSON: "seed=3", "generator.encoder=lite0".

    Raises TrainingError for a name that the configuration doesn't have or a value that it can't have.
    """
    values = config_to_dict(config)
    for change in changes:
        name, separator, text = change.partition("=")
        if name == "preset":
            raise TrainingError("a preset is more than one value: choose it with --preset")
        *parts, last = name.split(".")
        last = RENAMED.get(last, last) if parts == ["generator"] else last
        place: Any = values
        for part in parts:
            place = place.get(part) if isinstance(place, dict) else None
        if not separator or not isinstance(place, dict) or last not in place:
            raise TrainingError(
                f"no configuration value {name!r}: write NAME=VALUE, with a name of {', '.join(values)}"
            )
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        old = place[last]
        if isinstance(old, float) and type(value) is int:
            value = float(min(value, 10**300))
        if type(value) is not type(old) and not (isinstance(old, tuple) and isinstance(value, list)):
            raise TrainingError(f"{name} must be {KINDS[type(old)]} such as {json.dumps(old)}, not {text}")
        if isinstance(old, dict) and (missing := [part for part in old if part not in value]):
            raise TrainingError(
                f"{name} lacks {', '.join(missing)}: give all, or change one as {name}.{missing[0]}=VALUE"
            )
        place[last] = value
    return config_from_dict(values)
