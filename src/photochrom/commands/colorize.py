"""`photochrom colorize`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from photochrom.commands.options import ANY_PATH, FORMAT_NAMES, max_pixels_option, model_option, working_size_option
from photochrom.errors import InputError


@click.command()
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
@max_pixels_option
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
    max_pixels: float,
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
        max_pixels=round(max_pixels * 1e6),
    )
    if inputs == (Path("-"),):
        _colorize_stream(Colorizer(model, working_size=working_size), options, out)
        return
    tasks = plan(inputs, out, options)
    threads = max(1, (os.cpu_count() or 1) // jobs)  # more would get in each other's way
    outcomes = run(tasks, Colorizer(model, working_size=working_size, threads=threads), options, jobs)
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
    photograph = decode_photograph(sys.stdin.buffer.read(), "standard input", options.max_pixels)
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
