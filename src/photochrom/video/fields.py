"""Interlaced films: each picture holds two fields, one in every second row, which were taken one after the other.

So a picture is colored as two, its colors are made smaller and larger within a field, and it is written as interlaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np

from photochrom.photo.color import PixelArray
from photochrom.video.colors import ColorTags, colors_to_srgb, from_srgb, has_light_alone, to_srgb

ORDERS = {2: "tt", 3: "bb", 4: "tb", 5: "bt"}  # FFmpeg's: which field is stored first, and which is shown first
PICTURE_TIMING = bytes([0, 0, 1, 6, 1, 1])  # H.264: a start code, SEI of this kind, its length
FIELD_PAIRS = (b"\x32", b"\x42")  # pic_struct 3 and 4, and two clocks that aren't there
WHOLE_PICTURE = 0x04  # pic_struct 0, and one
ANY_CLOCK = Fraction(1, 25)  # seconds of a tick in a filter graph: times are set anew behind it


class FieldOrder:
    """Which field is shown first in a film's interlaced pictures, or in most of them.

    The decoder marks each picture that is interlaced. What a container says is not asked: FFmpeg's program writes "tb"
    for pictures whose upper field comes first.
    """

    def __init__(self) -> None:
        self._marked = self._upper_first = 0
        self._graph: tuple[Any, Any, Any] | None = None

    def add(self, picture: av.VideoFrame) -> None:
        """Count a picture."""
        if not picture.interlaced_frame:
            return
        if self._graph is None:
            # PyAV doesn't say which field comes first: a filter lets those with the upper one through.
            size = (picture.width, picture.height)
            self._graph = _graph(size, picture.format.name, "select", "eq(interlace_type,TOPFIRST)")
        _, source, sink = self._graph
        self._marked += 1
        source.push(picture)
        with suppress(av.BlockingIOError, av.EOFError):
            while sink.pull():
                self._upper_first += 1

    @property
    def order(self) -> str:
        """TT or BB of ORDERS; nothing if all pictures are whole."""
        if not self._marked:
            return ""
        return "tt" if 2 * self._upper_first >= self._marked else "bb"


def field_order(pictures: Iterable[av.VideoFrame]) -> str:
    """The order of FieldOrder, of these pictures."""
    counted = FieldOrder()
    for picture in pictures:
        counted.add(picture)
    return counted.order


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


def mark_as_whole(packet: av.Packet[Any]) -> None:
    """Have a picture of an interlaced H.264 film, as x264 encodes it, shown as a whole one.

    x264 can only mark all pictures of a film. The mark is pic_struct in a picture's timing (ITU-T H.264, D.1.3).
    """
    content = bytes(packet)
    at = max(content.find(PICTURE_TIMING + each) for each in FIELD_PAIRS)
    if at >= 0:
        memoryview(packet)[at + len(PICTURE_TIMING)] = WHOLE_PICTURE


def deinterlaced(pictures: Iterator[tuple[int, av.VideoFrame]]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Pictures, each with its tick, as many as before: libavfilter's bwdif makes the interlaced ones whole.

    It makes the rows of the field that is shown second anew.
    """
    ticks: deque[int] = deque()
    graph = None
    for number, (tick, picture) in enumerate(pictures):
        if graph is None and not picture.interlaced_frame:
            yield tick, picture
            continue
        if graph is None:
            size, options = (picture.width, picture.height), "mode=send_frame:deint=interlaced"
            graph = _graph(size, picture.format.name, "bwdif", options)
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
