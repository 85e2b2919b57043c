"""Films in files: reading frames, writing segments, and putting a film together again. PyAV (FFmpeg) does the work."""

from __future__ import annotations

import heapq
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from photochrom.errors import InputError, OutputError
from photochrom.photo.color import PixelArray

CODECS = {"h264": "libx264", "h265": "libx265", "prores": "prores_ks", "ffv1": "ffv1"}
DEFAULT_CRF = {"h264": 16, "h265": 18}  # visually lossless; chroma suffers first
SEGMENT_FORMATS = {"ffv1": "nut"}  # mov, the default, keeps time bases and decoding times, but does not hold FFV1
COPIED = ("audio", "subtitle", "data", "attachment")
av.logging.set_libav_level(av.logging.ERROR)
BREAK_SECONDS = 1.0  # a film that ends this much before its stated end is broken
DEEP_BITS = 8  # above it, frames are read as 16-bit RGB


@dataclass(frozen=True)
class Film:
    """What is known of a film before its frames are read.

    size: width, height, upright. turns: quarter turns, counterclockwise, from the stored pictures to upright ones.
    time_base: seconds of a tick of `pts`. start: the first pts. duration: seconds, 0 if it does not say. frames:
    about how many.
    """

    path: Path
    size: tuple[int, int]
    turns: int
    rate: Fraction
    time_base: Fraction
    start: int
    duration: float
    frames: int
    deep: bool

    def pts_at(self, seconds: float) -> int:
        """The tick at a time from the film's start."""
        return self.start + round(seconds / self.time_base)

    def seconds_at(self, pts: int) -> float:
        """The time of a tick from the film's start."""
        return float((pts - self.start) * self.time_base)


@dataclass(frozen=True)
class Frame:
    """A frame: sRGB pixels (H, W, 3) uint8 or uint16, when it is shown, and what it came as."""

    pixels: PixelArray
    pts: int
    raw: av.VideoFrame


@dataclass(frozen=True)
class Encoding:
    """How frames are written: a name from CODECS, and the constant rate factor for those that have one."""

    codec: str = "h264"
    crf: int | None = None

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options."""
        crf = self.crf if self.crf is not None else DEFAULT_CRF.get(self.codec)
        return {"crf": str(crf), "preset": "medium"} if self.codec in DEFAULT_CRF else {}

    def pixel_format(self, film: Film) -> str:
        """With full color resolution where the codec's players can take it, and the film's bit depth."""
        if self.codec == "prores":
            return "yuv422p10le"
        halved = self.codec in DEFAULT_CRF and not (film.size[0] % 2 or film.size[1] % 2)
        return ("yuv420p" if halved else "yuv444p") + ("10le" if film.deep else "")


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A film's file, open for reading. Raises InputError for what is wrong with it, whenever it shows."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a film")
    try:
        with av.open(str(path)) as container:
            yield container
    except av.FFmpegError as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"cannot read {path}: no such file") from error
        raise InputError(f"{path} is damaged or not a film ({error.strerror or error})") from error


def read_film(path: Path) -> Film:
    """Look at a film. Raises InputError."""
    with opened(path) as container:
        if not container.streams.video:
            raise InputError(f"{path} has no pictures in it")
        stream = container.streams.video[0]
        if stream.time_base is None or stream.width < 8 or stream.height < 8:
            raise InputError(f"{path} has no usable pictures in it")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        duration = 0.0
        if stream.duration is not None:
            duration = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            duration = container.duration / av.time_base
        rotation = next((frame.rotation for frame in container.decode(stream)), None)
        if rotation is None:
            raise InputError(f"{path} has no pictures in it")
        turns = round(rotation / 90) % 4
        size = (stream.height, stream.width) if turns % 2 else (stream.width, stream.height)
        depth = max((component.bits for component in stream.format.components), default=8)
        return Film(
            path,
            size,
            turns,
            Fraction(rate),
            Fraction(stream.time_base),
            stream.start_time or 0,
            duration,
            stream.frames or round(duration * rate),
            depth > DEEP_BITS,
        )


def read_frames(film: Film, first: int | None = None, last: int | None = None) -> Iterator[Frame]:
    """The frames with first <= pts < last. Raises InputError where the film is damaged or breaks off."""
    seen = None
    with opened(film.path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if first is not None and first > film.start:
            container.seek(first, stream=stream)
        for raw in container.decode(stream):
            if raw.pts is None or (first is not None and raw.pts < first):
                continue
            if last is not None and raw.pts >= last:
                return
            seen = raw.pts
            pixels = raw.to_ndarray(format="rgb48le" if film.deep else "rgb24")
            yield Frame(np.ascontiguousarray(np.rot90(pixels, film.turns)), raw.pts, raw)
    ended = film.seconds_at(seen) if seen is not None else 0.0
    if last is None and film.duration - ended > max(BREAK_SECONDS, float(2 / film.rate)):
        raise InputError(
            f"{film.path} breaks off after {ended:.2f} of {film.duration:.2f} seconds: "
            f"color what is there with --to {ended:.2f}"
        )


@dataclass(frozen=True)
class Segment:
    """An encoded stretch of a film: its file, whose time begins at 0, and the film's tick that this is."""

    path: Path
    first: int


@contextmanager
def segment_writer(film: Film, path: Path, encoding: Encoding) -> Iterator[SegmentWriter]:
    """Writes frames to a segment's file; the file gets its name when all of it is there."""
    temporary = path.with_suffix(".unfinished")
    with av.open(str(temporary), "w", format=SEGMENT_FORMATS.get(encoding.codec, "mov")) as container:
        writer = SegmentWriter(film, container, encoding)
        yield writer
        writer.finish()
    os.replace(temporary, path)


class SegmentWriter:
    """Encodes one segment; every segment begins with a key frame of its own."""

    def __init__(self, film: Film, container: OutputContainer, encoding: Encoding):
        self.film, self.container, self.encoding = film, container, encoding
        self.stream: Any = container.add_stream(CODECS[encoding.codec], rate=film.rate, options=encoding.options)
        self.first: int | None = None  # tick of the film

    def write(self, pixels: PixelArray, source: Frame) -> None:
        """Add a frame's colored pixels."""
        raw = source.raw
        if self.first is None:
            self.first = source.pts
            self._begin(raw)
        stored = np.ascontiguousarray(np.rot90(pixels, -self.film.turns))
        rgb = av.VideoFrame.from_ndarray(stored, format="rgb48le" if self.film.deep else "rgb24")
        frame = rgb.reformat(
            format=self.encoding.pixel_format(self.film),
            dst_colorspace=raw.colorspace,
            dst_color_range=raw.color_range,
        )
        frame.pts, frame.time_base = source.pts - self.first, self.film.time_base
        self.container.mux(self.stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self.container.mux(self.stream.encode(None))

    def _begin(self, raw: av.VideoFrame) -> None:
        context = self.stream.codec_context
        context.thread_type = "FRAME"  # PyAV's default, slices, makes x264's files larger
        context.width, context.height = raw.width, raw.height
        context.pix_fmt = self.encoding.pixel_format(self.film)
        context.time_base = self.film.time_base
        context.colorspace, context.color_range = raw.colorspace, raw.color_range
        context.color_primaries, context.color_trc = raw.color_primaries, raw.color_trc


def assemble(film: Film, segments: list[Segment], target: Path, origin: int, last: int | None) -> None:
    """Put segments together, with everything else of the film up to a tick. Raises OutputError.

    origin: the tick that becomes time 0, before which nothing is kept.
    """
    temporary = target.with_name(f".photochrom-{secrets.token_hex(8)}{target.suffix}")
    try:
        with opened(film.path) as source, av.open(str(temporary), "w") as container:
            with av.open(str(segments[0].path)) as segment:
                video = container.add_stream_from_template(segment.streams.video[0])
                _keep_picture_facts(film, source, video)
            copies = _copy_streams(source, container)
            begin, end = origin * film.time_base, None if last is None else last * film.time_base
            _keep_film_facts(source, container, begin, end)
            packets = heapq.merge(
                _video_packets(film, segments, video, origin),
                _other_packets(source, copies, begin, end),
                key=lambda timed: timed[0],
            )
            for _, packet in packets:
                container.mux(packet)
        os.replace(temporary, target)
    except (OSError, av.FFmpegError) as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _keep_picture_facts(film: Film, source: InputContainer, video: Any) -> None:
    stream = source.streams.video[0]
    video.metadata.update(stream.metadata)
    if stream.sample_aspect_ratio:
        video.sample_aspect_ratio = stream.sample_aspect_ratio
    tags, context = stream.codec_context, video.codec_context
    context.colorspace, context.color_range = tags.colorspace, tags.color_range
    context.color_primaries, context.color_trc = tags.color_primaries, tags.color_trc
    if film.turns:
        video.set_display_rotation(90 * film.turns)


def _copy_streams(source: InputContainer, container: OutputContainer) -> dict[int, Any]:
    copies = {}
    for stream in source.streams:
        if stream.type in COPIED:
            with suppress(av.FFmpegError, ValueError, NotImplementedError):  # what the container can't hold
                copy = container.add_stream_from_template(stream)
                copy.metadata.update(stream.metadata)
                copies[stream.index] = copy
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
    film: Film, segments: list[Segment], stream: Any, origin: int
) -> Iterator[tuple[float, av.Packet[Any]]]:
    for segment in segments:
        begin = (segment.first - origin) * film.time_base
        with av.open(str(segment.path)) as container:
            for packet in container.demux(video=0):
                if packet.pts is None or packet.dts is None:
                    continue  # the end
                shift = round(begin / packet.time_base)
                packet.pts += shift
                packet.dts += shift
                at = float(packet.dts * packet.time_base)
                packet.stream = stream
                yield at, packet


def _other_packets(
    source: InputContainer, copies: dict[int, Any], begin: Fraction, end: Fraction | None
) -> Iterator[tuple[float, av.Packet[Any]]]:
    streams = [source.streams[index] for index in copies]
    for packet in source.demux(streams) if streams else ():
        if packet.pts is None:
            continue  # the end
        at = packet.pts * packet.time_base
        if (begin and at < begin) or (end is not None and at >= end):
            continue
        shift = round(begin / packet.time_base)
        packet.pts -= shift
        if packet.dts is not None:
            packet.dts -= shift
        packet.stream = copies[packet.stream.index]
        yield float(at - begin), packet
