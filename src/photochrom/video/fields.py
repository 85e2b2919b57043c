"""Interlaced films: each picture holds two fields, one in every second row, which were taken one after the other.

So a picture is colored as two, its colors are made smaller and larger within a field, and it is written as interlaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from photochrom.photo.color import PixelArray
from photochrom.video.colors import ColorTags, colors_to_srgb, from_srgb, has_light_alone, to_srgb

ORDERS = {2: "tt", 3: "bb", 4: "tb", 5: "bt"}  # FFmpeg's: which field is stored first, and which is shown first
ANY_CLOCK = Fraction(1, 25)  # seconds of a tick in a filter graph: times are set anew behind it


def field_order(pictures: list[av.VideoFrame]) -> str:
    """TT or BB of ORDERS for a film whose pictures are marked as interlaced, most of them; else nothing.

    The pictures say which field is shown first. What a container says of it is often the contrary: FFmpeg's program
    writes "tb" for pictures whose upper field comes first.
    """
    marked = [picture for picture in pictures if picture.interlaced_frame]
    if 2 * len(marked) <= len(pictures):
        return ""
    return "tt" if 2 * _count_upper_first(marked) >= len(marked) else "bb"


def _count_upper_first(pictures: list[av.VideoFrame]) -> int:
    """Of how many the upper field is shown first, which PyAV doesn't say: a filter lets these through."""
    size, format = (pictures[0].width, pictures[0].height), pictures[0].format.name
    _, source, sink = _graph(size, format, "select", "eq(interlace_type,TOPFIRST)")
    count = 0
    for picture in [*pictures, None]:
        source.push(picture)
        with suppress(av.BlockingIOError, av.EOFError):
            while sink.pull():
                count += 1
    return count


def first_row(order: str) -> int:
    """The first row of the field that is shown first."""
    return 0 if order.endswith("t") else 1


def _upper_or_lower(order: str) -> str:
    """FFmpeg's other name of an order, of the field that is shown first."""
    return "tff" if first_row(order) == 0 else "bff"


def field_rows(order: str) -> tuple[slice, ...]:
    """The rows of each field, of the one that is shown first before the other's; all rows without an order."""
    return (slice(first_row(order), None, 2), slice(1 - first_row(order), None, 2)) if order else (slice(None),)


def encoder_options(encoder: str, order: str) -> dict[str, str]:
    """What an encoder is told of a film in fields."""
    options = {"flags": "+ildct+ilme", "field_order": order}
    if encoder == "libx264":  # heeds the marks of pictures only after the first few
        options["x264-params"] = f"{_upper_or_lower(order)}=1"
    return options


def are_apart(height: int) -> bool:
    """Whether each field can have its own chroma in every format; else it is smaller than in the picture."""
    return height % 4 == 0


def fields_to_srgb(picture: av.VideoFrame, tags: ColorTags, deep: bool) -> PixelArray:
    """`to_srgb`, field by field."""
    if has_light_alone(picture) or not are_apart(picture.height):
        return to_srgb(picture, tags, deep)
    upper, lower = (colors_to_srgb(_field(picture, row), tags, deep) for row in (0, 1))
    pixels = np.empty((picture.height, *upper.shape[1:]), upper.dtype)
    pixels[0::2], pixels[1::2] = upper, lower
    return pixels


def fields_from_srgb(pixels: PixelArray, tags: ColorTags, format: str) -> av.VideoFrame:
    """`from_srgb`, field by field."""
    if not are_apart(len(pixels)):
        return from_srgb(pixels, tags, format)
    picture = av.VideoFrame(pixels.shape[1], pixels.shape[0], format)
    for row in (0, 1):
        field = from_srgb(np.ascontiguousarray(pixels[row::2]), tags, format)
        for target, source in zip(picture.planes, field.planes, strict=True):
            _copy(_rows(source), _rows(target)[row::2])
    return picture


def _field(picture: av.VideoFrame, row: int) -> av.VideoFrame:
    field = av.VideoFrame(picture.width, picture.height // 2, picture.format.name)
    for target, source in zip(field.planes, picture.planes, strict=True):
        _copy(_rows(source)[row::2], _rows(target))
    field.colorspace, field.color_range = picture.colorspace, picture.color_range
    return field


def _rows(plane: Any) -> np.ndarray:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)


def _copy(source: np.ndarray, target: np.ndarray) -> None:
    width = min(source.shape[1], target.shape[1])  # with what fills the rows up
    count = min(len(source), len(target))
    target[:count, :width] = source[:count, :width]


class FieldMarker:
    """Marks pictures as interlaced, which PyAV can't do without a filter."""

    def __init__(self, size: tuple[int, int], format: str, order: str):
        """size: width, height."""
        self._graph, self._source, self._sink = _graph(size, format, "setfield", f"mode={_upper_or_lower(order)}")

    def mark(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The picture, marked, at its time."""
        at, time_base = picture.pts, picture.time_base
        self._source.push(picture)
        marked = self._sink.pull()
        marked.pts, marked.time_base = at, time_base  # the graph has a clock of its own
        return marked


def deinterlaced(pictures: Iterator[tuple[int, av.VideoFrame]], order: str) -> Iterator[tuple[int, av.VideoFrame]]:
    """Pictures, each with its tick, as many as before: libavfilter's bwdif makes the rows of the second field anew."""
    ticks: deque[int] = deque()
    graph = None
    for number, (tick, picture) in enumerate(pictures):
        if graph is None:
            options = f"mode=send_frame:parity={_upper_or_lower(order)}:deint=all"
            graph = _graph((picture.width, picture.height), picture.format.name, "bwdif", options)
        ticks.append(tick)
        picture.pts, picture.time_base = number, ANY_CLOCK
        graph[1].push(picture)
        yield from _pulled(graph[2], ticks)
    if graph is not None:
        graph[1].push(None)
        yield from _pulled(graph[2], ticks)


def _pulled(sink: Any, ticks: deque[int]) -> Iterator[tuple[int, av.VideoFrame]]:
    while True:
        try:
            picture = sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield ticks.popleft(), picture


def _graph(size: tuple[int, int], format: str, name: str, options: str) -> tuple[Any, Any, Any]:
    """A filter graph, what puts pictures into it, and what takes them out."""
    graph = av.filter.Graph()
    layout = av.VideoFormat(format)
    source = graph.add_buffer(width=size[0], height=size[1], format=layout, time_base=ANY_CLOCK)
    effect, sink = graph.add(name, options), graph.add("buffersink")
    source.link_to(effect)
    effect.link_to(sink)
    graph.configure()
    return graph, source, sink
