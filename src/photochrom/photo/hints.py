"""Color hints: "this place has this color"."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from photochrom.errors import InputError, advice_on, brief, reason_of
from photochrom.photo.color import FloatArray, rgb_to_lab
from photochrom.settings import MAX_HINTS, is_number, plain

MARK_RADIUS = 1  # pixels of the small picture: a hint marks 3 x 3
REACH = 1 / 7  # of the picture's short side: how far a hint's correction reaches
REACH_LUMINANCE = 12.0  # L units: how far it reaches across differences in luminance
SAME_SHAPE = 0.01  # two pictures whose ratios of sides differ by less have one shape
MAX_POINTS = 10_000  # of one stroke or area
FORM = '{"x": 1, "y": 2, "color": "#rrggbb"}'  # of a hint in a file
HINT_NAMES = ("x", "y", "color", "radius", "stroke", "area", "time")  # in a file
STROKE_RADIUS = 2.0  # pixels of the photograph, where a stroke gives none


@dataclass(frozen=True)
class Hint:
    """The photograph has the color #rrggbb at pixel x (from the left), y (from the top).

    Without more, the hint reaches as far as its thing seems to. radius, in pixels: it colors this disc and nothing
    else. path: further points of a stroke that begins at x, y, as wide as the radius says. filled: the stroke is the
    outline of an area. Raises InputError.
    """

    x: float
    y: float
    color: str
    radius: float | None = None
    path: tuple[tuple[float, float], ...] = ()
    filled: bool = False

    def __post_init__(self) -> None:
        numbers = [self.x, self.y, *(() if self.radius is None else (self.radius,))]
        if not all(is_number(value) for value in numbers):
            raise InputError("a hint's place and radius are numbers of pixels, such as Hint(120, 80, '#2040c0')")
        for name in ("x", "y", "radius"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        object.__setattr__(self, "path", _checked_path(self.path))
        if not (isinstance(self.color, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", self.color)):
            raise InputError(f"a hint's color is written #rrggbb, not {brief(self.color)}")
        if self.radius is not None and not 0 < self.radius < math.inf:
            raise InputError(f"a hint's radius is a number of pixels above 0, not {self.radius:g}")
        if self.filled and len(self.path) < 2:
            raise InputError("the outline of a hint's area needs at least three points")

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The first point and those of the path."""
        return ((self.x, self.y), *self.path)

    @property
    def is_drawn(self) -> bool:
        """Whether the user has said how far the hint reaches."""
        return self.radius is not None or bool(self.path)

    @property
    def reach(self) -> float:
        """Half the width of what is drawn, in pixels."""
        return self.radius or STROKE_RADIUS

    @property
    def chroma(self) -> FloatArray:
        """The color's a and b, (2,). Its luminance is not used."""
        rgb = np.array([int(self.color[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
        return rgb_to_lab(rgb)[1:]

    def moved_to(self, x: float, y: float) -> Hint:
        """The same hint with its first point at x, y."""
        path = tuple((u + x - self.x, v + y - self.y) for u, v in self.path)
        return replace(self, x=x, y=y, path=path)

    def scaled(self, x: float, y: float) -> Hint:
        """The same hint on the same photograph, x times as wide and y times as high."""
        radius = None if self.radius is None else self.radius * math.sqrt(x * y)
        path = tuple((u * x, v * y) for u, v in self.path)
        return replace(self, x=self.x * x, y=self.y * y, radius=radius, path=path)


def _checked_path(path: Any) -> tuple[tuple[float, float], ...]:
    """A path as numbers of Python, from a sequence or an array (n, 2) of points x, y. Raises InputError."""
    rows = path.tolist() if isinstance(path, np.ndarray) else path
    rows = rows if isinstance(rows, (list, tuple)) else (rows,)
    points = [row.tolist() if isinstance(row, np.ndarray) else row for row in rows]
    if not all(isinstance(point, (list, tuple)) and len(point) == 2 and all(map(is_number, point)) for point in points):
        raise InputError("a hint's path is a list of points x, y in pixels, such as [(130, 80), (140, 95)]")
    if len(points) >= MAX_POINTS:
        raise InputError(f"a hint has {len(points) + 1} points, more than the limit of {MAX_POINTS}")
    return tuple((plain(x), plain(y)) for x, y in points)


@dataclass(frozen=True)
class HintFile:
    """Hints, and the size (W, H) of the picture they were made on, if that is known.

    only_same_shape: they mean nothing for a picture whose sides have another ratio.
    """

    hints: tuple[Hint, ...]
    size: tuple[float, float] | None = None
    only_same_shape: bool = False

    def for_size(self, width: int, height: int) -> tuple[Hint, ...]:
        """The hints in pixels of a photograph of this size."""
        if self.size is None:
            return self.hints
        x, y = width / self.size[0], height / self.size[1]
        if self.only_same_shape and abs(x / y - 1) > SAME_SHAPE:
            return ()
        return tuple(hint.scaled(x, y) for hint in self.hints)


def check_hints(hints: Iterable[Hint]) -> tuple[Hint, ...]:
    """The same hints, of one photograph. Raises InputError for what isn't one, and for more than MAX_HINTS."""
    kept = tuple(hints) if isinstance(hints, Iterable) else (hints,)
    if not all(isinstance(hint, Hint) for hint in kept):
        raise InputError('hints are a list of hints such as photochrom.Hint(120, 80, "#2040c0")')
    check_count(len(kept), "a photograph")
    return kept


def check_count(count: int, whose: str) -> None:
    """Raises InputError for more hints than a photograph may have; `whose` is for the message."""
    if count > MAX_HINTS:
        raise InputError(f"{whose} has {count} hints, more than the limit of {MAX_HINTS}")


def check_places(hints: Iterable[Hint], width: int, height: int, name: str = "the photograph") -> None:
    """Raises InputError for a hint outside a photograph of this size and name."""
    for hint in hints:
        for x, y in hint.points:
            if not (0 <= x < width and 0 <= y < height):
                raise InputError(f"the hint at {x:g},{y:g} is outside {name}, {width} x {height} pixels")


def parse_hint(text: str) -> Hint:
    """Read "X,Y,#rrggbb" or "X,Y,#rrggbb,RADIUS". Raises InputError."""
    try:
        x, y, color, *radius = text.split(",")
        (reach,) = map(float, radius) if radius else (None,)
        return Hint(float(x), float(y), color.strip(), reach)
    except ValueError:
        raise InputError(f"a hint is written X,Y,#rrggbb or X,Y,#rrggbb,RADIUS, in pixels, not {brief(text)}") from None


def read_hints(path: Path) -> HintFile:
    """Read a hints file, as `parse_hint_file` takes it. Raises InputError."""
    return parse_hint_file(read_hint_text(path), str(path))


def read_hint_text(path: Path) -> str:
    """The text of a hints file. Raises InputError."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the hints file {path}: {reason_of(error)}") from error
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a hints file: it is not UTF-8 text, save it as UTF-8") from None


def parse_hint_file(text: str, name: str) -> HintFile:
    """Read JSON: {"size": [W, H], "hints": [{"x": 1, "y": 2, "color": "#rrggbb"}, ...]}; `name` is for messages.

    `size` is optional: the size of the picture that the hints were made on, so that they fit any other size of it. A
    hint may have a "radius"; instead of "x" and "y" it may have a "stroke", a list of points [x, y], or an "area",
    the points of its outline. "time" is for films. Raises InputError, also for names that mean nothing.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    given, size = (content.get("hints"), content.get("size")) if isinstance(content, dict) else (None, None)
    if not isinstance(given, list) or not (size is None or _is_pair(size)):
        raise InputError(f'{name} is not a hints file; its form is {{"size": [W, H], "hints": [{FORM}]}}')
    _check_names(content, ("size", "hints"), name)
    check_count(len(given), name)
    if size is not None and not all(0 < side < math.inf for side in size):
        raise InputError(f"{name} gives a size that no picture has: {float(size[0]):g} x {float(size[1]):g}")
    hints = tuple(_hint(values, f"{name}, hint {number}") for number, values in enumerate(given, 1))
    return HintFile(hints, None if size is None else (float(size[0]), float(size[1])))


def _hint(values: Any, name: str) -> Hint:
    """A hint from the JSON of a hints file; `name` is for messages. Raises InputError."""
    try:
        return _read_hint(values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _read_hint(values: Any) -> Hint:
    if not isinstance(values, dict):
        raise InputError(f"this is not a hint; its form is {FORM}")
    _check_names(values, HINT_NAMES, "it")
    outline, line = values.get("area"), values.get("stroke")
    points = [[values.get("x"), values.get("y")]] if line is None else line
    points = points if outline is None else outline
    if not isinstance(points, list) or not points or not all(map(_is_pair, points)):
        raise InputError(f'this is not a hint; its form is {FORM}, or "stroke" or "area" with points [[1, 2], [3, 4]]')
    if len({"x", "stroke", "area"}.intersection(values)) > 1:
        raise InputError('it has two places: write "x" and "y", or a "stroke", or an "area"')
    (x, y), *path = ((float(x), float(y)) for x, y in points)
    color: Any = values.get("color")
    radius: Any = values.get("radius")
    radius = float(radius) if is_number(radius) else radius  # what is none Hint refuses
    return Hint(x, y, color, radius, tuple(path), outline is not None)


def _check_names(values: dict[str, Any], known: Sequence[str], whose: str) -> None:
    """Raises InputError for a name that isn't known: a misspelled radius would be none."""
    for name in values:
        if name not in known:
            raise InputError(f"{whose} has {brief(name)}, which means nothing: {advice_on(name, known, 'names')}")


def _is_pair(value: Any) -> bool:
    """Whether a value of JSON is a list of two numbers."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def rasterize(hints: tuple[Hint, ...], size: tuple[int, int], small: tuple[int, int]) -> FloatArray:
    """Hints on a photograph of size (H, W) as the input of the generator, (3, h, w) at size `small`.

    Of a stroke or an area it marks the first point alone. Raises InputError for a hint outside the photograph.
    """
    raster = np.zeros((3, *small), np.float32)
    for hint, (row, column) in zip(hints, places(hints, size, small), strict=True):
        top, left = max(0, row - MARK_RADIUS), max(0, column - MARK_RADIUS)
        mark = raster[:, top : row + MARK_RADIUS + 1, left : column + MARK_RADIUS + 1]
        mark[:2] = hint.chroma[:, None, None]
        mark[2] = 1
    return raster


def places(hints: tuple[Hint, ...], size: tuple[int, int], small: tuple[int, int]) -> list[tuple[int, int]]:
    """The (row, column) in the small picture of each hint. Raises InputError for one outside."""
    check_places(hints, size[1], size[0])
    return [(int(hint.y * small[0] / size[0]), int(hint.x * small[1] / size[1])) for hint in hints]


def correct_chroma(
    chroma: FloatArray, luminance: FloatArray, hints: tuple[Hint, ...], size: tuple[int, int]
) -> FloatArray:
    """Correct chroma (2, h, w) so that it has the hints' colors at their places.

    The network follows hints, but not exactly. The difference that remains at a hint is added around it, less and
    less with distance in the picture and in luminance (h, w), so that it doesn't cross edges.
    """
    if not hints:
        return chroma
    total = np.zeros_like(chroma)
    weight_sum = np.zeros_like(luminance)
    for hint, place in zip(hints, places(hints, size, luminance.shape), strict=True):
        row, column = place
        weight = nearness(luminance, place)
        total += weight * (hint.chroma - chroma[:, row, column])[:, None, None]
        weight_sum += weight
    return chroma + total / np.maximum(weight_sum, 1)


def nearness(luminance: FloatArray, place: tuple[int, int]) -> FloatArray:
    """1 at a place (row, column), and less and less with distance in the picture and in luminance (h, w)."""
    row, column = place
    rows, columns = np.ogrid[: luminance.shape[0], : luminance.shape[1]]
    near = ((rows - row) ** 2 + (columns - column) ** 2).astype(np.float32) / (REACH * min(luminance.shape)) ** 2
    alike = (luminance - luminance[row, column]) ** 2 / REACH_LUMINANCE**2
    return np.exp(-(near + alike) / 2)
