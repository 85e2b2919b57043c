"""`photochrom archive`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from photochrom.commands.options import (
    ANY_PATH,
    FiniteRange,
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
    working_size_option,
)
from photochrom.errors import InputError, one_line
from photochrom.folders import describe
from photochrom.settings import TRIES, TRY_SECONDS

if TYPE_CHECKING:
    from photochrom.archive.run import Summary

ERRORS_SHOWN = 20


@click.command()
@click.argument("source", metavar="SRC", type=NamedPath(path_type=str))
@click.argument("destination", metavar="DST", type=NamedPath(path_type=str))
@click.option("--workers", type=click.IntRange(1), help="Number of processes that color.  [default: one per CPU]")
@click.option("--address", help="Address of a running Ray cluster, or auto.  [default: a cluster is started here]")
@look_options
@output_options
@crop_option
@click.option(
    "--tries",
    type=click.IntRange(1),
    default=TRIES,
    show_default=True,
    help="Attempts per file before it is quarantined.",
)
@click.option(
    "--timeout",
    type=FiniteRange(0.1),
    default=TRY_SECONDS,
    show_default=True,
    help="Time limit per attempt, in seconds.",
)
@click.option("--retry", is_flag=True, help="Try again the files that failed or were quarantined.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace files in DST that photochrom didn't write, or that were changed since. By default they stay.",
)
@recolor_option
@keeping_options
@click.option("--csv", "csv_path", type=ANY_PATH, metavar="FILE", help="Write the manifest to a CSV file at the end.")
@click.option(
    "--checksums",
    "checksums_path",
    type=ANY_PATH,
    metavar="FILE",
    help="Write the SHA-256 of all outputs at the end, for `sha256sum -c` in DST.",
)
@max_pixels_option()
@model_option
@working_size_option
@device_option
def archive(
    source: str,
    destination: str,
    workers: int | None,
    address: str | None,
    strength: float,
    warmth: float,
    seed: int | None,
    format_name: str | None,
    quality: int,
    no_mark: bool,
    label: str | None,
    crop_border: bool,
    tries: int,
    timeout: float,
    retry: bool,
    overwrite: bool,
    recolor: bool,
    sidecars: bool,
    keep_date: bool,
    record_path: Path | None,
    csv_path: Path | None,
    checksums_path: Path | None,
    max_pixels: float,
    model: str,
    working_size: int,
    device: str,
) -> None:
    """Color an archive of any size, on one machine or a cluster.

    SRC and DST are folders or URLs of object stores (s3://, gs:// and whatever else fsspec knows). Run the command
    again to go on after a stop, or to color photographs that are new or have changed, or to color with other settings.
    Photographs that are in color already are named and left. Parquet files below DST/_photochrom/manifest say what
    happened to every file. Hidden files and what other programs put beside photographs are left out; the command
    names files of other kinds. Needs the extra "archive".

    \b
      photochrom archive scans/ color/
      photochrom archive scans/ color/ --csv manifest.csv --checksums SHA256SUMS
      photochrom archive s3://museum/scans s3://museum/color --address auto
    """
    from photochrom.archive.finishing import finish, recorded
    from photochrom.archive.run import run_archive
    from photochrom.archive.stores import is_folder
    from photochrom.archive.worker import Work
    from photochrom.coloring import Look, Request

    output = output_of(format_name, quality, no_mark, label)
    look = Look(strength, seed, warmth=warmth)
    request = Request(look, output, round(max_pixels * 1e6), crop_border, recolor)
    if keep_date and not is_folder(destination):
        raise InputError("--keep-date needs a folder as destination: object stores can't keep a file's date")
    cluster = address is not None
    work = Work.of_model(model, working_size, source, destination, request, tries, timeout, device, cluster)
    work = replace(work, overwrite=overwrite, any_model=not given(model=model), keep_date=keep_date)
    shown = sys.stderr.isatty()
    summaries = run_archive(work, workers=workers, address=address, retry=retry)
    for summary in recorded(summaries, record_path, work) if record_path else summaries:
        done = sum(summary.states.values())
        if shown and done:
            rate = done / max(summary.seconds, 1e-9)
            left = (summary.total - summary.settled - done) / max(rate, 1e-9)
            line = f"\r{summary.settled + done} of {summary.total}, {rate:.1f} photographs/s, {left / 60:.0f} min left "
            click.echo(line, err=True, nl=False)
    if shown:
        click.echo(err=True)
    try:
        if sidecars or csv_path or checksums_path:
            summary.unreadable += finish(work, summary, sidecars=sidecars, csv=csv_path, checksums=checksums_path)
    finally:
        _report(summary)
    if not summary.is_whole:
        sys.exit(1)


def _report(summary: Summary) -> None:
    """Name what failed, now and before, and what is in color; count the rest."""
    before = [f"{line} (in an earlier run; --retry tries it again)" for line in summary.before]
    for lines in (summary.unreadable, summary.errors, before, summary.left):
        for line in lines[:ERRORS_SHOWN]:
            click.echo(f"photochrom: {one_line(line)}", err=True)
        if len(lines) > ERRORS_SHOWN:
            more = f"{len(lines) - ERRORS_SHOWN:,} more, see the manifest (--csv FILE writes it)"
            click.echo(f"photochrom: {more}", err=True)
    if left_out := describe(summary.left_out, summary.named):
        click.echo(f"photochrom: left out {left_out}", err=True)
    report_left_out(summary.metadata_left_out)
    states = ", ".join(f"{count} {state}" for state, count in sorted(summary.states.items())) or "nothing to do"
    failed = f" ({len(before)} of them without a color version)" if before else ""
    click.echo(f"{summary.total} photographs: {summary.settled} settled before{failed}, {states}", err=True)
