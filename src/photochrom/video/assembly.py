"""Putting a film together: its colored segments, and everything else that the source has."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from photochrom.disk import unfinished
from photochrom.errors import InputError, OutputError, reason_of
from photochrom.video.colors import set_tags
from photochrom.video.encoding import Encoding
from photochrom.video.fields import ORDERS
from photochrom.video.film import Film, opened
from photochrom.video.mark import add_mark
from photochrom.video.segments import Segment

COPIED = ("audio", "subtitle", "data", "attachment")  # kinds of tracks that are taken over as they are
REFUSALS = (av.FFmpegError, ValueError, NotImplementedError)  # what PyAV says of a track that a container can't hold


def find_tracks(film: Film, target: Path, encoding: Encoding) -> tuple[list[int], list[str]]:
    """The numbers of the source's tracks that the target can hold beside the pictures, and the names of the others.

    A real header is written to a scratch file for each of them. Raises InputError if the target can't even hold the
    pictures.
    """
    kept, left_out = [], []
    with opened(film.path) as source, TemporaryDirectory() as folder:
        scratch = Path(folder) / f"scratch{target.suffix}"
        try:
            _write_header(film, source, scratch, encoding, [])
        except REFUSALS:
            raise InputError(
                f"{target.suffix} films can't hold {encoding.codec}: try .mkv, or another --codec"
            ) from None
        for stream in source.streams:
            if stream.type == "video":
                continue
            try:
                if stream.type not in COPIED or (stream.type == "data" and not getattr(stream, "name", None)):
                    raise ValueError(stream.type)  # unknown data: timecode, say, which MOV and MP4 make anew
                _write_header(film, source, scratch, encoding, [stream])
                kept.append(stream.index)
            except REFUSALS:
                name = getattr(stream, "name", None)
                left_out.append(f"track {stream.index} ({stream.type}{f', {name}' if name else ''})")
    return kept, left_out


def _write_header(film: Film, source: InputContainer, path: Path, encoding: Encoding, streams: list[Any]) -> None:
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(encoding.encoder, rate=film.rate, options=encoding.options)
        video.width, video.height = film.size
        video.pix_fmt = encoding.pixel_format(film.size, film.deep)
        video.metadata.update(source.streams.video[0].metadata)
        container.metadata.update(source.metadata)
        for stream in streams:
            container.add_stream_from_template(stream).metadata.update(stream.metadata)
        container.start_encoding()


def assemble(
    film: Film,
    segments: list[Segment],
    target: Path,
    kept: list[int],
    first: int | None,
    last: int | None,
    mark: str | None = None,
) -> None:
    """Put segments together, with everything else of the film. Raises OutputError, InputError for a damaged source.

    kept: the numbers of the source's tracks that are taken over. first: the tick before which nothing is kept, and
    which becomes time 0; without it the film's earliest track begins at 0. last: the tick from which on nothing is
    kept. mark: a line for the comment of the container.
    """
    temporary = unfinished(target)
    with opened(film.path) as source:
        try:
            with av.open(str(temporary), "w") as container:
                with av.open(str(segments[0].path)) as segment:
                    video = container.add_stream_from_template(segment.streams.video[0])
                    _keep_picture_facts(film, source, video)
                copies = _copy_streams(source, container, kept)
                shift = (film.origin if first is None else first) * film.time_base
                begin, end = None if first is None else shift, None if last is None else last * film.time_base
                _keep_film_facts(source, container, shift, end)
                if mark:
                    add_mark(container.metadata, mark)
                packets = heapq.merge(
                    _video_packets(film, segments, video, shift),
                    _other_packets(film, source, copies, shift, begin, end),
                    key=lambda timed: timed[0],
                )
                for _, packet in packets:
                    container.mux(packet)
            os.replace(temporary, target)
        except (OSError, av.FFmpegError) as error:
            raise OutputError(f"cannot write {target}: {reason_of(error)}") from error
        finally:
            temporary.unlink(missing_ok=True)


def _keep_picture_facts(film: Film, source: InputContainer, video: Any) -> None:
    stream = source.streams.video[0]
    video.metadata.update(stream.metadata)
    video.disposition = stream.disposition
    context = video.codec_context
    if film.aspect:
        video.sample_aspect_ratio = film.aspect
    context.framerate = film.rate
    set_tags(context, film.target_tags)
    if film.fields:
        context.field_order = next(number for number, name in ORDERS.items() if name == film.fields)
    if film.turns:
        video.set_display_rotation(90 * film.turns)


def _copy_streams(source: InputContainer, container: OutputContainer, kept: list[int]) -> dict[int, Any]:
    copies = {}
    for number in kept:
        stream = source.streams[number]
        copy = container.add_stream_from_template(stream)
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition
        copies[number] = copy
    return copies


def _keep_film_facts(source: InputContainer, container: OutputContainer, begin: Fraction, end: Fraction | None) -> None:
    container.metadata.update(source.metadata)
    kept = []
    for chapter in source.chapters():
        base = chapter["time_base"] or Fraction(1, 1000)
        starts, ends = chapter["start"] * base, chapter["end"] * base
        if ends > begin and (end is None or starts < end):
            starts, ends = max(starts, begin) - begin, (ends if end is None else min(ends, end)) - begin
            kept.append(chapter | {"start": round(starts / base), "end": round(ends / base)})
    if kept:
        container.set_chapters(kept)


def _video_packets(
    film: Film, segments: list[Segment], stream: Any, shift: Fraction
) -> Iterator[tuple[float, av.Packet[Any]]]:
    for segment in segments:
        begin = segment.first * film.time_base - shift
        with av.open(str(segment.path)) as container:
            for packet in container.demux(video=0):
                if packet.pts is None or packet.dts is None:
                    continue  # the end
                later = round(begin / packet.time_base)
                packet.pts += later
                packet.dts += later
                at = float(packet.dts * packet.time_base)
                packet.stream = stream
                yield at, packet


def _other_packets(
    film: Film,
    source: InputContainer,
    copies: dict[int, Any],
    shift: Fraction,
    begin: Fraction | None,
    end: Fraction | None,
) -> Iterator[tuple[float, av.Packet[Any]]]:
    streams = [source.streams[index] for index in copies]
    packets = iter(source.demux(streams) if streams else ())
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            raise InputError(f"{film.path} is damaged ({reason_of(error)})") from error
        if packet is None:
            return
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None:
            continue  # the end
        at = pts * packet.time_base
        if (begin is not None and at < begin) or (end is not None and at >= end):
            continue
        earlier = round(shift / packet.time_base)
        packet.pts = pts - earlier
        if packet.dts is not None:
            packet.dts -= earlier
        packet.stream = copies[packet.stream.index]
        yield float(at - shift), packet
