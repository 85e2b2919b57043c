"""The graphs: the whole pipeline, and the same in two parts.

    photograph (H, W, 3) ─→ predict ─→ guide (4, h, w)
    rows of the photograph (n, W, 3), guide ─→ join ─→ their colors (n, W, 3)
"""

from __future__ import annotations

import numpy as np
import onnx

from photochrom.pipeline.builder import Graph, Value, minimum
from photochrom.pipeline.freshening import freshen
from photochrom.pipeline.guiding import color_rows, guide_chroma
from photochrom.pipeline.hints import COLUMNS, follow_hints, plane_of, rasterize, read_hints
from photochrom.pipeline.network import Network, predict
from photochrom.pipeline.small import small_luminance, strips_of

PHOTOGRAPH = ("H", "W", 3)


def whole_pipeline(network: Network, working_size: int, all_inputs: bool = False) -> onnx.ModelProto:
    """The graph from a photograph (H, W, 3), uint8 sRGB, to its colors; strength, noise and hints have defaults.

    all_inputs: the latter must be given, for runtimes that can't replace defaults.
    """
    graph = Graph()
    photograph = graph.input("photograph", np.uint8, PHOTOGRAPH)
    strength = _strength(graph, all_inputs)
    guide = _guide_of(photograph, network, working_size, all_inputs)
    height = photograph.length(0)
    count, rows = strips_of(height, photograph.length(1))

    def color_strip(index: Value) -> list[Value]:
        first = index * rows
        pixels = photograph.take(minimum(graph.arange(rows) + first, height - 1))  # strips have one height
        return [color_rows(pixels, first, height, guide, strength)]

    (strips,) = graph.loop(count, [], color_strip)
    colors = strips.reshape(-1, photograph.length(1), 3)[:height]
    graph.output(colors, "colors", PHOTOGRAPH)
    return graph.model("photochrom")


def predicting_part(network: Network, working_size: int, all_inputs: bool = False) -> onnx.ModelProto:
    """The graph from a photograph to its guide (4, h, w), from which `joining_part` makes colors."""
    graph = Graph()
    photograph = graph.input("photograph", np.uint8, PHOTOGRAPH)
    graph.output(_guide_of(photograph, network, working_size, all_inputs), "guide", (4, "h", "w"))
    return graph.model("photochrom_predict")


def joining_part(all_inputs: bool = False) -> onnx.ModelProto:
    """The graph from rows first .. first + n of a photograph `height` pixels high, and its guide, to their colors."""
    graph = Graph()
    rows = graph.input("rows", np.uint8, ("n", "W", 3))
    first, height = (graph.input(name, np.int64, ()) for name in ("first", "height"))
    guide = graph.input("guide", np.float32, (4, "h", "w"))
    colors = color_rows(rows, first, height, guide, _strength(graph, all_inputs))
    graph.output(colors, "colors", ("n", "W", 3))
    return graph.model("photochrom_join")


def _strength(graph: Graph, required: bool) -> Value:
    return graph.input("strength", np.float32, (), None if required else np.array(1, np.float32))


def _guide_of(photograph: Value, network: Network, working_size: int, all_inputs: bool) -> Value:
    """The guide (4, h, w), with inputs for noise and hints."""
    graph = photograph.graph
    likeliest, no_hints = np.zeros(network.noise_channels, np.float32), np.zeros((0, COLUMNS), np.float32)
    noise = graph.input("noise", np.float32, likeliest.shape, None if all_inputs else likeliest)
    table = graph.input("hints", np.float32, ("K", COLUMNS), None if all_inputs else no_hints)
    luminance = small_luminance(photograph, working_size)
    small = luminance.length(0), luminance.length(1)
    plane = plane_of(*small)
    hints = read_hints(table, (photograph.length(0), photograph.length(1)), small)
    told = minimum(hints.count, 1)
    predicted = predict(network, freshen(luminance), rasterize(hints, plane), noise, told)
    chroma = graph.branch(
        told > 0,
        lambda: follow_hints(predicted[0], predicted[1], luminance, hints, plane),
        lambda: predicted[0],
    )
    return guide_chroma(chroma, luminance)
