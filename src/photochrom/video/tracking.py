"""Hints that follow what they were put on through a shot: points tracked by optical flow (Lucas-Kanade, OpenCV)."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import luminance_of
from photochrom.photo.hints import Hint, read_hints
from photochrom.photo.resize import resize
from photochrom.video.film import Film, read_frames

SIDE = 480  # pixels: the short side of the pictures that points are tracked in
LOST = 1.5  # pixels: a point that does not come back to where it was when tracked backward is lost


@dataclass(frozen=True)
class FilmHint:
    """At a time (seconds) of the film, pixel x, y is this color; it holds for the shot."""

    time: float
    hint: Hint


def read_film_hints(path: Path, film: Film) -> tuple[FilmHint, ...]:
    """Read {"size": [W, H], "hints": [{"time": 1.5, "x": 1, "y": 2, "color": "#rrggbb"}]}; size may be missing.

    Raises InputError.
    """
    hints = read_hints(path)
    times = [each.get("time") for each in json.loads(path.read_text("utf-8"))["hints"]]
    if not all(isinstance(time, (int, float)) and time >= 0 for time in times):
        raise InputError(f'{path} is for a photograph: every hint of a film needs its "time" in seconds')
    return tuple(FilmHint(time, hint) for time, hint in zip(times, hints.for_size(*film.size), strict=True))


def track(film: Film, shots: list[int], hints: tuple[FilmHint, ...]) -> dict[int, tuple[Hint, ...]]:
    """The hints of every frame, by its tick, of the shots that have any. Raises InputError."""
    found: dict[int, tuple[Hint, ...]] = {}
    by_shot: dict[int, list[FilmHint]] = {}
    for given in hints:
        by_shot.setdefault(max(0, bisect_right(shots, film.pts_at(given.time)) - 1), []).append(given)
    for number, members in by_shot.items():
        last = shots[number + 1] if number + 1 < len(shots) else None
        pictures, ticks = [], []
        for frame in read_frames(film, shots[number], last):
            pictures.append(small_gray(frame.pixels))
            ticks.append(frame.pts)
        for member in members:
            for tick, hint in _follow(film, member, pictures, ticks):
                found[tick] = (*found.get(tick, ()), hint)
    return found


def small_gray(pixels: np.ndarray) -> np.ndarray:
    """A frame's luminance as uint8, its short side SIDE pixels at most."""
    luminance = luminance_of(pixels)
    scale = min(1.0, SIDE / min(luminance.shape))
    height, width = (round(side * scale) for side in luminance.shape)
    return np.rint(resize(luminance, height, width) * 2.55).astype(np.uint8)


def _follow(film: Film, given: FilmHint, pictures: list[np.ndarray], ticks: list[int]) -> list[tuple[int, Hint]]:
    """The hint of every frame in which its point is found, backward and forward from the one it was given on."""
    width, height = film.size
    scale = pictures[0].shape[1] / width
    begin = min(range(len(ticks)), key=lambda i: abs(ticks[i] - film.pts_at(given.time)))
    found = [(ticks[begin], given.hint)]
    for step in (-1, 1):
        x, y = given.hint.x * scale, given.hint.y * scale
        here = begin
        while 0 <= here + step < len(pictures):
            place = _next_place(pictures[here], pictures[here + step], x, y)
            if place is None:
                break
            x, y = place
            here += step
            hint = Hint(x / scale, y / scale, given.hint.color)
            if not (0 <= hint.x < width and 0 <= hint.y < height):
                break
            found.append((ticks[here], hint))
    return found


def _next_place(one: np.ndarray, other: np.ndarray, x: float, y: float) -> tuple[float, float] | None:
    """Where a point of one picture is in another, or None if it is lost."""
    start = np.array([[[x, y]]], np.float32)
    options = {"winSize": (25, 25), "maxLevel": 4}
    there, found, _ = cv2.calcOpticalFlowPyrLK(one, other, start, None, **options)
    if not found[0, 0]:
        return None
    back, found, _ = cv2.calcOpticalFlowPyrLK(other, one, there, None, **options)
    if not found[0, 0] or np.hypot(*(back - start)[0, 0]) > LOST:
        return None
    return float(there[0, 0, 0]), float(there[0, 0, 1])
