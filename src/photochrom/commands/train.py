"""`photochrom train` and `photochrom export`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from photochrom.commands.options import ANY_PATH, EXISTING, FiniteRange, need_extra, report_collections, whole
from photochrom.errors import InputError
from photochrom.settings import WORKING_SIZE


@click.command()
@click.argument("photographs", nargs=-1, type=EXISTING, metavar="PHOTOS...")
@click.option("--out", required=True, type=ANY_PATH, metavar="RUN", help="Folder for log, samples and checkpoint.")
@click.option("--preset", default="default", show_default=True, help="Network and recipe: default or pix2pix.")
@click.option(
    "--validation", multiple=True, type=EXISTING, help="Photographs to validate by and to show; not among PHOTOS."
)
@click.option(
    "--patience", type=click.IntRange(1), help="Stop after so many validations without a better one.  [default: never]"
)
@click.option("--from", "start", type=EXISTING, help="Run or checkpoint to take the networks from.")
@click.option("--teacher", "teachers", multiple=True, type=EXISTING, help="Run to learn from; repeatable.")
@click.option("--resume", is_flag=True, help="Continue the training in RUN, with its own configuration.")
@click.option("--steps", type=click.IntRange(1), help="Steps of the whole training; all stages are scaled.")
@click.option("--minutes", type=FiniteRange(0, min_open=True), help="Minutes to train, instead of a number of steps.")
@click.option("--batch-size", type=click.IntRange(1), help="Photographs per step.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change a setting; repeatable.")
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of GPUs or processes on this machine.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of machines, if started by torchrun.",
)
@click.option("--accelerator", default="auto", show_default=True, help="Hardware to train on: auto, cpu, cuda or mps.")
@click.option("--precision", help="Number format: 32-true, bf16-mixed or 16-mixed.  [default: bf16-mixed if supported]")
def train(
    photographs: tuple[Path, ...],
    out: Path,
    preset: str,
    validation: tuple[Path, ...],
    patience: int | None,
    start: Path | None,
    teachers: tuple[Path, ...],
    resume: bool,
    steps: int | None,
    minutes: float | None,
    batch_size: int | None,
    changes: tuple[str, ...],
    devices: int,
    nodes: int,
    accelerator: str,
    precision: str | None,
) -> None:
    """Train a network on color photographs.

    PHOTOS are folders and ZIP archives of color photographs of any size and format. Needs the extra "train".

    \b
      photochrom train album/ more.zip --out run
      photochrom train album/ --out run --resume
      photochrom train album/ --validation others/ --out run
      photochrom train album/ --out small --steps 2000 --set seed=1
      photochrom train album/ --out lent --minutes 25
    """
    _need_torch("training")
    from photochrom.training.config import change_config, preset_config, with_batch_size, with_steps
    from photochrom.training.loop import train as run_training
    from photochrom.training.samples import own_folders

    if not photographs:
        raise InputError("name folders or ZIP archives of color photographs to train on")
    if steps is not None and minutes is not None:
        raise InputError("a training ends after --steps or after --minutes: give one of them")
    config = change_config(preset_config(preset), changes)
    if teachers:
        config = replace(config, teachers=tuple(map(str, teachers)))
    if steps is not None:
        config = with_steps(config, steps)
    if minutes is not None:
        config = replace(config, minutes=minutes)
    if batch_size is not None:
        config = with_batch_size(config, batch_size)
    if patience is not None:
        config = replace(config, patience=patience)
    status = report_collections((*photographs, *validation), own_folders(out))
    run_training(
        list(photographs),
        out,
        config,
        validation=list(validation) or None,
        start=start,
        resume=resume,
        accelerator=accelerator,
        devices=devices,
        nodes=nodes,
        precision=precision,
    )
    if status:
        sys.exit(status)


@click.command(short_help="Write a training run's generator, or a whole pipeline, to an ONNX file.")
@click.argument("run", type=ANY_PATH, metavar="MODEL_OR_RUN")
@click.argument("file", type=ANY_PATH, metavar="FILE")
@click.option(
    "--weak-gain",
    type=FiniteRange(0.1, 10),
    help="Factor on weak chroma, to calibrate colorfulness.",
)
@click.option("--strong-gain", type=FiniteRange(0.1, 10), help="Factor on strong chroma.")
@click.option("--tint-gain", type=FiniteRange(0, 10), help="Factor on the mean chroma; below 1, less tint.")
@click.option("--tilt", type=FiniteRange(0, 10), help="How far variants differ; 0: as the network learned it.")
@click.option("--pipeline", is_flag=True, help="Write all from a photograph to its colors, for other programs.")
@click.option(
    "--working-size",
    type=whole(WORKING_SIZE),
    help=f"Short side, in pixels, of what a pipeline's network sees.  [default: {WORKING_SIZE.default:g}]",
)
def export(
    run: Path,
    file: Path,
    weak_gain: float | None,
    strong_gain: float | None,
    tint_gain: float | None,
    tilt: float | None,
    pipeline: bool,
    working_size: int | None,
) -> None:
    """Write a training run's generator to an ONNX file for `colorize --model`.

    Weights are stored as 16-bit floats. The file is compared with PyTorch and the difference is printed. If
    FILE ends in .pt, it becomes a small checkpoint instead, from which `train --from` can start on another
    machine. Needs the extra "train".

    With --pipeline FILE has all that `colorize` does between reading and writing files, for programs in any
    language that have ONNX Runtime. MODEL_OR_RUN may then be a bundled model's name or an exported file, too, which
    needs only the extra "pipeline".

    \b
      photochrom export run model.onnx
      photochrom export default pipeline.onnx --pipeline
    """
    from photochrom.inference.weights import BUNDLED_MODELS

    gains = {"weak_gain": weak_gain, "strong_gain": strong_gain, "tint_gain": tint_gain, "tilt": tilt}
    if pipeline:
        _export_pipeline(run, file, gains, working_size)
        return
    if working_size is not None:
        raise InputError("--working-size is for --pipeline: a model has none of its own")
    if not run.exists() and str(run) not in BUNDLED_MODELS:
        raise InputError(f"{run} does not exist: name a training run")
    if not run.is_dir() and run.suffix != ".pt":
        raise InputError(f"{run} is no training run: to make a pipeline of a finished model, add --pipeline")
    _need_torch("exporting")
    if file.suffix == ".pt":
        from photochrom.training.checkpoint import write_portable

        write_portable(run, file)
        click.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
        return
    from photochrom.training.export import export as write_model

    parity = write_model(run, file, **gains)
    size = file.stat().st_size / 1e6
    click.echo(
        f"{file}: {size:.1f} MB; differs from PyTorch by {parity.mean:.4f} on average, "
        f"at most {parity.largest:.4f} (chroma in Lab units)"
    )


def _export_pipeline(model: Path, file: Path, gains: dict[str, float | None], working_size: int | None) -> None:
    from photochrom.inference.weights import is_checkpoint, read_model

    name = str(model)
    if is_checkpoint(name):
        _need_torch("exporting a training run")
        from photochrom.training.export import encode

        content, _ = encode(model, **gains)
    elif any(gain is not None for gain in gains.values()):
        raise InputError("gains and tilt are for a training run: a finished model has its own")
    else:
        content, name = read_model(name)
    need_extra("exporting a pipeline", "pipeline", "onnx")
    from photochrom.pipeline.export import export_pipeline, names_of_files

    if any(made.exists() and model.exists() and made.samefile(model) for made in names_of_files(file)):
        raise InputError(f"{file} would replace the model that it is made of: give it another name")
    exported = export_pipeline(content, name, file, working_size or int(WORKING_SIZE.default))
    for written in exported.files:
        click.echo(f"{written}: {written.stat().st_size / 1e6:.2f} MB")
    click.echo(
        f"differs from photochrom colorize by {exported.mean:.4f} on average, at most {exported.largest} (of 255 steps)"
    )


def _need_torch(what: str) -> None:
    need_extra(what, "train", "torch", "lightning_fabric", "onnx")
