"""The mark of a film: one line in the comment of its container, the field that every container has.

docs/metadata.md says what stands in it. As in photographs, there is no date.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from photochrom.errors import InputError, MissingExtra
from photochrom.photo.metadata.marking import COLORED

FILM_SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".nut"}
KEY = "comment"
BEGINNING = '{"colorized by": "photochrom '  # of the line; another program may have written lines before it


def is_film(path: Path) -> bool:
    """Whether a file is a film, by its suffix."""
    return path.suffix.lower() in FILM_SUFFIXES


def film_mark(version: str, source: Path, settings: dict[str, Any]) -> str:
    """The line that says how a film was colored. source: the film that was; all of it is read, for its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    said = {"colorized by": f"photochrom {version}", "digital source type": COLORED}
    return json.dumps(said | settings | {"source SHA-256": digest.hexdigest()}, ensure_ascii=False)


def with_mark(comment: str, mark: str) -> str:
    """A comment with a mark as its last line, in place of an older one."""
    return "\n".join([*(line for line in comment.splitlines() if not line.startswith(BEGINNING)), mark])


def add_mark(metadata: dict[str, str], mark: str) -> None:
    """Add a mark to the comment of a container, whose key Matroska writes in capitals."""
    key = next((key for key in metadata if key.lower() == KEY), KEY)
    metadata[key] = with_mark(metadata.get(key, ""), mark)


def read_film_mark(path: Path) -> list[tuple[str, str]]:
    """What a film's mark says, as pairs of a name and a text. Raises InputError if it has none."""
    try:
        from photochrom.video.film import opened
    except ImportError as error:
        raise MissingExtra("reading a film", "video") from error
    with opened(path) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    line = next((line for line in found.get(KEY, "").splitlines() if line.startswith(BEGINNING)), None)
    if line is None:
        raise InputError(
            f"{path} doesn't say how it was made: photochrom didn't color it, or another program removed the mark"
        )
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        raise InputError(f"{path} has a mark of photochrom that can't be read: another program changed it") from None
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in said.items()]
