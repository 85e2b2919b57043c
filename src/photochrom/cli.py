"""The command line: arguments and messages only. Heavy imports stand inside the commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from photochrom import __version__
from photochrom.errors import InputError, PhotochromError

FORMAT_NAMES = ("jpeg", "png", "webp", "tiff", "bmp", "avif")  # as photo.files.FORMATS; a test holds them equal
PROTOCOL_NAMES = ("default", "val5k", "val50k")  # as evaluation.protocols.PROTOCOLS
EXISTING = click.Path(exists=True, path_type=Path)
ANY_PATH = click.Path(path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


class Commands(click.Group):
    """A group in which a user's mistake is one line and exit status 2, never a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except PhotochromError as error:
            click.echo(f"photochrom: {error}", err=True)
            context.exit(2)


def model_option(command: Command) -> Command:
    return click.option(
        "--model",
        default="default",
        show_default=True,
        metavar="NAME|PATH",
        help="A bundled model, an exported .onnx file or a training run.",
    )(command)


def working_size_option(command: Command) -> Command:
    return click.option(
        "--working-size",
        type=click.IntRange(32, 1024),
        default=256,
        show_default=True,
        help="Short side, in pixels, of the picture that the network sees.",
    )(command)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="photochrom")
def main() -> None:
    """Color black-and-white photographs, and train networks that do."""


@main.command()
@click.argument("inputs", nargs=-1, required=True, type=ANY_PATH, metavar="INPUT...")
@click.option(
    "-o",
    "--out",
    type=ANY_PATH,
    help="A folder, or a file for a single input.  [default: NAME-color.EXT beside the input]",
)
@click.option("--strength", type=click.FloatRange(0, 10), default=1.0, show_default=True, help="Multiplies the colors.")
@click.option("--seed", type=click.IntRange(0), help="Another plausible coloring.  [default: the likeliest]")
@click.option(
    "--variants",
    type=click.IntRange(1, 99),
    default=1,
    show_default=True,
    help="Different colorings of each photograph, in numbered files.",
)
@click.option(
    "--hint", "hint_texts", multiple=True, metavar="X,Y,#rrggbb", help="The color at a place, in pixels; repeatable."
)
@click.option("--hints", "hints_path", type=ANY_PATH, help="A JSON file of hints.")
@click.option("--format", "format_name", type=click.Choice(FORMAT_NAMES), help="Of the output.  [default: the input's]")
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of JPEG, WebP and AVIF.")
@click.option("--overwrite", is_flag=True, help="Make outputs again that exist; by default they are skipped.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Photographs in work at a time.")
@model_option
@working_size_option
def colorize(
    inputs: tuple[Path, ...],
    out: Path | None,
    strength: float,
    seed: int | None,
    variants: int,
    hint_texts: tuple[str, ...],
    hints_path: Path | None,
    format_name: str | None,
    quality: int,
    overwrite: bool,
    jobs: int,
    model: str,
    working_size: int,
) -> None:
    """Color photographs.

    INPUT is a photograph, a folder (with all below it), or - to read standard input and write standard
    output. Size, format, bit depth and metadata stay as they are. What exists already is skipped, so that
    a stopped run goes on where it was.

    \b
      photochrom colorize old.jpg
      photochrom colorize album/ -o color/ --jobs 2
      photochrom colorize old.jpg --variants 4
      photochrom colorize old.jpg --hint 120,80,#2244aa
      photochrom colorize - < old.jpg > new.jpg
    """
    from photochrom.album import Options, plan, run
    from photochrom.inference.colorizer import Colorizer
    from photochrom.photo.hints import parse_hint, read_hints

    options = Options(
        strength=strength,
        seed=seed,
        variants=variants,
        hints=tuple(parse_hint(text) for text in hint_texts),
        hint_file=read_hints(hints_path) if hints_path else None,
        format=format_name,
        quality=quality,
        overwrite=overwrite,
    )
    if inputs == (Path("-"),):
        _colorize_stream(Colorizer(model, working_size=working_size), options, out)
        return
    tasks = plan(inputs, out, options)
    outcomes = run(tasks, Colorizer(model, working_size=working_size), options, jobs)
    is_terminal = sys.stderr.isatty()
    with click.progressbar(
        outcomes, length=len(tasks), label="Coloring", show_pos=True, file=sys.stderr, hidden=not is_terminal
    ) as progress:
        finished = list(progress)
    _report(finished, is_terminal)
    failed = sum(outcome.error is not None for outcome in finished)
    if failed:
        sys.exit(2 if len(tasks) == 1 else 1)


def _colorize_stream(colorizer: Any, options: Any, out: Path | None) -> None:
    from dataclasses import replace

    from photochrom.photo.files import decode_photograph, encode_photograph

    if out is not None or options.variants > 1:
        raise InputError("standard input goes to standard output: --out and --variants don't apply")
    photograph = decode_photograph(sys.stdin.buffer.read(), "standard input")
    pixels = colorizer.colorize(
        photograph.pixels, strength=options.strength, seed=options.seed, hints=options.hints_for(photograph)
    )
    colored = replace(photograph, pixels=pixels)
    sys.stdout.buffer.write(encode_photograph(colored, options.format, options.quality))


def _report(outcomes: list[Any], is_terminal: bool) -> None:
    """Name what failed, always; sum up on a terminal or if anything failed."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    skipped = sum(outcome.skipped for outcome in outcomes)
    for outcome in failed:
        click.echo(f"photochrom: {outcome.error}", err=True)
    if is_terminal or (failed and len(outcomes) > 1):
        colored = len(outcomes) - skipped - len(failed)
        click.echo(f"{colored} colored, {skipped} skipped because their outputs exist, {len(failed)} failed", err=True)
    elif skipped:
        click.echo(
            f"photochrom: {skipped} skipped because their outputs exist (--overwrite makes them again)", err=True
        )


@main.command()
@click.argument("photographs", nargs=-1, type=EXISTING, metavar="PHOTOS...")
@click.option("--out", required=True, type=ANY_PATH, metavar="RUN", help="The run's folder: log, samples, checkpoint.")
@click.option("--preset", default="default", show_default=True, help="default or pix2pix.")
@click.option(
    "--validation", multiple=True, type=EXISTING, help="Photographs for the sample sheets.  [default: PHOTOS]"
)
@click.option("--from", "start", type=EXISTING, help="A checkpoint or run whose networks to start from.")
@click.option("--resume", is_flag=True, help="Go on with the training in RUN, with its own configuration.")
@click.option("--steps", type=click.IntRange(1), help="Steps of the whole training; its stages shrink or grow alike.")
@click.option("--batch-size", type=click.IntRange(1), help="Photographs a step.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change a configuration value; repeatable.")
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True, help="Processes on this machine.")
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Machines, under torchrun.")
@click.option("--accelerator", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--precision", help="32-true, bf16-mixed or 16-mixed.  [default: what the hardware does best]")
def train(
    photographs: tuple[Path, ...],
    out: Path,
    preset: str,
    validation: tuple[Path, ...],
    start: Path | None,
    resume: bool,
    steps: int | None,
    batch_size: int | None,
    changes: tuple[str, ...],
    devices: int,
    nodes: int,
    accelerator: str,
    precision: str | None,
) -> None:
    """Train a network on color photographs.

    PHOTOS are folders or ZIP archives of color photographs of any size. Needs the extra "train".

    \b
      photochrom train album/ more.zip --out run
      photochrom train album/ --out run --resume
      photochrom train album/ --out small --steps 2000 --set seed=1
    """
    _need_torch("training")
    from photochrom.training.config import change_config, preset_config, with_batch_size, with_steps
    from photochrom.training.loop import train as run_training

    if not photographs:
        raise InputError("name folders or ZIP archives of color photographs to train on")
    config = change_config(preset_config(preset), changes)
    if steps is not None:
        config = with_steps(config, steps)
    if batch_size is not None:
        config = with_batch_size(config, batch_size)
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


@main.command()
@click.argument("run", type=EXISTING, metavar="RUN")
@click.argument("model", type=ANY_PATH, metavar="FILE")
@click.option("--weak-gain", type=click.FloatRange(0.1, 10), help="On weak chroma, to calibrate how colorful it is.")
@click.option("--strong-gain", type=click.FloatRange(0.1, 10), help="On strong chroma.")
def export(run: Path, model: Path, weak_gain: float | None, strong_gain: float | None) -> None:
    """Write a training run's generator to an ONNX file for `colorize --model`.

    Weights are stored as 16-bit floats. Compares the file with PyTorch and prints the difference. A FILE
    that ends in .pt becomes a small checkpoint instead, from which `train --from` goes on elsewhere. Needs
    the extra "train".
    """
    _need_torch("exporting")
    if model.suffix == ".pt":
        from photochrom.training.checkpoint import write_portable

        write_portable(run, model)
        click.echo(f"{model}: {model.stat().st_size / 1e6:.1f} MB")
        return
    from photochrom.training.export import export as write_model

    parity = write_model(run, model, weak_gain, strong_gain)
    size = model.stat().st_size / 1e6
    click.echo(
        f"{model}: {size:.1f} MB; differs from PyTorch by {parity.mean:.4f} on average, "
        f"at most {parity.largest:.4f} (chroma in Lab units)"
    )


@main.command()
@click.argument("photographs", nargs=-1, required=True, type=EXISTING, metavar="PHOTOS...")
@click.option(
    "--model", "models", multiple=True, metavar="NAME|PATH", help="What to evaluate; repeatable.  [default: default]"
)
@click.option(
    "--outputs",
    multiple=True,
    metavar="NAME=FOLDER",
    help="Another tool's finished pictures; repeatable. See --inputs.",
)
@click.option("--out", type=ANY_PATH, metavar="REPORT", help="A folder for report.html, report.json, photographs.csv.")
@click.option(
    "--inputs", type=ANY_PATH, metavar="FOLDER", help="Write the gray photographs there, for other tools to color."
)
@click.option(
    "--protocol",
    "protocol_name",
    type=click.Choice(PROTOCOL_NAMES),
    default="default",
    show_default=True,
    help="Which photographs, and how they become squares of 256 pixels.",
)
@click.option("--limit", type=click.IntRange(1), help="Evaluate this many photographs, evenly spread.")
@click.option(
    "--samples",
    type=click.IntRange(0, 64),
    default=0,
    show_default=True,
    help="Other colorings a photograph, for diversity and best-of-many.",
)
@click.option("--hints", "hint_counts", default="", metavar="N,N,...", help="Also with this many true-color points.")
@click.option("--historic", is_flag=True, help="Also on the photographs grown old: faded, grainy, sepia, scratched...")
@click.option("--published", is_flag=True, help="Add FID and LPIPS, as in published tables; downloads their networks.")
@working_size_option
def evaluate(
    photographs: tuple[Path, ...],
    models: tuple[str, ...],
    outputs: tuple[str, ...],
    out: Path | None,
    inputs: Path | None,
    protocol_name: str,
    limit: int | None,
    samples: int,
    hint_counts: str,
    historic: bool,
    published: bool,
    working_size: int,
) -> None:
    """Measure colorizers on color photographs: remove the color, put it back, compare.

    PHOTOS are folders or ZIP archives of color photographs. Beside photochrom's models, any other tool can be
    measured: color what --inputs writes, keep the file names, and name the folder with --outputs. Needs the
    extra "evaluate".

    \b
      photochrom evaluate val.zip
      photochrom evaluate val.zip --model default --model run/ --out report
      photochrom evaluate val.zip --samples 8 --hints 1,2,5,10,20,50 --limit 200
      photochrom evaluate val.zip --inputs gray/
      photochrom evaluate val.zip --outputs other=colored/ --model default --out report
    """
    from photochrom.evaluation.evaluate import evaluate as measure
    from photochrom.evaluation.historic import STRENGTHS
    from photochrom.evaluation.protocols import PROTOCOLS
    from photochrom.evaluation.report import format_table, write_report

    try:
        counts = tuple(int(n) for n in hint_counts.split(",") if n)
    except ValueError:
        raise InputError(f"--hints takes numbers, as in 1,10,50, not {hint_counts!r}") from None
    evaluation = measure(
        list(photographs),
        list(models) or ([] if outputs else ["default"]),
        outputs=dict(_parse_outputs(text) for text in outputs),
        protocol=PROTOCOLS[protocol_name],
        limit=limit,
        samples=samples,
        hint_counts=counts,
        historic=tuple(STRENGTHS) if historic else (),
        published=published,
        inputs=inputs,
        working_size=working_size,
    )
    click.echo(format_table(evaluation))
    if out is not None:
        write_report(evaluation, out)
        click.echo(f"The report is {out / 'report.html'}")


def _parse_outputs(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not name or not separator or not Path(folder).exists():
        raise InputError(f"--outputs takes NAME=FOLDER with an existing folder, not {text!r}")
    return name, Path(folder)


@main.command()
def models() -> None:
    """List the models that come with the package."""
    from photochrom.inference.weights import BUNDLED_MODELS, read_bundled

    for name, description in BUNDLED_MODELS.items():
        click.echo(f"{name:10} {len(read_bundled(name)) / 1e6:5.1f} MB  {description}")


def _need_torch(what: str) -> None:
    from importlib.util import find_spec

    from photochrom.errors import MissingExtra

    if any(find_spec(module) is None for module in ("torch", "lightning_fabric", "onnx")):
        raise MissingExtra(what, "train")


if __name__ == "__main__":
    main()
