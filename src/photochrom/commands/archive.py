"""`photochrom archive`."""

from __future__ import annotations

import sys

import click

from photochrom.commands.options import (
    FiniteRange,
    NamedPath,
    look_options,
    max_pixels_option,
    model_option,
    output_of,
    output_options,
    working_size_option,
)
from photochrom.settings import TRIES, TRY_SECONDS

ERRORS_SHOWN = 20


@click.command()
@click.argument("source", metavar="SRC", type=NamedPath(path_type=str))
@click.argument("destination", metavar="DST", type=NamedPath(path_type=str))
@click.option("--workers", type=click.IntRange(1), help="Number of processes that color.  [default: one per CPU]")
@click.option("--address", help="Address of a running Ray cluster, or auto.  [default: a cluster is started here]")
@look_options
@output_options
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
@max_pixels_option()
@model_option
@working_size_option
def archive(
    source: str,
    destination: str,
    workers: int | None,
    address: str | None,
    strength: float,
    seed: int | None,
    format_name: str | None,
    quality: int,
    no_mark: bool,
    label: str | None,
    tries: int,
    timeout: float,
    retry: bool,
    max_pixels: float,
    model: str,
    working_size: int,
) -> None:
    """Color an archive of any size, on one machine or a cluster.

    SRC and DST are folders or URLs of object stores (s3://, gs:// and whatever else fsspec knows). Run the command
    again to go on after a stop, or to color photographs that are new or have changed. Parquet files below
    DST/_photochrom/manifest say what happened to every file. Needs the extra "archive".

    \b
      photochrom archive scans/ color/
      photochrom archive s3://museum/scans s3://museum/color --address auto
    """
    from photochrom.archive.run import run_archive
    from photochrom.archive.worker import Work
    from photochrom.coloring import Look, Request

    request = Request(Look(strength, seed), output_of(format_name, quality, no_mark, label), round(max_pixels * 1e6))
    work = Work.of_model(model, working_size, source, destination, request, tries, timeout)
    shown = sys.stderr.isatty()
    for summary in run_archive(work, workers=workers, address=address, retry=retry):
        done = sum(summary.states.values())
        if shown and done:
            rate = done / max(summary.seconds, 1e-9)
            left = (summary.total - summary.settled - done) / max(rate, 1e-9)
            line = f"\r{summary.settled + done} of {summary.total}, {rate:.1f} photographs/s, {left / 60:.0f} min left "
            click.echo(line, err=True, nl=False)
    if shown:
        click.echo(err=True)
    for line in summary.errors[:ERRORS_SHOWN]:
        click.echo(f"photochrom: {line}", err=True)
    states = ", ".join(f"{count} {state}" for state, count in sorted(summary.states.items())) or "nothing to do"
    click.echo(f"{summary.total} photographs: {summary.settled} settled before, {states}", err=True)
    if set(summary.states) - {"done"}:
        sys.exit(1)
