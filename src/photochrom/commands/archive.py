"""`photochrom archive`."""

from __future__ import annotations

import sys

import click

from photochrom.commands.options import FORMAT_NAMES, max_pixels_option, model_option, working_size_option

ERRORS_SHOWN = 20


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@click.option("--workers", type=click.IntRange(1), help="Processes that color.  [default: one a CPU]")
@click.option("--address", help="Of a running Ray cluster, or auto.  [default: one is started here]")
@click.option("--strength", type=click.FloatRange(0, 10), default=1.0, show_default=True, help="Multiplies the colors.")
@click.option("--seed", type=click.IntRange(0), help="Another plausible coloring.  [default: the likeliest]")
@click.option(
    "--format", "format_name", type=click.Choice(FORMAT_NAMES), help="Of the outputs.  [default: the input's]"
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of JPEG, WebP and AVIF.")
@click.option("--tries", type=click.IntRange(1), default=3, show_default=True, help="Before a file is quarantined.")
@click.option("--timeout", type=click.FloatRange(0.1), default=300.0, show_default=True, help="Seconds a try may take.")
@click.option("--retry", is_flag=True, help="Try again what failed or was quarantined.")
@max_pixels_option
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
    tries: int,
    timeout: float,
    retry: bool,
    max_pixels: float,
    model: str,
    working_size: int,
) -> None:
    """Color an archive of any size, on one machine or a cluster.

    SRC and DST are folders or URLs of object stores (s3://, gs://, whatever fsspec knows). Run it again to go on
    after a stop, or to color what is new or has changed. What became of every file stands in Parquet files below
    DST/_photochrom/manifest. Needs the extra "archive".

    \b
      photochrom archive scans/ color/
      photochrom archive s3://museum/scans s3://museum/color --address auto
    """
    from photochrom.album import Options
    from photochrom.archive.run import model_digest, run_archive
    from photochrom.archive.worker import Work

    pixels = round(max_pixels * 1e6)
    options = Options(strength=strength, seed=seed, format=format_name, quality=quality, max_pixels=pixels)
    work = Work(source, destination, options, model, model_digest(model), working_size, tries, timeout)
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
