"""The generator between its two neighbors: views of the small picture, and chroma enlarged along edges."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import onnx

from photochrom.inference.views import GRAINY, GRAINY_VIEWS, HINT_VIEW, VIEWS
from photochrom.photo.upsampling import CELL_LUMINANCE, CELL_REACH, FAR_WEIGHT
from photochrom.pipeline.builder import Value, concat, exp, maximum, where
from photochrom.pipeline.freshening import grain_of
from photochrom.pipeline.hints import plane_of, rasterize, read_hints
from photochrom.pipeline.small import resize_matrix


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


def predict(
    network: Network, luminance: Value, table: Value, size: tuple[Value, Value], noise: Value, told: Value
) -> Value:
    """Chroma (1, 2, h, w) without hints or, if told (1, not 0), (2, 2, h, w): without and with hints.

    luminance (h, w), a table of hints (P, 7) on a photograph of size (H, W), noise (Z,). Without hints it is the mean
    of all views; hints add what they change in a view of their own. The network runs in a loop, so that its weights are
    there once.
    """
    graph, stride = luminance.graph, network.stride
    height, width = luminance.length(0), luminance.length(1)
    rows, columns = ((side + (stride - 1)) // stride for side in (height, width))
    of_hints = (HINT_VIEW, HINT_VIEW)  # first without them, then with them
    usual, grainy = (
        graph.constant(np.array([view.scale for view in (*views, *of_hints)])) for views in (VIEWS, GRAINY_VIEWS)
    )
    scales = where(grain_of(luminance) > GRAINY, grainy, usual)
    mirrored = graph.constant(np.array([view.mirrored for view in (*VIEWS, *of_hints)]))
    hinted = graph.constant(np.array([0] * len(VIEWS) + [0, 1], np.float32))

    def look(number: Value) -> list[Value]:
        scale, turns = scales.take(number), mirrored.take(number)
        tall, wide = (view_length(side, scale, network.size_multiple) for side in (height, width))
        seen = resized(luminance.unsqueeze(0), (tall, ratio(height, tall)), (wide, ratio(width, wide)))
        raster = rasterize(read_hints(table, size, (tall, wide)), plane_of(tall, wide)) * hinted.take(number)
        inputs = {
            "luminance": turned(seen, turns).unsqueeze(0),
            "hints": turned(raster, turns).unsqueeze(0),
            "noise": noise.unsqueeze(0),
        }
        chroma = turned(graph.insert(network.model, "generator/", inputs).squeeze(0), turns)
        down, across = (ratio(chroma.length(axis) * stride, side) for axis, side in ((1, height), (2, width)))
        return [resized(chroma, (rows, down), (columns, across))]

    (cells,) = graph.loop(2 * told + len(VIEWS), [], look)  # (2 or 4, 2, h / stride, w / stride)
    plain, effect = cells[: len(VIEWS)].reduced("Mean", 0, keep=True), cells[len(VIEWS) + 1 :] - cells[len(VIEWS) : -1]
    padded = luminance.padded([0, 0], [rows * stride - height, columns * stride - width])
    return enlarge_along_edges(concat([plain, plain + effect], 0), padded, stride)[..., :height, :width]


def view_length(side: Value, scale: Value, multiple: int) -> Value:
    """The length of a view's side: the multiple that is nearest to `scale` times that of the small picture."""
    count = (side.cast(np.float64) * scale / multiple).op("Round").cast(np.int64)
    return maximum(count, 1) * multiple


def ratio(one: Value, other: Value) -> Value:
    return one.cast(np.float64) / other.cast(np.float64)


def turned(planes: Value, turns: Value) -> Value:
    """Planes (C, h, w), mirrored if a truth value says so."""
    return where(turns, planes[..., ::-1], planes)


def resized(planes: Value, height: tuple[Value, Value], width: tuple[Value, Value]) -> Value:
    """Planes (C, h, w) of another height and width, each with the size of a new pixel in old ones."""
    down, across = resize_matrix(planes.length(1), *height), resize_matrix(planes.length(2), *width)
    return down @ planes @ across.transpose(1, 0)


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
