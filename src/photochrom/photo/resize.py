"""Resizing planes of float32 numbers, as products of small matrices: exact, and fast enough."""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray

COLUMNS = 32  # that `resize_columns` makes at a time


def resize_matrix(inputs: int, outputs: int) -> FloatArray:
    """The (outputs, inputs) matrix of an antialiased bilinear resize of one axis.

    The filter is the same as in training, PyTorch's `interpolate(mode="bilinear", antialias=True)`: a triangle as wide
    as the larger of the two pixel sizes. The rows of the matrix sum to 1.
    """
    scale = inputs / outputs
    support = max(1.0, scale)
    centers = (np.arange(outputs) + 0.5) * scale
    distance = np.abs(np.arange(inputs) + 0.5 - centers[:, None]) / support
    weights = np.clip(1 - distance, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def resize_columns(planes: FloatArray, width: int) -> FloatArray:
    """Resize (..., H, W) to (..., H, width), a few columns at a time, because each needs only a part of the inputs."""
    matrix = resize_matrix(planes.shape[-1], width)
    parts = []
    for first in range(0, width, COLUMNS):
        few = matrix[first : first + COLUMNS]
        needed = np.flatnonzero(few.any(axis=0))
        inputs = slice(needed[0], needed[-1] + 1)
        parts.append(planes[..., inputs] @ few[:, inputs].T)
    return np.concatenate(parts, axis=-1)


def resize(planes: FloatArray, height: int, width: int) -> FloatArray:
    """Resize (..., H, W) to (..., height, width)."""
    rows = resize_matrix(planes.shape[-2], height)
    columns = resize_matrix(planes.shape[-1], width)
    return rows @ planes @ columns.T
