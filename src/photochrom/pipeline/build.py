"""The graphs: the whole pipeline, and the same in two parts.

photograph (H, W, 3) ─→ predict ─→ guide (10, h, w)
rows of the photograph (n, W, 3), guide ─→ join ─→ their colors (n, W, 3)
"""

from __future__ import annotations

import numpy as np
import onnx

from photochrom.pipeline.balance import PARTS, parts_of, weights_of
from photochrom.pipeline.builder import Graph, Value, minimum
from photochrom.pipeline.freshening import freshen
from photochrom.pipeline.guiding import color_rows, fit_parts
from photochrom.pipeline.hints import COLUMNS, follow_hints, plane_of, read_hints
from photochrom.pipeline.network import Network, predict
from photochrom.pipeline.small import small_luminance


def whole_pipeline(network: Network, working_size: int) -> onnx.ModelProto:
    """The graph from a photograph (H, W, 3), uint8 sRGB, to its colors; the other inputs have defaults."""
    graph = Graph()
    photograph = graph.input("photograph", np.uint8, ("H", "W", 3))
    strength = graph.input("strength", np.float32, (1,), np.ones(1, np.float32))
    warmth = graph.input("warmth", np.float32, (1,), np.zeros(1, np.float32))
    noise = graph.input("noise", np.float32, (network.noise_channels,), np.zeros(network.noise_channels, np.float32))
    hints = graph.input("hints", np.float32, ("P", COLUMNS), np.zeros((0, COLUMNS), np.float32))
    guide = guide_of(photograph, noise, hints, network, working_size)
    nothing, height = graph.constant(np.array(0)), photograph.length(0)
    colors = color_rows(photograph, nothing, height, guide, weights_of(strength, warmth))
    graph.output(colors, "colors", ("H", "W", 3))
    return graph.model("photochrom")


def predicting_part(network: Network, working_size: int) -> onnx.ModelProto:
    """The graph from a photograph to its guide (10, h, w), from which `joining_part` makes colors."""
    graph = Graph()
    photograph = graph.input("photograph", np.uint8, ("H", "W", 3))
    noise = graph.input("noise", np.float32, (network.noise_channels,))
    hints = graph.input("hints", np.float32, ("P", COLUMNS))
    guide = guide_of(photograph, noise, hints, network, working_size)
    graph.output(guide, "guide", (2 * PARTS, "h", "w"))
    return graph.model("photochrom_predict")


def joining_part() -> onnx.ModelProto:
    """The graph from rows first .. first + n of a photograph `height` pixels high, and its guide, to their colors."""
    graph = Graph()
    rows = graph.input("rows", np.uint8, ("n", "W", 3))
    first, height = (graph.input(name, np.int64, (1,)).squeeze(0) for name in ("first", "height"))
    guide = graph.input("guide", np.float32, (2 * PARTS, "h", "w"))
    weights = weights_of(*(graph.input(name, np.float32, (1,)) for name in ("strength", "warmth")))
    graph.output(color_rows(rows, first, height, guide, weights), "colors", ("n", "W", 3))
    return graph.model("photochrom_join")


def guide_of(photograph: Value, noise: Value, table: Value, network: Network, working_size: int) -> Value:
    """The guide (10, h, w) of a photograph (H, W, 3), with noise (Z,) and a table of hints (P, 7)."""
    luminance = small_luminance(photograph, working_size)
    small = luminance.length(0), luminance.length(1)
    plane = plane_of(*small)
    size = photograph.length(0), photograph.length(1)
    hints = read_hints(table, size, small)
    told = minimum(hints.count, 1)
    predicted = predict(network, freshen(luminance), table, size, noise, told)
    followed = photograph.graph.branch(
        told > 0,
        lambda: follow_hints(predicted[0], predicted[1], luminance, hints, plane),
        lambda: predicted[0].padded([0, 0, 0], [1, 0, 0], "constant"),
    )
    return fit_parts(parts_of(followed[:2], followed[2], luminance), luminance)
