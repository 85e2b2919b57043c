"""`photochrom video`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from photochrom.commands.options import ANY_PATH, model_option, working_size_option

CODEC_NAMES = ("h264", "h265", "prores", "ffv1")  # as video.film.CODECS; a test holds them equal


@click.command()
@click.argument("source", type=ANY_PATH, metavar="IN")
@click.argument("target", type=ANY_PATH, metavar="OUT")
@click.option("--codec", type=click.Choice(CODEC_NAMES), default="h264", show_default=True, help="Of the pictures.")
@click.option(
    "--crf", type=click.IntRange(0, 51), help="Less is better and larger.  [default: 16 for h264, 18 for h265]"
)
@click.option("--from", "begin", type=click.FloatRange(0), default=0.0, help="Seconds: begin there.")
@click.option("--to", "end", type=click.FloatRange(0, min_open=True), help="Seconds: end there.")
@click.option("--strength", type=click.FloatRange(0, 10), default=1.0, show_default=True, help="Multiplies the colors.")
@click.option("--seed", type=click.IntRange(0), help="Another plausible coloring.  [default: the likeliest]")
@click.option("--hints", type=ANY_PATH, help="A JSON file of hints, which follow what they were put on.")
@click.option("--flicker", is_flag=True, help="Color every frame by itself.")
@click.option("--overwrite", is_flag=True, help="Make OUT again if it exists.")
@model_option
@working_size_option
def video(
    source: Path,
    target: Path,
    codec: str,
    crf: int | None,
    begin: float,
    end: float | None,
    strength: float,
    seed: int | None,
    hints: Path | None,
    flicker: bool,
    overwrite: bool,
    model: str,
    working_size: int,
) -> None:
    """Color a film.

    Sound, subtitles, chapters, frame times, rotation and color tags stay. A stopped run goes on when it is started
    again; what is unfinished waits in a folder beside OUT. Needs the extra "video".

    \b
      photochrom video old.mp4 new.mp4
      photochrom video old.mkv part.mkv --from 60 --to 90 --codec h265 --crf 20
      photochrom video old.mp4 new.mp4 --hints film.json
    """
    from photochrom.errors import InputError
    from photochrom.inference.colorizer import Colorizer
    from photochrom.video.colorize import FilmOptions, colorize_film
    from photochrom.video.film import Encoding, read_film
    from photochrom.video.tracking import read_film_hints

    if target.exists() and not overwrite:
        raise InputError(f"{target} exists (--overwrite makes it again)")
    film_hints = read_film_hints(hints, read_film(source)) if hints else ()
    options = FilmOptions(Encoding(codec, crf), strength, seed, begin, end, film_hints, not flicker)
    colorizer = Colorizer(model, working_size=working_size)
    shown = sys.stderr.isatty()
    for progress in colorize_film(source, target, colorizer, options, model):
        if shown:
            left = max(0, progress.total - progress.done) / progress.rate
            line = (
                f"\r{progress.done} of {progress.total} frames, {progress.rate:.1f} frames/s, {left / 60:.1f} min left "
            )
            click.echo(line, err=True, nl=False)
    if shown:
        click.echo(err=True)
