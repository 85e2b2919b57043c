"""Where a print lies on a desk or in a scanner: its edges, found from what surrounds it.

1. What surrounds the print is learned from the picture's own rim: the most common color of the rim's segments, as a
   smooth surface of the place (light falls off) with a spread (wood has grain). Pixels that fit join, and it is learned
   again.
2. What doesn't fit is the print, or lies beside it. Seen from each of the four sides, the straight line through most of
   the places where rows or columns enter it is the edge (a Hough transform for nearly upright lines, Duda & Hart 1972).
3. Only if each edge runs along most of its side, and hardly anything lies outside of the four, the print is found.

The result is the largest upright rectangle inside the four lines, so that a print that lies a little askew gets no
corners of the desk.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photochrom.photo.color import FloatArray, PixelArray, rgb_to_lab
from photochrom.photo.encoding import to_8_bits
from photochrom.photo.spool import let_go_meanwhile
from photochrom.photo.vips import pyvips

LONG_SIDE = 640  # pixels of the small picture in which edges are looked for
SMALLEST = 64  # pixels: in a smaller picture there is no room for a print and what surrounds it
RIM = 0.02  # of the small picture's short side: how wide the rim is
SEGMENTS = 12  # of each side of the rim
ALIKE = 14.0  # Lab units: segments of the rim that belong together
LEAST_SPREAD = (1.2, 0.8, 0.8)  # L, a, b: of an even background, which still has noise
FITS = 9.0  # squared distance in spreads, mean over 3 x 3 pixels: what fits the background
ROUNDS = 4  # of learning the background
SPECK = 1 / 1000  # of the picture: smaller things on the desk are no print
STEEPEST = 0.18  # pixels per pixel, about 10 degrees
SLOPES = np.linspace(-STEEPEST, STEEPEST, 145)
NEAR_LINE = 1.5  # pixels: a point this near belongs to the line
LEAST_ALONG = (0.4, 0.7)  # of a side's length: points on the line, at each side and in the mean of all
SIMILAR = 0.85  # of the most points: lines with so many are as good
LEAST_SIDE = 0.25  # of the picture's side: a smaller rectangle may be anything
LEAST_INSIDE = 0.35  # of the rectangle: what doesn't look like the background
MOST_OUTSIDE = 0.15  # of what is outside: what doesn't look like the background
LARGEST = 0.985  # of the picture: there is nothing to crop
MOST_ASKEW = 0.06  # pixels per pixel: what the directions of opposite edges may differ by (a camera held askew)
PAPER = 80.0  # L: the white border of a print is lighter
PAPER_MARGINS = (0.12, 1.8)  # of the short side, and largest over smallest: such margins are the print's own border
MARGIN = 2.0  # pixels of the small picture, cut off at each edge: the mean over 3 x 3 reaches one too far, one is mixed


class Box(NamedTuple):
    """A part of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def in_words(self) -> str:
        """Where it is."""
        return f"from {self.left},{self.top} to {self.left + self.width},{self.top + self.height}"


class Edge(NamedTuple):
    """A line x = slope * y + start, for an edge that runs down; along: which rows have a point on it."""

    slope: float
    start: float
    along: NDArray[np.bool_]


def find_print(pixels: PixelArray) -> Box | None:
    """The box of the print in a picture (H, W) or (H, W, 3), uint8 or uint16; None if no print is found for sure."""
    lab = _small_lab(pixels)
    height, width = lab.shape[:2]
    if min(height, width) < SMALLEST:
        return None
    stranger = _without_specks(~_background(lab))
    if not stranger.any():
        return None
    views = (stranger, stranger[:, ::-1], stranger.T, stranger.T[:, ::-1])
    left, right, top, bottom = (_edge(view) for view in views)
    rows, columns = np.mgrid[:height, :width]
    distances = (  # how far inside of each edge a pixel is
        columns - left.slope * rows - left.start,
        width - 1 - columns - right.slope * rows - right.start,
        rows - top.slope * columns - top.start,
        height - 1 - rows - bottom.slope * columns - bottom.start,
    )
    inside = np.minimum.reduce(distances)
    if not (_is_sure(inside, stranger, (left, right, top, bottom)) and _is_straight(left, right, top, bottom)):
        return None
    small = _upright_box(left, right, top, bottom, (height, width))
    if small is None or _is_own_border(lab, small, (left, right, top, bottom)):
        return None
    return _enlarged(small, pixels.shape[0] / height, pixels.shape[1] / width)


def _small_lab(pixels: PixelArray) -> FloatArray:
    image = pyvips.Image.new_from_array(pixels)
    let_go_meanwhile(image, pixels)
    scale = LONG_SIDE / max(pixels.shape[:2])
    small = (image.resize(scale, kernel="linear") if scale < 1 else image).numpy()
    rgb8 = to_8_bits(small) if small.dtype == np.uint16 else small
    rgb = rgb8.astype(np.float32) / 255
    return rgb_to_lab(rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2))


def _background(lab: FloatArray) -> NDArray[np.bool_]:
    """Which pixels (h, w) look like what surrounds the print."""
    height, width = lab.shape[:2]
    place = _surface_terms(height, width)
    fits = _common_rim(lab)
    for _ in range(ROUNDS):
        terms, colors = place[fits], lab[fits]
        step = max(1, len(terms) // 20_000)  # enough for a smooth surface
        weights = np.linalg.lstsq(terms[::step], colors[::step], rcond=None)[0]
        rest = lab - place @ weights
        spread = np.maximum(1.4826 * np.median(np.abs(rest[fits]), axis=0), LEAST_SPREAD)
        distance = ((rest / spread) ** 2).sum(axis=2)
        fits = _mean_of_neighbors(distance) < FITS
        if fits.sum() < 10:
            break
    return fits


def _surface_terms(height: int, width: int) -> FloatArray:
    """1, x and y for every pixel, (h, w, 3), with x and y in -1..1."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return np.stack([np.ones_like(x), x, y], axis=-1)


def _common_rim(lab: FloatArray) -> NDArray[np.bool_]:
    """The segments of the rim, (h, w), that have its most common color."""
    height, width = lab.shape[:2]
    deep = max(2, round(RIM * min(height, width)))
    down, across = (np.linspace(0, n, SEGMENTS + 1).astype(int) for n in (height, width))
    segments = [np.s_[low:high, side] for low, high in pairwise(down) for side in _ends(deep)] + [
        np.s_[side, low:high] for low, high in pairwise(across) for side in _ends(deep)
    ]
    colors = np.array([np.median(lab[segment].reshape(-1, 3), axis=0) for segment in segments])
    apart = np.linalg.norm(colors[:, None] - colors, axis=2)
    common = np.exp(-((apart / ALIKE) ** 2)).sum(axis=1).argmax()
    rim = np.zeros((height, width), bool)
    for segment, distance in zip(segments, apart[common], strict=True):
        rim[segment] = rim[segment] | (distance < ALIKE)
    return rim


def _ends(deep: int) -> tuple[slice, slice]:
    return slice(None, deep), slice(-deep, None)


def _mean_of_neighbors(plane: FloatArray) -> FloatArray:
    padded = np.pad(plane, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without connected parts that are small."""
    labels = pyvips.Image.new_from_array(mask.astype(np.uint8)).labelregions().numpy()
    sizes = np.bincount(labels.ravel())
    return mask & (sizes >= SPECK * mask.size)[labels]


def _edge(mask: NDArray[np.bool_]) -> Edge:
    """The straight line through most of the places where rows enter a mask from the left; of similar ones, the first.

    If more rows begin inside of it, the print begins at the picture's own edge.
    """
    rows, columns = np.nonzero(mask[:, 1:] & ~mask[:, :-1])
    columns += 1
    at_picture_edge = Edge(0.0, 0.0, mask[:, 0])
    if not len(rows):
        return at_picture_edge
    lines = []
    for slope in SLOPES:
        starts = columns - slope * rows
        low = starts.min()
        votes = np.convolve(np.bincount(np.rint(starts - low).astype(int)), (1, 2, 1), mode="same")
        first = int(np.argmax(votes >= SIMILAR * votes.max()))
        first += int(votes[first : first + 3].argmax())
        lines.append((int(votes.max()), int(votes[first]), float(slope), float(low + first)))
    most = max(lines)[0]
    _, _, slope, start = max((line for line in lines if line[0] >= SIMILAR * most), key=lambda line: line[1])
    near = np.abs(columns - slope * rows - start) <= NEAR_LINE
    along = np.zeros(mask.shape[0], bool)
    along[rows[near]] = True
    return at_picture_edge if along.sum() <= mask[:, 0].sum() else Edge(slope, start, along)


def _is_sure(inside: FloatArray, stranger: NDArray[np.bool_], edges: tuple[Edge, ...]) -> bool:
    """Whether the edges run along a rectangle that is unlike what is outside."""
    within = inside >= 0
    height, width = within.shape
    down, across = within.any(axis=1), within.any(axis=0)
    if (
        not within.any()
        or down.sum() < LEAST_SIDE * height
        or across.sum() < LEAST_SIDE * width
        or within.mean() > LARGEST
    ):
        return False
    along = [edge.along[span].mean() for edge, span in zip(edges, (down, down, across, across), strict=True)]
    if min(along) < LEAST_ALONG[0] or np.mean(along) < LEAST_ALONG[1]:
        return False
    outside = inside < -2
    return bool(stranger[within].mean() >= LEAST_INSIDE and stranger[outside].sum() <= MOST_OUTSIDE * outside.sum())


def _is_straight(left: Edge, right: Edge, top: Edge, bottom: Edge) -> bool:
    """Whether the edges are about parallel and at right angles. Those of the right and of the bottom are mirrored."""
    return (
        abs(left.slope + right.slope) <= MOST_ASKEW
        and abs(top.slope + bottom.slope) <= MOST_ASKEW
        and abs((left.slope - right.slope) + (top.slope - bottom.slope)) / 2 <= MOST_ASKEW
    )


def _upright_box(
    left: Edge, right: Edge, top: Edge, bottom: Edge, size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """x0, y0, x1, y1 of the rectangle inside the edges, in pixels of the small picture."""
    height, width = size
    x0, y0, x1, y1 = 0.0, 0.0, float(width), float(height)
    for _ in range(3):  # how far each edge comes in depends on where the others end
        x0, x1, y0, y1 = (
            max(left.start + left.slope * y0, left.start + left.slope * y1),
            width - max(right.start + right.slope * y0, right.start + right.slope * y1),
            max(top.start + top.slope * x0, top.start + top.slope * x1),
            height - max(bottom.start + bottom.slope * x0, bottom.start + bottom.slope * x1),
        )
    x0, y0 = (max(0.0, v + MARGIN if v > NEAR_LINE else 0.0) for v in (x0, y0))
    x1, y1 = (n if v > n - NEAR_LINE else v - MARGIN for v, n in ((x1, width), (y1, height)))
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None


def _is_own_border(lab: FloatArray, box: tuple[float, float, float, float], edges: tuple[Edge, ...]) -> bool:
    """Whether what surrounds the box looks like the white border of the print itself: light, even and narrow."""
    height, width = lab.shape[:2]
    margins = (box[0], box[1], width - box[2], height - box[3])
    narrow = max(margins) <= PAPER_MARGINS[0] * min(height, width)
    even = min(margins) > 0 and max(margins) <= PAPER_MARGINS[1] * min(margins)
    upright = all(abs(edge.slope) < 0.01 for edge in edges)
    rim = np.concatenate([lab[:2].reshape(-1, 3), lab[-2:].reshape(-1, 3)])
    return bool(narrow and even and upright and np.median(rim[:, 0]) > PAPER)


def _enlarged(box: tuple[float, float, float, float], down: float, across: float) -> Box:
    """A box of the small picture in pixels of the large one."""
    left, top = int(np.ceil(box[0] * across)), int(np.ceil(box[1] * down))
    return Box(left, top, int(box[2] * across) - left, int(box[3] * down) - top)
