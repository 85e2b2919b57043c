"""How a file was colored, by the mark in it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from photochrom.errors import InputError, MissingExtra
from photochrom.photo.credentials import is_signature_valid
from photochrom.photo.decoding import read_bytes
from photochrom.photo.metadata.mark import Mark
from photochrom.photo.metadata.marking import is_unchanged, read_mark
from photochrom.photo.metadata.reading import format_by_content, read_metadata
from photochrom.photo.metadata.record import CREDENTIALS


class Marked(NamedTuple):
    """A mark, and whether its file is as photochrom wrote it; None if that can't be known here."""

    mark: Mark
    unchanged: bool | None


def read_marked(path: Path) -> Marked:
    """The mark of a photograph's file. Raises InputError if it has none."""
    content = read_bytes(path)
    metadata = read_metadata(content)
    try:
        mark = read_mark(metadata)
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    if mark is None:
        raise InputError(
            f"{path} doesn't say how it was made: photochrom didn't color it, or another program removed the mark"
        )
    unchanged = is_unchanged(content) is True
    if not unchanged and CREDENTIALS in metadata.left_out:  # it was signed after the mark was written
        try:
            return Marked(mark, is_signature_valid(content, format_by_content(content)))
        except MissingExtra:
            return Marked(mark, None)
    return Marked(mark, unchanged)
