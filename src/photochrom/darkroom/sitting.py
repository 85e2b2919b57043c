"""A sitting: one photograph on the table, what a person has decided about its colors, and how it looks now.

Everything is a value: each decision makes a new Sitting, so that undoing one is going back to an older Edit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyvips

from photochrom.inference.colorizer import Coloring
from photochrom.photo.color import PixelArray, join
from photochrom.photo.files import Photograph, read_photograph
from photochrom.photo.hints import Hint, HintFile
from photochrom.server.studio import Studio

PREVIEW_SIDE = 1280  # pixels: the long side of what the page shows
SEEDS = (None, 1, 2, 3, 4, 5)  # of the colorings to choose from
NEARBY = 0.025  # of the short side: a click this near a hint means the hint
GESTURE = 1.0  # seconds: changes of one thing that follow each other faster are one decision
ALIKE = 4.0  # ab units: colors nearer than this are not suggested twice
Place = tuple[float, float]  # x, y in the photograph's pixels


@dataclass(frozen=True)
class Edit:
    """What a person has decided: all it takes to make the picture again."""

    seed: int | None = None
    strength: float = 1.0
    hints: tuple[Hint, ...] = ()


@dataclass(frozen=True)
class Sitting:
    """A photograph, its preview (h, w) or (h, w, 3) uint8, and the decisions about it.

    samples: what the network says without hints, one a seed of SEEDS. coloring: what it says for the present
    edit. place: where a color is being chosen.
    """

    source: Path
    size: tuple[int, int]  # width, height of the photograph
    preview: PixelArray
    samples: tuple[Coloring, ...]
    coloring: Coloring
    history: tuple[Edit, ...] = (Edit(),)
    position: int = 0
    place: Place | None = None
    decided: float = -np.inf  # when, by the monotonic clock

    @property
    def edit(self) -> Edit:
        """The present decisions."""
        return self.history[self.position]

    @property
    def chosen(self) -> int | None:
        """The number of the hint at the place, if there is one."""
        places = [(hint.x, hint.y) for hint in self.edit.hints]
        return places.index(self.place) if self.place in places else None

    @property
    def can_undo(self) -> bool:
        return self.position > 0

    @property
    def can_redo(self) -> bool:
        return self.position + 1 < len(self.history)

    def picture(self, studio: Studio) -> PixelArray:
        """The preview in its present colors."""
        return studio.colorizer.apply(self.preview, self.coloring, self.edit.strength)

    def to_preview(self, place: Place) -> Place:
        """Where a place is on the preview."""
        height, width = self.preview.shape[:2]
        return place[0] * width / self.size[0], place[1] * height / self.size[1]

    def from_preview(self, x: float, y: float) -> Place:
        """The place that a point of the preview shows."""
        height, width = self.preview.shape[:2]
        return (x + 0.5) * self.size[0] / width, (y + 0.5) * self.size[1] / height

    def colors_at(self, place: Place) -> list[str]:
        """The present color of a place as #rrggbb, then others that the samples have there."""
        found: list[Hint] = []
        for coloring in (self.coloring, *self.samples):
            hint = Hint(*place, self._color_at(coloring, place))
            if all(np.hypot(*(hint.chroma - other.chroma)) > ALIKE for other in found):
                found.append(hint)
        return [hint.color for hint in found]

    def point_at(self, place: Place) -> Sitting:
        """Choose a place, or the hint that is there already."""
        reach = NEARBY * min(self.size)
        near = [h for h in self.edit.hints if np.hypot(h.x - place[0], h.y - place[1]) <= reach]
        nearest = min(near, key=lambda h: np.hypot(h.x - place[0], h.y - place[1]), default=None)
        return replace(self, place=(nearest.x, nearest.y) if nearest else place)

    def with_strength(self, strength: float) -> Sitting:
        """The same colors, more or less of them; needs no network."""
        edit = replace(self.edit, strength=strength)
        return self._decide(edit, same_gesture=replace(self.edit, strength=0) == replace(self._before, strength=0))

    def with_seed(self, seed: int | None, studio: Studio) -> Sitting:
        """Another plausible coloring."""
        return self._decide(replace(self.edit, seed=seed))._predicted(studio)

    def with_color(self, color: str, studio: Studio) -> Sitting:
        """A color at the chosen place: a new hint, or another color for the one that is there."""
        if self.place is None:
            return self
        hint, hints = Hint(*self.place, color), list(self.edit.hints)
        if self.chosen is None:
            return self._decide(replace(self.edit, hints=(*hints, hint)))._predicted(studio)
        if hints[self.chosen].color == color:
            return self
        hints[self.chosen] = hint
        return self._decide(replace(self.edit, hints=tuple(hints)))._predicted(studio)

    def with_hint_moved(self, place: Place, studio: Studio) -> Sitting:
        """The chosen hint at another place."""
        if self.chosen is None:
            return self
        hints = list(self.edit.hints)
        hints[self.chosen] = Hint(*place, hints[self.chosen].color)
        return replace(self._decide(replace(self.edit, hints=tuple(hints))), place=place)._predicted(studio)

    def without_hint(self, studio: Studio) -> Sitting:
        """Without the chosen hint."""
        if self.chosen is None:
            return self
        hints = tuple(hint for number, hint in enumerate(self.edit.hints) if number != self.chosen)
        return replace(self._decide(replace(self.edit, hints=hints)), place=None)._predicted(studio)

    def undone(self, studio: Studio) -> Sitting:
        """As before the last decision."""
        return self._at(self.position - 1, studio) if self.can_undo else self

    def redone(self, studio: Studio) -> Sitting:
        """As before it was undone."""
        return self._at(self.position + 1, studio) if self.can_redo else self

    @property
    def _before(self) -> Edit:
        return self.history[max(0, self.position - 1)]

    def _at(self, position: int, studio: Studio) -> Sitting:
        back = replace(self, position=position, place=None, decided=-np.inf)
        same = (back.edit.seed, back.edit.hints) == (self.edit.seed, self.edit.hints)
        return back if same else back._predicted(studio)

    def _decide(self, edit: Edit, same_gesture: bool = False) -> Sitting:
        now = time.monotonic()
        if edit == self.edit:
            return self
        merged = same_gesture and self.can_undo and now - self.decided < GESTURE
        kept = self.history[: self.position + (0 if merged else 1)]
        return replace(self, history=(*kept, edit), position=len(kept), decided=now)

    def _predicted(self, studio: Studio) -> Sitting:
        edit = self.edit
        hints = HintFile(edit.hints, self.size).for_size(self.preview.shape[1], self.preview.shape[0])
        return replace(self, coloring=studio.batcher.predict(self.preview, edit.seed, hints))

    def _color_at(self, coloring: Coloring, place: Place) -> str:
        height, width = coloring.luminance.shape
        row, column = int(place[1] * height / self.size[1]), int(place[0] * width / self.size[0])
        cell = (slice(row, row + 1), slice(column, column + 1))
        chroma = coloring.chroma[:, row, column, None, None] * np.float32(self.edit.strength)
        rgb = join(coloring.luminance[cell], chroma)[0, 0]
        return "#" + "".join(f"{round(float(value) * 255):02x}" for value in rgb)


def open_sitting(source: Path, studio: Studio) -> Sitting:
    """Put a photograph on the table, in its likeliest colors. Raises InputError."""
    photograph = read_photograph(source, studio.limits.pixels)
    height, width = photograph.pixels.shape[:2]
    preview = shrink(photograph, PREVIEW_SIDE)
    samples = tuple(studio.batcher.predict(preview, seed) for seed in SEEDS)
    return Sitting(source, (width, height), preview, samples, samples[0])


def shrink(photograph: Photograph, side: int) -> PixelArray:
    """A photograph's pixels as uint8, its long side at most this."""
    pixels = photograph.pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    scale = side / max(pixels.shape[:2])
    return pixels if scale >= 1 else pyvips.Image.new_from_array(pixels).resize(scale).numpy()
