"""How a color version was made: the value that photographs carry, and that their files say in XMP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from photochrom.photo.hints import Hint


@dataclass(frozen=True)
class Mark:
    """How a color version was made.

    version: of photochrom. model: its name; model_sha256: of its file. size: width and height of the photograph, on
    which the hints are. source_sha256: of the file that was colored. format, quality, label: of the output.
    source_type: IPTC's digital source type of the source, if it gave one.
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

    @property
    def settings_sha256(self) -> str:
        """The SHA-256 of everything except the source and the version that determines an output."""
        settings = {
            "format": self.format,
            "hints": hints_text(self.hints),
            "label": self.label,
            "model": self.model_sha256,
            "quality": self.quality,
            "seed": self.seed,
            "strength": float(self.strength),
            "working_size": self.working_size,
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    @property
    def parameters(self) -> str:
        """Model, strength, seed and hints in one line, for people."""
        seed = "likeliest coloring" if self.seed is None else f"seed {self.seed}"
        hints = "no hints" if not self.hints else f"hints {hints_text(self.hints)}"
        model = f"model {self.model}, SHA-256 {self.model_sha256 or 'unknown'}"
        return f"{model}; strength {self.strength:g}; {seed}; {hints}; source SHA-256 {self.source_sha256 or 'unknown'}"


def hints_text(hints: tuple[Hint, ...]) -> str:
    """Hints as `X,Y,#rrggbb`, separated by spaces."""
    return " ".join(f"{hint.x:.10g},{hint.y:.10g},{hint.color}" for hint in hints)
