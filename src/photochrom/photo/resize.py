"""Resizing planes of float32 numbers, as products of small matrices: exact, and fast enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from photochrom.photo.color import FloatArray

TOGETHER = 32  # outputs whose weights are one small matrix


def resize_matrix(inputs: int, outputs: int, scale: float | None = None) -> FloatArray:
    """The (outputs, inputs) matrix of an antialiased bilinear resize of one axis.

    The filter is the same as in training, PyTorch's `interpolate(mode="bilinear", antialias=True)`: a triangle as wide
    as the larger of the two pixel sizes. The rows of the matrix sum to 1. scale: the size of an output in inputs, if it
    isn't inputs / outputs because the last output reaches beyond the inputs' end.
    """
    matrix = np.zeros((outputs, inputs), np.float32)
    for some, needed, weights in _weights(inputs, outputs, inputs / outputs if scale is None else scale):
        matrix[some, needed] = weights
    return matrix


def resize(planes: FloatArray, height: int, width: int) -> FloatArray:
    """Resize (..., H, W) to (..., height, width)."""
    return resize_columns(resize_matrix(planes.shape[-2], height) @ planes, width)


def resize_columns(planes: FloatArray, width: int) -> FloatArray:
    """Resize (..., H, W) to (..., H, width)."""
    parts = [
        planes[..., needed] @ weights.T
        for _, needed, weights in _weights(planes.shape[-1], width, planes.shape[-1] / width)
    ]
    return np.concatenate(parts, axis=-1)


def _weights(inputs: int, outputs: int, scale: float) -> Iterator[tuple[slice, slice, FloatArray]]:
    """The matrix in parts that are not zero: which outputs, which inputs they need, and their weights."""
    support = max(1.0, scale)
    for first in range(0, outputs, TOGETHER):
        some = np.arange(first, min(first + TOGETHER, outputs))
        centers = (some + 0.5) * scale
        needed = np.arange(max(0, int(centers[0] - support)), min(inputs, int(centers[-1] + support) + 1))
        distance = np.abs(needed + 0.5 - centers[:, None]) / support
        weights = np.clip(1 - distance, 0, None)
        weights /= weights.sum(axis=1, keepdims=True)
        yield slice(first, some[-1] + 1), slice(needed[0], needed[-1] + 1), weights.astype(np.float32)
