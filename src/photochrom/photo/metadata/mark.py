"""How a color version was made: the value that photographs carry, and that their files say in XMP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from photochrom.photo.hints import Hint, check_count, parse_hint, parse_hint_file

NOT_FOUND = "none"  # the crop, where a print was looked for in vain
LONGEST_IN_WORDS = 1000  # characters of hints in a sentence; the mark has them all elsewhere


@dataclass(frozen=True)
class Mark:
    """How a color version was made.

    version: of photochrom. model: its name; model_sha256: of its file. size: width and height of the photograph, on
    which the hints are. source_sha256: of the file that was colored. format, quality, label: of the output.
    source_type: IPTC's digital source type of the source, if it gave one. warmth: see photo/white_balance.py. crop: ""
    if no print was looked for, NOT_FOUND, or its left, top, width and height in the source, with commas between them.
    side_by_side: the photograph is at the left, its color version at the right.
    """

    version: str
    model: str
    model_sha256: str
    working_size: int
    strength: float
    seed: int | None
    hints: tuple[Hint, ...]
    size: tuple[int, int]
    source_sha256: str
    format: str = ""
    quality: int = 0
    label: str = ""
    source_type: str = ""
    warmth: float = 0.0
    crop: str = ""
    side_by_side: bool = False

    @property
    def settings_sha256(self) -> str:
        """The SHA-256 of everything except the source and the version that determines an output."""
        settings: dict[str, Any] = {
            "format": self.format,
            "hints": hints_text(self.hints),
            "label": self.label,
            "model": self.model_sha256,
            "quality": self.quality,
            "seed": self.seed,
            "strength": float(self.strength),
            "working_size": self.working_size,
        }
        # Earlier marks don't have these.
        settings |= {"warmth": float(self.warmth)} if self.warmth else {}
        settings |= {"crop": self.crop} if self.crop else {}
        settings |= {"side_by_side": True} if self.side_by_side else {}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    @property
    def parameters(self) -> str:
        """Model, strength, warmth, seed and hints in one line, for people."""
        seed = "likeliest coloring" if self.seed is None else f"seed {self.seed}"
        hints = "no hints" if not self.hints else f"hints {hints_in_words(self.hints)}"
        model = f"model {self.model}, SHA-256 {self.model_sha256 or 'unknown'}"
        strength = f"strength {self.strength:g}" + (f"; warmth {self.warmth:g}" if self.warmth else "")
        return f"{model}; {strength}; {seed}; {hints}; source SHA-256 {self.source_sha256 or 'unknown'}"


def hints_text(hints: tuple[Hint, ...]) -> str:
    """Hints as `--hint` takes them, separated by spaces; strokes and areas as the list of a hints file."""
    if any(hint.path for hint in hints):
        return json.dumps([_values(hint) for hint in hints])
    radii = ["" if hint.radius is None else f",{_exact(hint.radius)}" for hint in hints]
    return " ".join(f"{_exact(h.x)},{_exact(h.y)},{h.color}{radius}" for h, radius in zip(hints, radii, strict=True))


def hints_in_words(hints: tuple[Hint, ...]) -> str:
    """Hints for people: as `hints_text`, or only how many if that is long."""
    text = hints_text(hints)
    return text if len(text) <= LONGEST_IN_WORDS else f"at {len(hints)} places"


def parse_hints(text: str) -> tuple[Hint, ...]:
    """The inverse of `hints_text`. Raises InputError."""
    if text.startswith("["):
        return parse_hint_file(f'{{"hints": {text}}}', "the mark").hints
    words = text.split()
    check_count(len(words), "the mark")
    return tuple(map(parse_hint, words))


def _exact(number: float) -> str:
    """A number in as few digits as are read back as the same number: rounded, it might lie outside the photograph."""
    short = f"{number:.10g}"
    return short if float(short) == number else repr(number)


def _values(hint: Hint) -> dict[str, Any]:
    """A hint as a hints file has it."""
    name = "area" if hint.filled else "stroke"
    place: dict[str, Any] = {name: [list(point) for point in hint.points]} if hint.path else {"x": hint.x, "y": hint.y}
    return place | {"color": hint.color} | ({} if hint.radius is None else {"radius": hint.radius})
