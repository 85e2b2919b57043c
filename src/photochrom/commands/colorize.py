"""`photochrom colorize`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from photochrom.commands.options import (
    ANY_PATH,
    NamedPath,
    crop_option,
    device_option,
    given,
    keeping_options,
    look_options,
    max_pixels_option,
    model_option,
    output_of,
    output_options,
    recolor_option,
    report_left_out,
    whole,
    working_size_option,
)
from photochrom.commands.telling import report, say, status_of, tell_troubles, with_bar
from photochrom.errors import InputError, PhotochromError, our_fault
from photochrom.settings import COLOR_SUFFIX, COMPARED_SUFFIX, JOBS, VARIANTS, usable_cores

if TYPE_CHECKING:
    from photochrom.album import Manner, Outcome
    from photochrom.coloring import Request
    from photochrom.inference.colorizer import Colorizer
    from photochrom.photo.metadata.mark import Mark
    from photochrom.planning import Plan
    from photochrom.records import Record
    from photochrom.watching import Arrived

STREAM = Path("-")  # standard input or output


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=ANY_PATH, metavar="INPUT...")
@click.option(
    "-o",
    "--out",
    "named_out",
    type=NamedPath(readable=False),
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
@click.option(
    "--overwrite",
    is_flag=True,
    help="Make existing outputs again, whoever made them. By default only those are made again that photochrom made "
    "with other settings and that nobody has changed since.",
)
@recolor_option
@click.option("--dry-run", is_flag=True, help="List what would be colored, and write nothing.")
@click.option("--watch", is_flag=True, help='Color what arrives in folders, until Ctrl-C. Needs the extra "watch".')
@click.option("-q", "--quiet", is_flag=True, help="Name only what failed or was left.")
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
@device_option
def colorize(
    inputs: tuple[Path, ...],
    named_out: str | None,
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
    recolor: bool,
    dry_run: bool,
    watch: bool,
    quiet: bool,
    sidecars: bool,
    keep_date: bool,
    record_path: Path | None,
    jobs: int,
    max_pixels: float,
    model: str,
    working_size: int,
    device: str,
) -> None:
    """Color photographs.

    INPUT is a photograph, a folder (with all folders below it), or - to read standard input and write standard
    output. The output has the input's size, format, bit depth and metadata. Outputs that the same settings made are
    skipped, so that a stopped run goes on where it was. Photographs that are in color already are named and left. In
    folders, hidden files and what other programs put beside photographs are left out; the command names files of
    other kinds.

    \b
      photochrom colorize old.jpg
      photochrom colorize album/ -o color/ --jobs 2
      photochrom colorize album/ -o color/ --dry-run
      photochrom colorize --watch scanner/ -o color/
      photochrom colorize album/ -o color/ --sidecars --keep-date --record color/run.csv
      photochrom colorize old.jpg --variants 4
      photochrom colorize old.jpg --hint 120,80,#2244aa
      photochrom colorize scan.tif --as old-color.jpg
      photochrom colorize - < old.jpg > new.jpg
      photochrom colorize scan.tif --format png -o - > new.png
      photochrom colorize scan.tif --crop-border --side-by-side
    """
    from photochrom.inference.memory import share_freed
    from photochrom.inference.weights import load_model

    share_freed()
    threads = max(1, usable_cores() // jobs)  # with more, they would wait for each other
    loading = ThreadPoolExecutor(1).submit(load_model, model, threads, device)  # while the rest is read

    from photochrom.album import Manner
    from photochrom.coloring import Look, Request, look_of
    from photochrom.inference.colorizer import Colorizer
    from photochrom.photo.credentials import read_credentials
    from photochrom.photo.hints import parse_hint, read_hints
    from photochrom.photo.marked import read_marked
    from photochrom.planning import plan
    from photochrom.records import Record

    out = None if named_out is None else Path(named_out)
    into_folder = named_out is not None and named_out.endswith(("/", os.sep))  # which a path no longer says
    hints = tuple(parse_hint(text) for text in hint_texts)
    look = Look(strength, seed, hints, read_hints(hints_path) if hints_path else None, warmth)
    mark = read_marked(example).mark if example else None
    if mark:
        look = replace(look_of(mark), **given(strength=strength, warmth=warmth, seed=seed), hints=hints)
        look = replace(look, hint_file=read_hints(hints_path)) if hints_path else look
        working_size = given(working_size=working_size).get("working_size", mark.working_size)
    output = replace(output_of(format_name, quality, no_mark, label), side_by_side=side_by_side)
    if certificate and key:
        output = replace(output, credentials=read_credentials(certificate, key))
    elif certificate or key:
        raise InputError("signing needs both --certificate and --key")
    request = Request(look, output, round(max_pixels * 1e6), crop_border, recolor)
    if watch and (dry_run or STREAM in (*inputs, out)):
        raise InputError("--watch colors what arrives in folders: leave out --dry-run and -")
    if STREAM in (*inputs, out):
        _check_streams(inputs, out, alone=not (variants > 1 or sidecars or keep_date or record_path or dry_run))
        colorizer = Colorizer(loading.result(), working_size=working_size)
        _check_model(colorizer, mark, example)
        _colorize_stream(inputs[0], colorizer, request)
        return
    suffix = COMPARED_SUFFIX if side_by_side else COLOR_SUFFIX
    make_plan = partial(
        plan, inputs, out, format=format_name, variants=variants, sidecars=sidecars, suffix=suffix,
        into_folder=into_folder,
    )  # fmt: skip
    planned = None if watch else make_plan()
    colorizer = Colorizer(loading.result(), working_size=working_size)
    _check_model(colorizer, mark, example)
    with ExitStack() as stack:
        record = (
            stack.enter_context(closing(Record(record_path)))
            if record_path and (record_path.exists() or not dry_run)
            else None
        )
        known = record.colored() if record else {}
        manner = Manner(overwrite, not given(model=model), known, keep_date, dry_run)
        start = partial(_start, colorizer, request, manner, jobs, record)
        if planned is None:
            _watch(inputs, partial(make_plan, may_be_empty=True), start, quiet)
        else:
            finished = list(with_bar(start(planned), len(planned.tasks), quiet))
            report(planned, finished, dry=dry_run, quiet=quiet)
            if status := status_of(planned, finished):
                sys.exit(status)


def _check_streams(inputs: tuple[Path, ...], out: Path | None, *, alone: bool) -> None:
    """Raises InputError if standard input or output can't be used. alone: whether one picture is all that is asked."""
    if inputs == (STREAM,) and out not in (None, STREAM):
        raise InputError(f"standard input goes to standard output: leave out -o, or write - > {out}")
    if len(inputs) > 1:
        raise InputError("standard input and output hold one photograph: name one input")
    if not alone:
        raise InputError(
            "standard output holds one picture: --variants, --sidecars, --keep-date, --record and --dry-run don't apply"
        )
    if sys.stdin is None or sys.stdout is None:
        raise InputError("standard input or standard output is closed")
    if sys.stdout.isatty():
        raise InputError("standard output is the terminal: send it to a file (> new.jpg) or to another program")


def _start(
    colorizer: Colorizer, request: Request, manner: Manner, jobs: int, record: Record | None, plan: Plan | Arrived
) -> Iterator[Outcome]:
    from photochrom.album import recorded, run

    outcomes = run(plan.tasks, colorizer, request, manner, jobs=jobs)
    if record is None or manner.dry:
        return outcomes
    return recorded(outcomes, record, colorizer, request, plan.failures)


def _watch(
    folders: tuple[Path, ...], plan: Callable[[], Plan], start: Callable[[Arrived], Iterator[Outcome]], quiet: bool
) -> None:
    """Color what arrives, and tell it at once, until a signal ends the process."""
    from photochrom.watching import arrivals

    for arrived in arrivals(folders, plan):
        for failure in arrived.failures:
            say(f"photochrom: {failure.error}")
        for name in () if quiet else arrived.left_out:
            say(f"photochrom: left out {name}, {'a link' if os.path.islink(name) else 'of a kind that is not read'}")
        for outcome in start(arrived):
            tell_troubles(outcome)
            for new in () if quiet else outcome.written:
                say(str(new.path))
            if not quiet:
                report_left_out(Counter(outcome.left_out))


def _check_model(colorizer: Colorizer, mark: Mark | None, example: Path | None) -> None:
    """Raises InputError if a color version that is taken as an example was made with another model."""
    digest = colorizer.model_info.digest
    if mark and digest != mark.model_sha256 and not given(model=None):
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
    try:
        (colored,) = color(data, name, request, colorizer)
    except (PhotochromError, MemoryError, OSError):
        raise
    except Exception as error:  # of a library, at a file that is odd in a way that nobody thought of
        raise InputError(f"{name} {our_fault(error)}") from error
    report_left_out(Counter(colored.left_out))
    sys.stdout.buffer.write(colored.content)
    sys.stdout.buffer.flush()  # a full disk is noticed here, and not when Python ends
