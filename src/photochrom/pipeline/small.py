"""From the photograph to the small luminance that the network sees, as `Colorizer.small_luminance` does it."""

from __future__ import annotations

import numpy as np

from photochrom.inference.colorizer import BAND_PIXELS, MAX_WORKING_ASPECT
from photochrom.pipeline.builder import Value, maximum, minimum
from photochrom.pipeline.color import luminance_of


def small_luminance(pixels: Value, working_size: int) -> Value:
    """L (h, w) in 0..100 at the working size, of pixels (H, W, 3); strip by strip, so that it takes little memory."""
    height, width = pixels.length(0), pixels.length(1)
    small_height, small_width = working_shape(height, width, working_size)
    vertical = resize_matrix(height, small_height)
    horizontal = resize_matrix(width, small_width).transpose(1, 0)
    count, rows = strips_of(height, width)

    def add_strip(index: Value, small: Value) -> list[Value]:
        first = index * rows
        strip = slice(first, minimum(first + rows, height))
        return [small + vertical[:, strip] @ (luminance_of(pixels[strip]) @ horizontal)]

    nothing = pixels.graph.filled([small_height, small_width], 0)
    (small,) = pixels.graph.loop(count, [nothing], add_strip)
    return small.clip(0, 100)


def strips_of(height: Value, width: Value) -> tuple[Value, Value]:
    """How many strips a photograph is worked on in, and the rows of each but the last, which may have fewer."""
    most = maximum(width._like(BAND_PIXELS) // width, 1)
    count = (height + most - 1) // most
    return count, (height + count - 1) // count


def working_shape(height: Value, width: Value, working_size: int) -> tuple[Value, Value]:
    """The height and width at which the network sees a photograph: its short side is working_size."""
    longest = maximum(height, width).cast(np.float64)
    scale = working_size / minimum(height, width).cast(np.float64)
    scale = minimum(scale, MAX_WORKING_ASPECT * working_size / longest)
    sides = ((side.cast(np.float64) * scale).op("Round").cast(np.int64) for side in (height, width))
    small_height, small_width = (maximum(side, 1) for side in sides)
    return small_height, small_width


def resize_matrix(inputs: Value, outputs: Value) -> Value:
    """The (outputs, inputs) matrix of an antialiased bilinear resize of one axis, as in `photo.resize`."""
    graph = inputs.graph
    scale = inputs.cast(np.float64) / outputs.cast(np.float64)
    support = maximum(scale, 1)
    centers = (graph.arange(outputs).cast(np.float64) + 0.5) * scale
    places = graph.arange(inputs).cast(np.float64) + 0.5
    distance = (places - centers.unsqueeze(1)).op("Abs") / support
    weights = maximum(1 - distance, 0)
    return (weights / weights.reduced("Sum", 1, keep=True)).cast(np.float32)
