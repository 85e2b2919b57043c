"""Photographs cut out of their surroundings, and put side by side, some rows at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photochrom.photo.color import PixelArray
from photochrom.photo.metadata.resizing import resized
from photochrom.photo.photograph import Photograph
from photochrom.photo.print_border import Box, find_print
from photochrom.photo.spool import by_bands


def crop_to_print(photograph: Photograph) -> tuple[Photograph, Box | None]:
    """The print that a photograph shows, and where it was; the whole photograph and None if none is found for sure.

    Every page is cropped by itself; the box is that of the first.
    """
    pages = tuple(crop_to_print(page)[0] for page in photograph.pages)
    box = find_print(photograph.pixels)
    if box is None:
        return replace(photograph, pages=pages), None
    alpha = None if photograph.alpha is None else _cut(photograph.alpha, box)
    metadata = resized(photograph.metadata, box.width, box.height, box.left, box.top)
    pixels = _cut(photograph.pixels, box)
    return replace(photograph, pixels=pixels, alpha=alpha, metadata=metadata, pages=pages), box


def side_by_side(before: PixelArray, after: Photograph) -> Photograph:
    """One picture: before, (H, W) or (H, W, 3), to the left, and the photograph of the same size to the right."""
    pixels = _beside(before if before.ndim == 3 else before[..., None], after.pixels)
    alpha = None if after.alpha is None else _beside(after.alpha, after.alpha)
    metadata = resized(after.metadata, pixels.shape[1], pixels.shape[0])
    return replace(after, pixels=pixels, alpha=alpha, metadata=metadata)


def _cut(whole: PixelArray, box: Box) -> PixelArray:
    columns = slice(box.left, box.left + box.width)

    def rows_of(rows: slice) -> PixelArray:
        return whole[box.top : box.top + box.height][rows, columns]

    return by_bands(rows_of, (box.height, box.width, *whole.shape[2:]), whole.dtype, whole)


def _beside(left: PixelArray, right: PixelArray) -> PixelArray:
    """Both, the left one with as many channels as the right one has."""
    height, width, *channels = right.shape

    def rows_of(rows: slice) -> PixelArray:
        part = right[rows]
        return np.concatenate([np.broadcast_to(left[rows], part.shape), part], axis=1)

    return by_bands(rows_of, (height, 2 * width, *channels), right.dtype, left, right)
