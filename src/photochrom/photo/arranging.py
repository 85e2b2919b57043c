"""Photographs cut out of their surroundings, and put side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photochrom.photo.color import PixelArray
from photochrom.photo.metadata.resizing import resized
from photochrom.photo.photograph import Photograph
from photochrom.photo.print_border import Box, find_print


def crop_to_print(photograph: Photograph) -> tuple[Photograph, Box | None]:
    """The print that a photograph shows, and where it was; the whole photograph and None if none is found for sure.

    Every page is cropped by itself; the box is that of the first.
    """
    pages = tuple(crop_to_print(page)[0] for page in photograph.pages)
    box = find_print(photograph.pixels)
    if box is None:
        return replace(photograph, pages=pages), None
    part = np.s_[box.top : box.top + box.height, box.left : box.left + box.width]
    alpha = None if photograph.alpha is None else np.ascontiguousarray(photograph.alpha[part])
    metadata = resized(photograph.metadata, box.width, box.height, box.left, box.top)
    pixels = np.ascontiguousarray(photograph.pixels[part])
    return replace(photograph, pixels=pixels, alpha=alpha, metadata=metadata, pages=pages), box


def side_by_side(before: PixelArray, after: Photograph) -> Photograph:
    """One picture: before, (H, W) or (H, W, 3), to the left, and the photograph of the same size to the right."""
    left = before if before.ndim == 3 else np.repeat(before[..., None], 3, axis=2)
    pixels = np.concatenate([left, after.pixels], axis=1)
    alpha = None if after.alpha is None else np.concatenate([after.alpha, after.alpha], axis=1)
    metadata = resized(after.metadata, pixels.shape[1], pixels.shape[0])
    return replace(after, pixels=pixels, alpha=alpha, metadata=metadata)
