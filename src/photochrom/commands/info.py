"""`photochrom info`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from photochrom.commands.options import ANY_PATH
from photochrom.errors import PhotochromError, one_line
from photochrom.settings import FORMATS

SINCE = {
    True: "unchanged",
    False: "changed: another program has written to the file",
    None: "not known: it is signed, and signatures are checked with the extra c2pa",
}
SINCE_UNKNOWN = "not known: an earlier version of photochrom made it"


@click.command()
@click.argument("files", nargs=-1, required=True, type=ANY_PATH, metavar="FILE...")
def info(files: tuple[Path, ...]) -> None:
    """Print how color versions were made.

    FILE is a photograph or a film that photochrom colored.

    \b
      photochrom info old-color.jpg
    """
    told = [_tell(path) for path in files]
    if not all(told):
        sys.exit(1 if any(told) else 2)


def _tell(path: Path) -> bool:
    """Print what is known about a file, or why nothing is. Returns whether something is."""
    try:
        facts = _facts(path)
    except PhotochromError as error:
        click.echo(f"photochrom: {one_line(str(error))}", err=True)
        return False
    for name, value in facts:
        click.echo(one_line(f"{name + ':':20} {value}"))  # a mark may have been written by anybody
    return True


def _crop_in_words(crop: str) -> str:
    if crop in ("", "none"):
        return crop and "nothing: no print was found"
    left, top, width, height = crop.split(",")
    return f"{width} x {height} from {left}, {top} of the source"


def _facts(path: Path) -> list[tuple[str, str]]:
    """What is known about a file, as pairs of a name and a text. Raises InputError."""
    from photochrom.photo.marked import read_marked
    from photochrom.photo.metadata.mark import hints_text
    from photochrom.video.mark import FILM_DIGEST, is_film, is_film_unchanged, read_film_mark

    if is_film(path):
        said = read_film_mark(path)
        facts = [(name, each if isinstance(each, str) else json.dumps(each)) for name, each in said.items()]
        since = SINCE[is_film_unchanged(path, said)] if FILM_DIGEST in said else SINCE_UNKNOWN
        return [("file", str(path)), *facts, ("since then", since)]
    found = read_marked(path)
    mark = found.mark
    written = FORMATS[mark.format].label if mark.format in FORMATS else mark.format
    facts = [
        ("file", str(path)),
        ("made by", f"photochrom {mark.version}"),
        ("since then", SINCE[found.unchanged]),
        ("model", f"{mark.model} (SHA-256 {mark.model_sha256})"),
        ("working size", str(mark.working_size)),
        ("strength", f"{mark.strength:g}"),
        ("warmth", f"{mark.warmth:g}" if mark.warmth else ""),
        ("seed", "none: the likeliest coloring" if mark.seed is None else str(mark.seed)),
        ("hints", hints_text(mark.hints) or "none"),
        ("size", f"{mark.size[0]} x {mark.size[1]}"),
        ("written as", f"{written}, quality {mark.quality}" if mark.quality else written),
        ("label", mark.label),
        ("cropped to", _crop_in_words(mark.crop)),
        ("side by side", "yes" if mark.side_by_side else ""),
        ("source", f"SHA-256 {mark.source_sha256}" if mark.source_sha256 else "not a file"),
        ("source type", mark.source_type),
        ("settings", f"SHA-256 {mark.settings_sha256}"),
    ]
    return [(name, value) for name, value in facts if value]
