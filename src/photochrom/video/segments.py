"""Segments: encoded stretches of a film, each in a file of its own, so that a stopped run keeps what it has done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer

from photochrom.video.colors import set_tags
from photochrom.video.encoding import Encoding
from photochrom.video.fields import FieldMarker, encoder_options, mark_as_whole
from photochrom.video.film import Film, Frame, local


@dataclass(frozen=True)
class Segment:
    """An encoded stretch of a film: its file, whose time begins at 0, and the film's tick that this is."""

    path: Path
    first: int


@contextmanager
def segment_writer(film: Film, path: Path, encoding: Encoding) -> Iterator[SegmentWriter]:
    """Writes frames to a segment's file; the file gets its name when all of it is there."""
    temporary = path.with_suffix(".unfinished")
    with av.open(local(temporary), "w", format=encoding.segment_format) as container:
        writer = SegmentWriter(film, container, encoding)
        yield writer
        writer.finish()
    os.replace(temporary, path)


class SegmentWriter:
    """Encodes one segment; every segment begins with a key frame of its own."""

    def __init__(self, film: Film, container: OutputContainer, encoding: Encoding):
        self.film, self.container, self.encoding = film, container, encoding
        self.stream = add_pictures(container, film, encoding)
        self.format = encoding.pixel_format(film.size, film.deep)
        self.marker = FieldMarker(film.stored_size, self.format, film.fields) if film.fields else None
        self.first: int | None = None  # tick of the film
        self._whole: set[int] = set()  # times of whole pictures in an interlaced film

    def write(self, picture: av.VideoFrame, source: Frame) -> None:
        """Add a frame's picture in color, in the writer's format."""
        if self.first is None:
            self.first = source.pts
        picture.pts, picture.time_base = source.pts - self.first, self.film.time_base
        if self.marker and source.fields:
            picture = self.marker.mark(picture)
        elif self.marker:
            self._whole.add(source.pts - self.first)
        self._mux(self.stream.encode(picture))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._mux(self.stream.encode(None))

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        for packet in packets:
            if packet.pts in self._whole and self.encoding.encoder == "libx264":
                mark_as_whole(packet)
            self.container.mux(packet)


def add_pictures(container: OutputContainer, film: Film, encoding: Encoding) -> Any:
    """A new track for a film's colored pictures, with their encoder."""
    options = encoding.options | (encoder_options(encoding.encoder, film.fields) if film.fields else {})
    stream: Any = container.add_stream(encoding.encoder, rate=film.rate, options=options)
    context = stream.codec_context
    context.thread_type = "FRAME"  # PyAV's default, slices, makes x264's files larger
    context.width, context.height = film.stored_size
    context.pix_fmt = encoding.pixel_format(film.size, film.deep)
    context.time_base = film.time_base
    set_tags(context, film.target_tags)
    if film.aspect:
        context.sample_aspect_ratio = film.aspect  # Matroska has it from the encoder alone
    return stream
