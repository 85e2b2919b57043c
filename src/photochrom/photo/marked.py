"""How a file was colored, by the mark in it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from photochrom.errors import InputError
from photochrom.photo.decoding import read_bytes
from photochrom.photo.metadata.mark import Mark
from photochrom.photo.metadata.marking import is_unchanged, read_mark
from photochrom.photo.metadata.reading import read_metadata


class Marked(NamedTuple):
    """A mark, and whether its file is byte for byte as photochrom wrote it."""

    mark: Mark
    unchanged: bool


def read_marked(path: Path) -> Marked:
    """The mark of a photograph's file. Raises InputError if it has none."""
    content = read_bytes(path)
    try:
        mark = read_mark(read_metadata(content))
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    if mark is None:
        raise InputError(
            f"{path} doesn't say how it was made: photochrom didn't color it, or another program removed the mark"
        )
    return Marked(mark, is_unchanged(content) is True)
