"""A session: one open photograph, what a person has decided about its colors, and how it looks now.

A Session never changes: each decision makes a new one, and undo goes back to an older Look.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from photochrom.coloring import Look
from photochrom.inference.colorizer import Coloring
from photochrom.photo.color import PixelArray
from photochrom.photo.decoding import read_photograph
from photochrom.photo.encoding import to_8_bits
from photochrom.photo.hints import Hint, HintFile
from photochrom.photo.joining import join
from photochrom.photo.photograph import Photograph
from photochrom.photo.vips import pyvips
from photochrom.service.service import Service

PREVIEW_SIDE = 1280  # pixels: the long side of what the page shows
SEEDS = (None, 1, 2, 3, 4, 5)  # of the colorings to choose from
NEARBY = 0.025  # of the short side: a click this near to a hint chooses the hint
GESTURE = 1.0  # seconds: if the strength or the warmth changes again within this time, both changes are one decision
ALIKE = 4.0  # ab units: of colors nearer to each other than this, only one is suggested
Place = tuple[float, float]  # x, y in the photograph's pixels


@dataclass(frozen=True)
class Session:
    """A photograph, its preview (h, w) or (h, w, 3) uint8, and the decisions about it.

    samples: the network's predictions without hints, one per seed of SEEDS. coloring: its prediction for the present
    look. history: the look after each decision. place: where a color is being chosen.
    """

    source: Path
    size: tuple[int, int]  # width, height of the photograph
    preview: PixelArray
    samples: tuple[Coloring, ...]
    coloring: Coloring
    history: tuple[Look, ...] = (Look(),)
    position: int = 0
    place: Place | None = None
    decided: float = -np.inf  # when, by the monotonic clock

    @property
    def look(self) -> Look:
        """The present decisions."""
        return self.history[self.position]

    @property
    def chosen(self) -> int | None:
        """The number of the hint at the place, if there is one."""
        places = [(hint.x, hint.y) for hint in self.look.hints]
        return places.index(self.place) if self.place in places else None

    @property
    def can_undo(self) -> bool:
        return self.position > 0

    @property
    def can_redo(self) -> bool:
        return self.position + 1 < len(self.history)

    def picture(self, service: Service) -> PixelArray:
        """The preview in its present colors."""
        return service.colorizer.apply(self.preview, self.coloring, self.look.strength, self.look.warmth)

    def to_preview(self, place: Place) -> Place:
        """Where a place is on the preview."""
        height, width = self.preview.shape[:2]
        return place[0] * width / self.size[0], place[1] * height / self.size[1]

    def from_preview(self, x: float, y: float) -> Place:
        """The place that a point of the preview shows."""
        height, width = self.preview.shape[:2]
        return (x + 0.5) * self.size[0] / width, (y + 0.5) * self.size[1] / height

    def colors_at(self, place: Place) -> list[str]:
        """The present color of a place as #rrggbb, then other colors that the samples have there."""
        found: list[Hint] = []
        for coloring in (self.coloring, *self.samples):
            hint = Hint(*place, self._color_at(coloring, place))
            if all(np.hypot(*(hint.chroma - other.chroma)) > ALIKE for other in found):
                found.append(hint)
        return [hint.color for hint in found]

    def point_at(self, place: Place) -> Session:
        """Choose a place, or the hint that is there already."""
        reach = NEARBY * min(self.size)
        near = [h for h in self.look.hints if np.hypot(h.x - place[0], h.y - place[1]) <= reach]
        nearest = min(near, key=lambda h: np.hypot(h.x - place[0], h.y - place[1]), default=None)
        return replace(self, place=(nearest.x, nearest.y) if nearest else place)

    def with_strength(self, strength: float) -> Session:
        """The same colors, stronger or weaker; the network need not run."""
        before = replace(self._before, strength=self.look.strength)
        return self._decide(replace(self.look, strength=strength), same_gesture=self.look == before)

    def with_warmth(self, warmth: float) -> Session:
        """The same colors, warmer or colder; the network need not run."""
        before = replace(self._before, warmth=self.look.warmth)
        return self._decide(replace(self.look, warmth=warmth), same_gesture=self.look == before)

    def with_seed(self, seed: int | None, service: Service) -> Session:
        """Another plausible coloring."""
        return self._decide(replace(self.look, seed=seed))._predicted(service)

    def with_color(self, color: str, service: Service, radius: float | None = None) -> Session:
        """A color at the chosen place: a new hint, or another color and radius for the one that is there."""
        if self.place is None:
            return self
        hint, hints = Hint(*self.place, color, radius), list(self.look.hints)
        if self.chosen is None:
            return self._decide(replace(self.look, hints=(*hints, hint)))._predicted(service)
        if hints[self.chosen] == hint:
            return self
        hints[self.chosen] = hint
        return self._decide(replace(self.look, hints=tuple(hints)))._predicted(service)

    def with_hint_moved(self, place: Place, service: Service) -> Session:
        """The chosen hint at another place."""
        if self.chosen is None:
            return self
        hints = list(self.look.hints)
        hints[self.chosen] = hints[self.chosen].moved_to(*place)
        return replace(self._decide(replace(self.look, hints=tuple(hints))), place=place)._predicted(service)

    def without_hint(self, service: Service) -> Session:
        """Without the chosen hint."""
        if self.chosen is None:
            return self
        hints = tuple(hint for number, hint in enumerate(self.look.hints) if number != self.chosen)
        return replace(self._decide(replace(self.look, hints=hints)), place=None)._predicted(service)

    def undone(self, service: Service) -> Session:
        """The session before the last decision."""
        return self._at(self.position - 1, service) if self.can_undo else self

    def redone(self, service: Service) -> Session:
        """The session after the decision that was undone last."""
        return self._at(self.position + 1, service) if self.can_redo else self

    @property
    def _before(self) -> Look:
        return self.history[max(0, self.position - 1)]

    def _at(self, position: int, service: Service) -> Session:
        back = replace(self, position=position, place=None, decided=-np.inf)
        same = (back.look.seed, back.look.hints) == (self.look.seed, self.look.hints)
        return back if same else back._predicted(service)

    def _decide(self, look: Look, same_gesture: bool = False) -> Session:
        now = time.monotonic()
        if look == self.look:
            return self
        merged = same_gesture and self.can_undo and now - self.decided < GESTURE
        kept = self.history[: self.position + (0 if merged else 1)]
        return replace(self, history=(*kept, look), position=len(kept), decided=now)

    def _predicted(self, service: Service) -> Session:
        look = self.look
        hints = HintFile(look.hints, self.size).for_size(self.preview.shape[1], self.preview.shape[0])
        return replace(self, coloring=service.batcher.predict_one(self.preview, look.seed, hints))

    def _color_at(self, coloring: Coloring, place: Place) -> str:
        height, width = coloring.luminance.shape
        row, column = int(place[1] * height / self.size[1]), int(place[0] * width / self.size[0])
        cell = (slice(row, row + 1), slice(column, column + 1))
        chroma = coloring.balanced(self.look.strength, self.look.warmth)[(slice(None), *cell)]
        rgb = join(coloring.luminance[cell], chroma)[0, 0]
        return "#" + "".join(f"{round(float(value) * 255):02x}" for value in rgb)


def open_session(source: Path, service: Service) -> Session:
    """Open a photograph in its likeliest colors. Raises InputError."""
    photograph = read_photograph(source, service.limits.pixels)
    height, width = photograph.pixels.shape[:2]
    preview = shrink(photograph, PREVIEW_SIDE)
    samples = tuple(service.batcher.predict_one(preview, seed) for seed in SEEDS)
    return Session(source, (width, height), preview, samples, samples[0])


def shrink(photograph: Photograph, side: int) -> PixelArray:
    """A photograph's pixels as uint8, with a long side of at most `side`."""
    pixels = photograph.pixels
    if pixels.dtype == np.uint16:
        pixels = to_8_bits(pixels)
    scale = side / max(pixels.shape[:2])
    return pixels if scale >= 1 else pyvips.Image.new_from_array(pixels).resize(scale).numpy()
