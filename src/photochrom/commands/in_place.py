"""`photochrom in-place`, which other programs start as an external editor under the name photochrom-in-place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from photochrom.commands.options import (
    ANY_PATH,
    look_options,
    max_pixels_option,
    model_option,
    recolor_option,
    report_left_out,
    working_size_option,
)
from photochrom.commands.telling import say
from photochrom.errors import InputError, PhotochromError
from photochrom.settings import format_of

if TYPE_CHECKING:
    from photochrom.coloring import Predictor, Request


@click.command("in-place")
@click.argument("files", nargs=-1, required=True, type=ANY_PATH, metavar="FILE...")
@look_options
@recolor_option
@model_option
@working_size_option
@max_pixels_option()
@click.pass_context
def in_place(
    context: click.Context,
    files: tuple[Path, ...],
    strength: float,
    warmth: float,
    seed: int | None,
    recolor: bool,
    model: str,
    working_size: int,
    max_pixels: float,
) -> None:
    """Replace photographs by their color versions.

    For photo managers that hand a copy to an external editor and take back what is in it then: Lightroom, darktable
    and others. They start it as photochrom-in-place, with the files and no options. Never let it have your only copy:
    use `photochrom colorize`, which writes new files.

    A file is replaced when its color version is complete. It keeps its format and metadata. If something goes wrong, it
    stays as it was.
    """
    from photochrom.coloring import Look, Request
    from photochrom.inference.colorizer import Colorizer

    request = Request(Look(strength, seed, warmth=warmth), max_pixels=round(max_pixels * 1e6), recolor=recolor)
    colorizer = Colorizer(model, working_size=working_size)
    left_out: Counter[str] = Counter()
    failed = sum(not attempt(path, request, colorizer, left_out) for path in files)
    report_left_out(left_out)
    context.exit(0 if not failed else 2 if failed == len(files) else 1)


def attempt(path: Path, request: Request, predictor: Predictor, left_out: Counter[str]) -> bool:
    """Whether a file was replaced by its color version; if not, a line says why. left_out is added to."""
    try:
        left_out.update(replace_by_color(path, request, predictor))
    except PhotochromError as error:
        say(f"photochrom: {error}")
        return False
    return True


def replace_by_color(path: Path, request: Request, predictor: Predictor) -> tuple[str, ...]:
    """Replace a file by its color version, and tell what that doesn't have of it. Raises InputError, OutputError."""
    from photochrom.coloring import color
    from photochrom.photo.decoding import read_bytes
    from photochrom.photo.photograph import write_bytes

    if format_of(path) is None:
        raise InputError(f"{path} can't be replaced: photochrom writes no {path.suffix or 'files without a suffix'}")
    (colored,) = color(read_bytes(path), str(path), request, predictor)
    if colored.format != format_of(path):
        raise InputError(f"{path} can't be replaced: in spite of its name, it is in another format ({colored.format})")
    write_bytes(path.resolve(), colored.content)  # what a link leads to, not the link
    return colored.left_out
