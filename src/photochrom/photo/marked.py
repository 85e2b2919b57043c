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
    """A mark, whether its file is signed, and the file's content."""

    mark: Mark
    is_signed: bool
    content: bytes

    @property
    def unchanged(self) -> bool | None:
        """Whether the file is as photochrom wrote it; None if that can't be known here."""
        unchanged = is_unchanged(self.content) is True
        if not unchanged and self.is_signed:  # it was signed after the mark was written
            try:
                return is_signature_valid(self.content, format_by_content(self.content))
            except MissingExtra:
                return None
        return unchanged


def marked(content: bytes) -> Marked | None:
    """The mark of a photograph's file; None if it has none. Raises InputError for one that was tampered with."""
    metadata = read_metadata(content)
    mark = read_mark(metadata)
    return None if mark is None else Marked(mark, CREDENTIALS in metadata.left_out, content)


def read_marked(path: Path) -> Marked:
    """The mark of a photograph's file. Raises InputError if it has none."""
    content = read_bytes(path)
    try:
        found = marked(content)
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    if found is None:
        raise InputError(
            f"{path} doesn't say how it was made: photochrom didn't color it, or another program removed the mark"
        )
    return found
