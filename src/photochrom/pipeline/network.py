"""The generator between its two neighbors: mirrored and padded input, and chroma enlarged along edges."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import onnx

from photochrom.photo.upsampling import CELL_LUMINANCE, CELL_REACH, FAR_WEIGHT
from photochrom.pipeline.builder import Value, concat, exp


@dataclass(frozen=True)
class Network:
    """An exported generator and what the pipeline must know of it.

    size_multiple: of its input's height and width. noise_channels: numbers in its noise. stride: pixels of the input
    for each pixel of its chroma.
    """

    model: onnx.ModelProto
    size_multiple: int
    noise_channels: int
    stride: int


def predict(network: Network, luminance: Value, raster: Value, noise: Value, told: Value) -> Value:
    """Chroma (1, 2, h, w) without hints or, if told (1, not 0), (2, 2, h, w): without and with hints.

    luminance (h, w), raster (3, h, w), noise (Z,). The mean of both predictions, for a picture and its mirror image.
    """
    height, width = luminance.length(0), luminance.length(1)
    multiple = network.size_multiple
    tall, wide = ((side + multiple - 1) // multiple * multiple for side in (height, width))
    padded = luminance.take(mirrored_places(height, tall), 0).take(mirrored_places(width, wide), 1)
    hints = raster.padded([0, 0, 0], [0, tall - height, wide - width], "constant")
    pictures = told + 1
    picture = padded.unsqueeze(0, 1)
    batch = concat([picture, picture[..., ::-1]] * 2, 0)  # (4, 1, H, W)
    rasters = concat([stack_of(hints * 0, 2), hints.unsqueeze(0), hints[..., ::-1].unsqueeze(0)], 0)
    inputs = {
        "luminance": batch[: 2 * pictures],
        "hints": rasters[: 2 * pictures],
        "noise": noise.unsqueeze(0).op("Expand", luminance.graph.vector([2 * pictures, network.noise_channels])),
    }
    chroma = luminance.graph.insert(network.model, "generator/", inputs)  # (2 or 4, 2, h / stride, w / stride)
    chroma = (chroma[::2] + chroma[1::2][..., ::-1]) / 2
    return enlarge_along_edges(chroma, padded, network.stride)[..., :height, :width]


def stack_of(planes: Value, count: int) -> Value:
    """The same planes several times along a new first axis."""
    return concat([planes.unsqueeze(0)] * count, 0)


def mirrored_places(length: Value, padded: Value) -> Value:
    """Where each of `padded` places takes its value from: behind the end, the axis goes back and forth."""
    places = length.graph.arange(padded) % (2 * length)
    return places.op("Min", 2 * length - 1 - places)


def enlarge_along_edges(chroma: Value, luminance: Value, factor: int) -> Value:
    """Enlarge chroma (N, 2, h, w) to the size of luminance (H, W): joint bilateral, as in `photo.upsampling`."""
    if factor == 1:
        return chroma
    rows, columns = chroma.length(2), chroma.length(3)
    fine = luminance.reshape(rows, factor, columns, factor)
    cells = fine.reduced("Mean", 1, 3).padded([1, 1], [1, 1])
    padded = chroma.padded([0, 0, 1, 1], [0, 0, 1, 1]).unsqueeze(3, 5)  # (N, 2, h + 2, 1, w + 2, 1)
    place = ((np.arange(factor) + 0.5) / factor - 0.5).astype(np.float32)
    total = weight_sum = None
    for dy, dx in product((-1, 0, 1), repeat=2):
        down, across = slice(1 + dy, rows + (1 + dy)), slice(1 + dx, columns + (1 + dx))
        near_y, near_x = (np.exp(-(((d - place) / CELL_REACH) ** 2) / 2) for d in (dy, dx))
        near = (near_y[:, None, None] * near_x).astype(np.float32)  # (factor, 1, factor)
        difference = (fine - cells[down, across].unsqueeze(1, 3)) / CELL_LUMINANCE
        weight = (exp(difference * difference * -0.5) + FAR_WEIGHT) * near
        part = weight * padded[:, :, down, :, across]
        total = part if total is None else total + part
        weight_sum = weight if weight_sum is None else weight_sum + weight
    assert total is not None and weight_sum is not None
    return (total / weight_sum).reshape(chroma.length(0), 2, luminance.length(0), luminance.length(1))
