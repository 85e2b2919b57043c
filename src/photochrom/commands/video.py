"""`photochrom video`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from photochrom.commands.options import (
    ANY_PATH,
    FiniteRange,
    device_option,
    given,
    look_options,
    model_option,
    working_size_option,
)
from photochrom.video.encoding import CODECS, DEFAULT_CODEC, MAX_CRF, MIN_CRF, Encoding

CRF_DEFAULTS = ", ".join(f"{codec.crf} for {name}" for name, codec in CODECS.items() if codec.crf is not None)


@click.command()
@click.argument("source", type=ANY_PATH, metavar="IN")
@click.argument("target", type=ANY_PATH, metavar="OUT")
@click.option(
    "--codec",
    type=click.Choice(list(CODECS)),
    default=DEFAULT_CODEC,
    show_default=True,
    help="Codec that the colored pictures are written with.",
)
@click.option(
    "--crf",
    type=click.IntRange(MIN_CRF, MAX_CRF),
    help="Constant rate factor of h264 and h265: a lower number gives better quality and a larger file.  "
    f"[default: {CRF_DEFAULTS}]",
)
@click.option("--from", "begin", type=FiniteRange(0), default=0.0, help="Time to begin at, in seconds.")
@click.option("--to", "end", type=FiniteRange(0, min_open=True), help="Time to end at, in seconds.")
@look_options
@click.option(
    "--hints",
    type=ANY_PATH,
    help="JSON file of color hints, which follow their objects within a shot.",
)
@click.option(
    "--deinterlace", is_flag=True, help="Make pictures of an interlaced film whole; without it they stay interlaced."
)
@click.option("--flicker", is_flag=True, help="Color every frame by itself; colors may flicker.")
@click.option(
    "--no-mark", is_flag=True, help="Leave out the comment that says that the colors were made by AI, and how."
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Write OUT even if it exists. By default it is made again only if photochrom made it with other settings, "
    "and nobody has changed it since.",
)
@model_option
@working_size_option
@device_option
def video(
    source: Path,
    target: Path,
    codec: str,
    crf: int | None,
    begin: float,
    end: float | None,
    strength: float,
    warmth: float,
    seed: int | None,
    hints: Path | None,
    deinterlace: bool,
    flicker: bool,
    no_mark: bool,
    overwrite: bool,
    model: str,
    working_size: int,
    device: str,
) -> None:
    """Color a film.

    Sound, subtitles, chapters, frame times, rotation and color tags stay as they are. Start the same command again to
    go on after a stop; unfinished work waits in a folder beside OUT. Other settings make OUT again. Needs the extra
    "video".

    \b
      photochrom video old.mp4 new.mp4
      photochrom video old.mkv part.mkv --from 60 --to 90 --codec h265 --crf 20
      photochrom video old.mp4 new.mp4 --hints film.json
    """
    from photochrom.coloring import Look
    from photochrom.errors import one_line
    from photochrom.existing import LEFT, Fate, left_as_it_is
    from photochrom.inference.colorizer import Colorizer
    from photochrom.video.colorize import FilmOptions, colorize_film, fate_of_film
    from photochrom.video.film import read_film
    from photochrom.video.tracking import read_film_hints

    film = read_film(source, deinterlace)
    film_hints = read_film_hints(hints, film.size) if hints else ()
    look = Look(strength, seed, warmth=warmth)
    options = FilmOptions(Encoding(codec, crf), look, begin, end, film_hints, not flicker, not no_mark)
    colorizer = Colorizer(model, working_size=working_size, device=device)
    if target.exists() and not overwrite:
        decided = fate_of_film(film, target, colorizer, options, any_model=not given(model=model))
        if decided in LEFT:
            click.echo(f"photochrom: {one_line(left_as_it_is(target, decided))}", err=True)
            sys.exit(1)
        if decided is not Fate.REPLACED:
            click.echo(f"photochrom: {target} is skipped because it exists (--overwrite makes it again)", err=True)
            return
    if film.transparent:
        click.echo(f"{source} has transparent pictures, color versions of films have none: left out", err=True)
    shown, told = sys.stderr.isatty(), False
    for progress in colorize_film(film, target, colorizer, options):
        if not told:
            if progress.left_out:
                click.echo(f"left out of {target}: {', '.join(progress.left_out)}", err=True)
            for remade in progress.remade:
                click.echo(f"{target.suffix} films can't hold {remade}", err=True)
            told = True
        if shown:
            left = max(0, progress.total - progress.done) / progress.rate
            line = f"\r{progress.done} of {progress.total} frames, {progress.rate:.1f} frames per second, "
            line += f"{left / 60:.1f} minutes left "
            click.echo(line, err=True, nl=False)
    if shown:
        click.echo(err=True)
