"""What becomes of an output that is there already: one rule for photographs, archives and films.

- What the same settings made of the same source stays, and is not made again.
- What other settings made of it is made anew, if nobody has changed it since.
- What was changed since, was made of another source, or doesn't say how it was made, is left and named.
- Where this run's outputs wouldn't say it either (BMP, --no-mark), nothing can be compared: what is there stays.

A color version says in its mark how it was made; a record and an archive's manifest say it too. A newer bundled model
alone makes nothing anew: only who names a model gets another one's colors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Made:
    """What made a color version.

    source: what identifies its source's content, "" if that is not known. model: its name; model_sha256: of its file.
    settings: everything else that determines the output; two of them can be compared.
    """

    source: str
    model: str
    model_sha256: str
    settings: Any

    def has_source_of(self, other: Made) -> bool:
        """Whether both were made of the same, as far as that is known."""
        return self.source == other.source or "" in (self.source, other.source)

    def is_as(self, wanted: Made, any_model: bool = False) -> bool:
        """Whether it is what `wanted` would make. any_model: nobody named a model, so another version of it counts."""
        same_model = self.model_sha256 == wanted.model_sha256 or (any_model and self.model == wanted.model)
        return self.has_source_of(wanted) and same_model and self.settings == wanted.settings


class Fate(Enum):
    """What becomes of an output: the first stays unnoticed, the last three are left and named.

    Those that can't say how they were made stay, and are counted at the end. The values are the ends of sentences.
    """

    STAYS = "is what would be made"
    UNSAID = "can't say how it was made"
    REPLACED = "is made anew"
    CHANGED = "was made with other settings and changed since"
    OTHER = "was made of another file, or of this one before it was changed"
    UNKNOWN = "is there, and doesn't say how it was made"


LEFT = (Fate.CHANGED, Fate.OTHER, Fate.UNKNOWN)


def fate(
    there: Made | None,
    wanted: Made,
    is_unchanged: Callable[[], bool | None],
    *,
    any_model: bool = False,
    says: bool = True,
) -> Fate:
    """What becomes of an output that `there` made, None if that is not known, where `wanted` is asked for.

    is_unchanged: whether it is as it was written, None if that can't be known; asked only if it matters. says: whether
    this run's outputs say how they were made.
    """
    if there is None:
        return Fate.UNKNOWN if says else Fate.UNSAID
    if there.is_as(wanted, any_model):
        return Fate.STAYS
    if not there.has_source_of(wanted):
        return Fate.OTHER
    return Fate.REPLACED if is_unchanged() else Fate.CHANGED


def left_as_it_is(output: object, fate: Fate) -> str:
    """The sentence about an output that is left."""
    return f"{output} {fate.value}: it is left as it is (--overwrite replaces it)"
