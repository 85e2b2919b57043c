"""Hints that follow what they were put on through a shot: points tracked by optical flow (Lucas-Kanade, OpenCV).

Points are tracked forward while the film is colored. Where a run begins before a hint's own frame, the shot is
first walked backward from there, a few frames at a time, and only the positions are kept. So memory does not grow with
the shot but for those positions, 24 bytes per hint and frame.
"""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import luminance_of
from photochrom.photo.hints import Hint, parse_hint_file, read_hint_text
from photochrom.photo.resize import resize
from photochrom.video.film import Film, Frame, read_frames, read_ticks

SIDE = 480  # pixels: the short side of the pictures that points are tracked in
LOST = 1.5  # pixels: a point that does not come back to where it was when tracked backward is lost
CHUNK = 128  # frames that are held at a time while a shot is walked backward
NEARBY = 2.0  # seconds: where a hint's own frame is first looked for


Place = tuple[float, float]  # x, y in pixels


@dataclass(frozen=True)
class FilmHint:
    """At a time (seconds) of the film, pixel x, y is this color; it holds for the shot."""

    time: float
    hint: Hint


def read_film_hints(path: Path, size: tuple[int, int]) -> tuple[FilmHint, ...]:
    """Read {"size": [W, H], "hints": [{"time": 1.5, "x": 1, "y": 2, "color": "#rrggbb"}]}; size may be missing.

    size: width and height of the film. Raises InputError.
    """
    text = read_hint_text(path)
    hints = parse_hint_file(text, str(path)).for_size(*size)
    times = [each.get("time") for each in json.loads(text)["hints"]]
    if not all(isinstance(time, (int, float)) and math.isfinite(time) and time >= 0 for time in times):
        raise InputError(f'{path} is for a photograph: every hint of a film needs its "time" in seconds')
    return tuple(FilmHint(time, hint) for time, hint in zip(times, hints, strict=True))


def shot_at(shots: list[int], tick: int) -> int:
    """The number of the shot that a tick is in; shots: the first tick of each."""
    return max(0, bisect_right(shots, tick) - 1)


def with_hints(
    film: Film, frames: Iterator[Frame], shots: list[int], given: tuple[FilmHint, ...]
) -> Iterator[tuple[Frame, tuple[Hint, ...]]]:
    """Frames, in order but from anywhere in the film, each with the hints that hold for it. Raises InputError."""
    number, tracks = -1, None
    for frame in frames:
        if shot_at(shots, frame.pts) != number:
            number = shot_at(shots, frame.pts)
            members = [each for each in given if shot_at(shots, film.pts_at(each.time)) == number]
            last = shots[number + 1] if number + 1 < len(shots) else None
            tracks = ShotTracks(film, shots[number], last, members, frame.pts) if members else None
        yield frame, tracks.follow(frame) if tracks else ()


class ShotTracks:
    """Where the hints of one shot are, frame by frame."""

    def __init__(self, film: Film, first: int, last: int | None, given: list[FilmHint], start: int):
        """first, last: the shot's ticks, last excluded. start: the tick of the frame that will be asked for first."""
        anchors = [nearest_tick(film, first, last, each.time) for each in given]
        self.points = Points(film.size, [each.hint for each in given], anchors)
        self.earlier = walk_backward(film, self.points.hints, anchors, start)
        if min(anchors) < start:
            for frame in read_frames(film, min(anchors), start):
                self._track(frame)

    def follow(self, frame: Frame) -> tuple[Hint, ...]:
        """The hints of the next frame."""
        self._track(frame)
        found = self.points.found()
        for number, earlier in enumerate(self.earlier):
            if earlier.ticks and earlier.ticks[-1] == frame.pts:
                found[number] = earlier.pop()
        hints = zip(self.points.hints, found, strict=True)
        return tuple(hint.moved_to(*place) for hint, place in hints if place is not None)

    def _track(self, frame: Frame) -> None:
        if self.points.are_on(frame.pts):
            self.points.move(small_gray(frame.pixels), frame.pts)


class Points:
    """Points that are tracked from picture to picture, each from the picture on that its hint was given on."""

    def __init__(self, size: tuple[int, int], hints: list[Hint], anchors: list[int]):
        """size: width and height of the film. anchors: the ticks of the frames that the hints were given on."""
        self.hints, self.anchors = hints, anchors
        self._size = size
        self._scale = _small_shape(*size)[0] / size[0]
        self._places: list[Place | None] = [None] * len(hints)  # in pixels of the small pictures
        self._picture: np.ndarray | None = None
        self._tick = -1

    def are_on(self, tick: int) -> bool:
        """Whether any point is on its way, or begins at a tick."""
        return tick in self.anchors or any(place is not None for place in self._places)

    def move(self, picture: np.ndarray, tick: int) -> None:
        """Track the points to the next picture, and let those begin that were given on it."""
        for number, (hint, anchor, place) in enumerate(zip(self.hints, self.anchors, self._places, strict=True)):
            if anchor == tick:
                self._places[number] = (hint.x * self._scale, hint.y * self._scale)
            elif place is not None and self._picture is not None:
                moved = _next_place(self._picture, picture, *place)
                self._places[number] = moved if moved and self._is_inside(*moved) else None
        self._picture, self._tick = picture, tick

    def found(self) -> list[Place | None]:
        """Where every point is in the last picture, in pixels of the film; None for one that is not there."""
        found: list[Place | None] = []
        for hint, anchor, place in zip(self.hints, self.anchors, self._places, strict=True):
            if place is None:
                found.append(None)
            else:
                is_given = anchor == self._tick
                found.append((hint.x, hint.y) if is_given else (place[0] / self._scale, place[1] / self._scale))
        return found

    def _is_inside(self, x: float, y: float) -> bool:
        return 0 <= x / self._scale < self._size[0] and 0 <= y / self._scale < self._size[1]


@dataclass
class Earlier:
    """Where a hint was in the frames before its own, the latest first: ticks, and places in pixels of the film."""

    ticks: array[int] = field(default_factory=lambda: array("q"))
    xs: array[float] = field(default_factory=lambda: array("d"))
    ys: array[float] = field(default_factory=lambda: array("d"))

    def append(self, tick: int, x: float, y: float) -> None:
        """Add a frame before the others."""
        self.ticks.append(tick)
        self.xs.append(x)
        self.ys.append(y)

    def pop(self) -> Place:
        """Take out the place in the earliest frame."""
        self.ticks.pop()
        return self.xs.pop(), self.ys.pop()


def walk_backward(film: Film, hints: list[Hint], anchors: list[int], start: int) -> list[Earlier]:
    """Where hints were from the tick `start` on until the frames they were given on, at the ticks `anchors`."""
    earlier = [Earlier() for _ in hints]
    points = Points(film.size, hints, anchors)
    for tick, picture in read_backward(film, start, max(anchors) + 1):
        points.move(picture, tick)
        for anchor, places, place in zip(anchors, earlier, points.found(), strict=True):
            if place is not None and tick < anchor:
                places.append(tick, *place)
        if not points.are_on(tick) and not any(start <= anchor < tick for anchor in anchors):
            break
    return earlier


def read_backward(film: Film, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """The ticks and small pictures of the frames with first <= pts < last, the last one first."""
    span = max(1, round(CHUNK / film.rate / film.time_base))
    while last > first:
        begin = max(first, last - span)
        frames = ((frame.pts, small_gray(frame.pixels)) for frame in read_frames(film, begin, last))
        chunk = deque(frames, maxlen=CHUNK)  # more frames than that in the span are read again with the next chunk
        last = chunk[0][0] if len(chunk) == CHUNK else begin
        while chunk:
            yield chunk.pop()


def nearest_tick(film: Film, first: int, last: int | None, seconds: float) -> int:
    """The tick of the frame nearest to a time, of those with first <= pts < last."""
    wanted = film.pts_at(seconds)
    window = round(NEARBY / film.time_base)
    while True:
        begin = max(first, wanted - window)
        nearest = _nearest(read_ticks(film, begin, last), wanted)
        if begin == first or (nearest is not None and abs(nearest - wanted) <= window):
            return first if nearest is None else nearest
        window *= 8


def _nearest(ticks: Iterator[int], wanted: int) -> int | None:
    nearest = None
    for tick in ticks:
        if nearest is None or abs(tick - wanted) < abs(nearest - wanted):
            nearest = tick
        if tick >= wanted:
            break
    return nearest


def small_gray(pixels: np.ndarray) -> np.ndarray:
    """A frame's luminance as uint8, its short side SIDE pixels at most."""
    luminance = luminance_of(pixels)
    width, height = _small_shape(luminance.shape[1], luminance.shape[0])
    return np.rint(resize(luminance, height, width) * 2.55).astype(np.uint8)


def _small_shape(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, SIDE / min(width, height))
    return round(width * scale), round(height * scale)


def _next_place(one: np.ndarray, other: np.ndarray, x: float, y: float) -> Place | None:
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
