"""What the network sees of a small picture: a view somewhat smaller, and one somewhat larger and mirrored.

A photograph, its mirror image and the same a little smaller have the same colors, so the mean of what the network says
of several is the better guess (Krizhevsky et al. 2012, section 4.1). In the smaller one it sees more of each thing at
once and leaves less gray; in the larger one it sees more detail. A grainy photograph is seen smaller in both, because
that averages the grain and leaves the things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from photochrom.photo.color import FloatArray
from photochrom.photo.freshening import grain_of
from photochrom.photo.resize import resize, resize_matrix
from photochrom.photo.upsampling import enlarge_along_edges


@dataclass(frozen=True)
class View:
    """scale: how much larger than the small picture its sides are, about. mirrored: whether left and right change."""

    scale: float
    mirrored: bool

    def shape(self, small: tuple[int, int], multiple: int) -> tuple[int, int]:
        """The (H, W) of this view of a small picture (h, w): the nearest multiples of what the network demands."""
        tall, wide = (multiple * max(1, round(side * self.scale / multiple)) for side in small)
        return tall, wide

    def of(self, luminances: list[FloatArray], shape: tuple[int, int]) -> FloatArray:
        """This view (N, 1, H, W) of luminances (h, w) of one shape."""
        return self.turned(resize(np.stack(luminances)[:, None], *shape))

    def turned(self, planes: FloatArray) -> FloatArray:
        """Planes (..., W) of a picture as this view's, or this view's as the picture's."""
        return np.ascontiguousarray(planes[..., ::-1]) if self.mirrored else planes


VIEWS = (View(7 / 8, mirrored=False), View(9 / 8, mirrored=True))
GRAINY = 2.5  # L units of noise in the small picture: with more of it, smaller views are better
GRAINY_VIEWS = (View(3 / 4, mirrored=False), View(1, mirrored=True))
FRAME_VIEWS = (View(1, mirrored=False), View(1, mirrored=True))  # of a film, whose frames are seen in one of them
HINT_VIEW = View(1, mirrored=False)  # in which a hint's effect is told from what is predicted without it


def views_of(luminance: FloatArray) -> tuple[View, ...]:
    """What the network sees of a small picture's luminance (h, w)."""
    return GRAINY_VIEWS if grain_of(luminance) > GRAINY else VIEWS


class Seen(NamedTuple):
    """What the network predicts in a view of a shape (height, width): chroma (2, h, w), a whole fraction of that."""

    chroma: FloatArray
    shape: tuple[int, int]


def join_views(seen: Sequence[Seen], luminance: FloatArray) -> FloatArray:
    """The mean of what is seen in several views, as chroma (2, H, W) over the small picture's luminance (H, W)."""
    stride = seen[0].shape[0] // seen[0].chroma.shape[1]  # pixels for each pixel of chroma: of a view, and of the mean
    height, width = luminance.shape
    rows, columns = -(-height // stride), -(-width // stride)
    down, across = rows * stride, columns * stride
    mean = np.zeros((2, rows, columns), np.float32)
    for chroma, _ in seen:
        vertical = resize_matrix(chroma.shape[1], rows, chroma.shape[1] * stride / height)
        horizontal = resize_matrix(chroma.shape[2], columns, chroma.shape[2] * stride / width)
        mean += vertical @ chroma @ horizontal.T / len(seen)
    padded = np.pad(luminance, ((0, down - height), (0, across - width)), "edge")
    return enlarge_along_edges(mean, padded)[:, :height, :width]
