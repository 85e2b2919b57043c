"""`photochrom info`."""

from __future__ import annotations

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
NO_SEED = "none: the likeliest coloring"


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
    from photochrom.video.mark import is_film

    if is_film(path):
        return _film_facts(path)
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
        ("seed", NO_SEED if mark.seed is None else str(mark.seed)),
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


def _film_facts(path: Path) -> list[tuple[str, str]]:
    """What is known about a film, in the words of a photograph's. Raises InputError."""
    from photochrom.video.mark import (
        BY,
        FILM_DIGEST,
        MODEL,
        MODEL_DIGEST,
        NO_SETTINGS,
        SOURCE_DIGEST,
        SOURCE_TYPE,
        is_film_unchanged,
        read_film_mark,
    )

    said = read_film_mark(path)
    text = {name: str(said.get(name, "")) for name in NO_SETTINGS}
    settings = [(name, _setting_in_words(name, value)) for name, value in said.items() if name not in NO_SETTINGS]
    facts = [
        ("file", str(path)),
        ("made by", text[BY]),
        ("since then", SINCE[is_film_unchanged(path, said)] if FILM_DIGEST in said else SINCE_UNKNOWN),
        ("model", f"{text[MODEL]} (SHA-256 {text[MODEL_DIGEST]})"),
        *settings,
        ("source", text[SOURCE_DIGEST] and f"SHA-256 {text[SOURCE_DIGEST]}"),
        (SOURCE_TYPE, text[SOURCE_TYPE]),  # of the film; a photograph's "source type" is of its source
    ]
    return [(name, value) for name, value in facts if value]


def _setting_in_words(name: str, value: object) -> str:
    """A setting of a film's mark; "" for one that says nothing. Other versions may have others."""
    if name == "seed" and value is None:
        return NO_SEED
    if value is None or (name == "warmth" and not value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    text = f"{value:.10g}" if isinstance(value, float) else str(value)
    return f"{text} s" if name in ("from", "to") else text
