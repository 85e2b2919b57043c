"""`photochrom colorize`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from photochrom.commands.options import (
    ANY_PATH,
    crop_option,
    keeping_options,
    look_options,
    max_pixels_option,
    model_option,
    output_of,
    output_options,
    report_left_out,
    whole,
    working_size_option,
)
from photochrom.errors import InputError, one_line
from photochrom.folders import describe
from photochrom.settings import COLOR_SUFFIX, COMPARED_SUFFIX, JOBS, VARIANTS

if TYPE_CHECKING:
    from photochrom.album import Outcome
    from photochrom.coloring import Request
    from photochrom.inference.colorizer import Colorizer
    from photochrom.photo.metadata.mark import Mark
    from photochrom.planning import Plan

STREAM = Path("-")  # standard input or output


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=ANY_PATH, metavar="INPUT...")
@click.option(
    "-o",
    "--out",
    type=ANY_PATH,
    help="Folder for outputs, file for the output of a single input, or - for standard output.  [default: "
    "NAME-color.EXT beside the input]",
)
@look_options
@click.option(
    "--variants",
    type=whole(VARIANTS),
    default=int(VARIANTS.default),
    show_default=True,
    help="Number of different colorings of each photograph, in numbered files.",
)
@click.option(
    "--hint",
    "hint_texts",
    multiple=True,
    metavar="X,Y,#rrggbb[,RADIUS]",
    help="Color of the place at pixel X (from the left), Y (from the top), and how far around it. Repeatable.",
)
@click.option("--hints", "hints_path", type=ANY_PATH, help="JSON file of hints.")
@output_options
@crop_option
@click.option(
    "--side-by-side",
    is_flag=True,
    help="Write before and after as one picture.  [default name: NAME-before-after.EXT]",
)
@click.option(
    "--as",
    "example",
    type=ANY_PATH,
    metavar="FILE",
    help="Use the settings of FILE, a color version: its strength, warmth, seed, hints and working size. Other options "
    "of the command win.",
)
@click.option(
    "--certificate", type=ANY_PATH, metavar="FILE", help="Sign outputs (C2PA) with this certificate chain, a PEM file."
)
@click.option("--key", type=ANY_PATH, metavar="FILE", help="Private key of --certificate, a PEM file.")
@click.option("--overwrite", is_flag=True, help="Make existing outputs again. By default they are skipped.")
@keeping_options
@click.option(
    "--jobs",
    type=whole(JOBS),
    default=int(JOBS.default),
    show_default=True,
    help="Number of photographs that are colored at the same time.",
)
@max_pixels_option()
@model_option
@working_size_option
def colorize(
    inputs: tuple[Path, ...],
    out: Path | None,
    strength: float,
    warmth: float,
    seed: int | None,
    variants: int,
    hint_texts: tuple[str, ...],
    hints_path: Path | None,
    format_name: str | None,
    quality: int,
    no_mark: bool,
    label: str | None,
    crop_border: bool,
    side_by_side: bool,
    example: Path | None,
    certificate: Path | None,
    key: Path | None,
    overwrite: bool,
    sidecars: bool,
    keep_date: bool,
    record_path: Path | None,
    jobs: int,
    max_pixels: float,
    model: str,
    working_size: int,
) -> None:
    """Color photographs.

    INPUT is a photograph, a folder (with all folders below it), or - to read standard input and write standard
    output. The output has the input's size, format, bit depth and metadata. Outputs that exist are skipped, so that
    a stopped run goes on where it was. In folders, hidden files and what other programs put beside photographs are
    left out; the command says how many files of which kinds it left out.

    \b
      photochrom colorize old.jpg
      photochrom colorize album/ -o color/ --jobs 2
      photochrom colorize album/ -o color/ --sidecars --keep-date --record color/run.csv
      photochrom colorize old.jpg --variants 4
      photochrom colorize old.jpg --hint 120,80,#2244aa
      photochrom colorize scan.tif --as old-color.jpg
      photochrom colorize - < old.jpg > new.jpg
      photochrom colorize scan.tif --format png -o - > new.png
      photochrom colorize scan.tif --crop-border --side-by-side
    """
    from photochrom.album import recorded, run
    from photochrom.coloring import Look, Request, look_of
    from photochrom.inference.colorizer import Colorizer
    from photochrom.photo.credentials import read_credentials
    from photochrom.photo.hints import parse_hint, read_hints
    from photochrom.photo.marked import read_marked
    from photochrom.planning import plan

    hints = tuple(parse_hint(text) for text in hint_texts)
    look = Look(strength, seed, hints, read_hints(hints_path) if hints_path else None, warmth)
    mark = read_marked(example).mark if example else None
    if mark:
        look = replace(look_of(mark), **_given(strength=strength, warmth=warmth, seed=seed), hints=hints)
        look = replace(look, hint_file=read_hints(hints_path)) if hints_path else look
        working_size = _given(working_size=working_size).get("working_size", mark.working_size)
    output = replace(output_of(format_name, quality, no_mark, label), side_by_side=side_by_side)
    if certificate and key:
        output = replace(output, credentials=read_credentials(certificate, key))
    elif certificate or key:
        raise InputError("signing needs both --certificate and --key")
    request = Request(look, output, round(max_pixels * 1e6), crop_border)
    if STREAM in (*inputs, out):
        if inputs == (STREAM,) and out not in (None, STREAM):
            raise InputError(f"standard input goes to standard output: leave out -o, or write - > {out}")
        if len(inputs) > 1:
            raise InputError("standard input and output hold one photograph: name one input")
        if variants > 1 or sidecars or keep_date or record_path:
            raise InputError(
                "standard output holds one picture: --variants, --sidecars, --keep-date and --record don't apply"
            )
        if sys.stdin is None or sys.stdout is None:
            raise InputError("standard input or standard output is closed")
        if sys.stdout.isatty():
            raise InputError("standard output is the terminal: send it to a file (> new.jpg) or to another program")
        colorizer = Colorizer(model, working_size=working_size)
        _check_model(colorizer, mark, example)
        _colorize_stream(inputs[0], colorizer, request)
        return
    suffix = COMPARED_SUFFIX if side_by_side else COLOR_SUFFIX
    planned = plan(inputs, out, format=format_name, variants=variants, sidecars=sidecars, suffix=suffix)
    tasks = planned.tasks
    threads = max(1, (os.cpu_count() or 1) // jobs)  # with more, they would wait for each other
    colorizer = Colorizer(model, working_size=working_size, threads=threads)
    _check_model(colorizer, mark, example)
    outcomes = run(tasks, colorizer, request, overwrite=overwrite, jobs=jobs, keep_date=keep_date)
    if record_path is not None:
        outcomes = recorded(outcomes, record_path, colorizer, model, request)
    is_terminal = sys.stderr.isatty()
    with click.progressbar(
        outcomes, length=len(tasks), label="Coloring", show_pos=True, file=sys.stderr, hidden=not is_terminal
    ) as progress:
        finished = list(progress)
    _report(planned, finished, is_terminal)
    report_left_out(Counter(what for outcome in finished for what in outcome.left_out))
    if planned.failures or any(outcome.error for outcome in finished):
        sys.exit(2 if len(tasks) + len(planned.failures) == 1 else 1)


def _given(**values: Any) -> dict[str, Any]:
    """Those of a command's options that the user gave."""
    context = click.get_current_context()
    return {k: v for k, v in values.items() if context.get_parameter_source(k) != ParameterSource.DEFAULT}


def _check_model(colorizer: Colorizer, mark: Mark | None, example: Path | None) -> None:
    """Raises InputError if a color version that is taken as an example was made with another model."""
    digest = colorizer.model_info.digest
    if mark and digest != mark.model_sha256 and not _given(model=None):
        raise InputError(
            f"{example} was colored with another model (SHA-256 {mark.model_sha256}): name it, or the one to use "
            "instead, with --model"
        )


def _colorize_stream(source: Path, colorizer: Colorizer, request: Request) -> None:
    """Color a file or standard input, to standard output."""
    from photochrom.coloring import color
    from photochrom.photo.decoding import read_bytes

    if source == STREAM:
        data, name = sys.stdin.buffer.read(), "standard input"
    else:
        data, name = read_bytes(source), str(source)
    (colored,) = color(data, name, request, colorizer)
    report_left_out(Counter(colored.left_out))
    sys.stdout.buffer.write(colored.content)
    sys.stdout.buffer.flush()  # a full disk is noticed here, and not when Python ends


def _report(plan: Plan, outcomes: list[Outcome], is_terminal: bool) -> None:
    """Name what failed and count what was left out. Print a summary on a terminal, or if anything failed."""
    left_out = describe(plan.left_out)
    errors = [*plan.failures, *(outcome.error for outcome in outcomes if outcome.error)]
    skipped = sum(outcome.skipped for outcome in outcomes)
    untried = len(plan.tasks) - len(outcomes)
    for error in errors:
        click.echo(f"photochrom: {one_line(str(error))}", err=True)
    if left_out:
        click.echo(f"photochrom: left out {left_out}", err=True)
    if untried:
        click.echo(
            f"photochrom: {untried} photographs were not tried: run the same command again when there is room", err=True
        )
    if is_terminal or (errors and len(outcomes) + len(plan.failures) > 1):
        colored = sum(not outcome.skipped and not outcome.error for outcome in outcomes)
        click.echo(f"{colored} colored, {skipped} skipped because their outputs exist, {len(errors)} failed", err=True)
    elif skipped:
        click.echo(
            f"photochrom: {skipped} skipped because their outputs exist (--overwrite makes them again)", err=True
        )
