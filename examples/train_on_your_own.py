"""Train on a hundred photographs of your own: start from the shipped weights, learn their colors, export, color.

Usage: python examples/train_on_your_own.py PHOTOS FOLDER [--steps 300] [--start campaign/default.pt]

PHOTOS is a folder or ZIP archive of color photographs. A hundred are far too few to train a network from nothing
but enough to teach one that knows the world the colors of yours. 300 steps take about ten minutes on two cores.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from photochrom.inference.weights import load_model
from photochrom.networks.build import generator_config
from photochrom.training.config import Stage, TrainingConfig, default_config
from photochrom.training.export import export
from photochrom.training.loop import train

SHIPPED = Path(__file__).parents[1] / "campaign" / "default.pt"  # generator and discriminator, in the repository


def fine_tuning(steps: int) -> TrainingConfig:
    """One short, gentle, adversarial stage instead of the preset's four."""
    stage = Stage(
        "fine-tuning",
        steps=steps,
        size=160,
        batch_size=8,
        learning_rate=1e-4,  # a tenth of a new training's, so that little is forgotten
        adversarial=0.2,
        discriminator_warmup=steps // 10,
    )
    shipped = load_model().info.details["config"]  # its calibration too: the training learns through it
    return replace(
        default_config(),
        generator=generator_config(shipped["preset"], shipped["generator"]),
        stages=(stage,),
        encoder_rate=0.0,  # what the encoder knows of the world is worth more than a hundred photographs
        ema_decay=0.99,
        warmup=min(50, steps // 4),
        save_every=max(1, steps // 4),
        sample_every=max(1, steps // 4),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--start", type=Path, default=SHIPPED)
    options = parser.parse_args()
    run, model = options.folder / "run", options.folder / "mine.onnx"
    resume = (run / "checkpoint.pt").exists()  # start the same command again after a stop
    start = None if resume else options.start
    train([options.photographs], run, fine_tuning(options.steps), start=start, resume=resume)
    export(run, model)
    print(f"The samples over time: {run / 'samples'}")
    print(f"Now: photochrom colorize old.jpg --model {model}")


if __name__ == "__main__":
    main()
