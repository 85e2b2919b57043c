"""Reading films: what is known of one, and its frames. PyAV (FFmpeg) does the work."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import dropwhile, islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition
from av.video.stream import VideoStream

from photochrom.errors import InputError, reason_of
from photochrom.photo.color import PixelArray
from photochrom.video.colors import ColorTags, source_tags, target_tags, to_srgb
from photochrom.video.fields import deinterlaced, field_order, fields_to_srgb

av.logging.set_libav_level(av.logging.ERROR)
BREAK_SECONDS = 1.0  # a film that ends this much before its stated end is broken
DEEP_BITS = 8  # above it, frames are read as 16-bit RGB
PROBED_FRAMES = 32  # whose times show whether a film's times can be used
SEEK_LEAD = 2.0  # seconds: how far before the first frame that is wanted decoding begins
SAFE_LEAD = 1.0  # seconds: and how far at least, after a seek that was not exact
HIGHEST_RATE = 1000  # frames per second: raw DV says the ticks of its clock
NEW_CLOCK = 1.0  # seconds: where times fall by more than this, a clock begins anew; by less, one of them is wrong
LONGEST = 1e8  # seconds, three years: later times are taken as this one


@dataclass(frozen=True)
class Film:
    """What is known of a film before its frames are read.

    size: width, height, upright.
    turns: quarter turns, counterclockwise, from the stored pictures to upright ones.
    time_base: seconds of a tick of `pts`.
    start: the first pts.
    duration: seconds, 0 if it does not say.
    source_tags, target_tags: by which colors its pictures are read, and by which they are written.
    origin: the tick at which the film begins, sound included; what is before 0 is the sound's lead alone.
    aspect: of a pixel, width to height, None if it does not say.
    decoding_lead: None if frames have usable times; else their decoding times are used, which are later than the true
        ones by as many ticks.
    fields: the order of the two in each interlaced picture, tt or bb; none if all pictures are whole.
    deinterlaced: whether interlaced pictures are made whole while they are read.
    field_tag: FFmpeg's number of what the container says of the order, which is kept.
    mirrored: whether pictures are mirrored, left to right, before they are turned.
    matrix: FFmpeg's display matrix, nine numbers, none if pictures are shown as they are stored.
    one_clock: whether times rise all through the file.
    transparent: whether pictures have transparency, which color versions don't keep.
    """

    path: Path
    size: tuple[int, int]
    turns: int
    rate: Fraction
    time_base: Fraction
    start: int
    duration: float
    deep: bool
    source_tags: ColorTags
    target_tags: ColorTags
    origin: int = 0
    aspect: Fraction | None = None
    decoding_lead: int | None = None
    fields: str = ""
    deinterlaced: bool = False
    field_tag: int = 0
    mirrored: bool = False
    matrix: tuple[int, ...] = ()
    one_clock: bool = True
    transparent: bool = False

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the stored pictures."""
        return (self.size[1], self.size[0]) if self.turns % 2 else self.size

    def upright(self, pixels: PixelArray) -> PixelArray:
        """Stored pixels (H, W, ...) as they are shown."""
        return np.ascontiguousarray(np.rot90(np.fliplr(pixels) if self.mirrored else pixels, self.turns))

    def stored(self, pixels: PixelArray) -> PixelArray:
        """The inverse of `upright`."""
        turned = np.rot90(pixels, -self.turns)
        return np.ascontiguousarray(np.fliplr(turned) if self.mirrored else turned)

    def in_fields(self, order: str) -> Film:
        """The same film, with fields in this order; unchanged without an order.

        Interlaced films are colored as they are stored, because fields are rows of the stored pictures.
        """
        return replace(self, fields=order, size=self.stored_size, turns=0, mirrored=False) if order else self

    def pts_at(self, seconds: float) -> int:
        """The tick at a time from the film's start."""
        return self.start + round(min(seconds, LONGEST) / self.time_base)

    def seconds_at(self, pts: int) -> float:
        """The time of a tick from the film's start."""
        return float((pts - self.start) * self.time_base)


@dataclass(frozen=True)
class Frame:
    """A frame: sRGB pixels (H, W) or (H, W, 3), uint8 or uint16, and when it is shown.

    fields: the order of its two, tt or bb; none if it is whole.
    """

    pixels: PixelArray
    pts: int
    fields: str = ""


def local(path: Path) -> str:
    """A path as FFmpeg takes it for a file's: in a name such as `reel:1.mp4` or a URL the beginning is a protocol."""
    return os.path.join(".", path)


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """A film's file, open for reading. Raises InputError for a damaged one, also if that is noticed while reading."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a film")
    try:
        with av.open(local(path)) as container:
            yield container
    except av.FFmpegError as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"cannot read {path}: no such file") from error
        raise InputError(f"{path} is damaged or not a film ({reason_of(error)})") from error


def picture_stream(container: InputContainer) -> VideoStream:
    """The track with the film's pictures, which need not be the first: a cover is one, too. Raises InputError."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise InputError(f"{os.path.normpath(container.name)} has no pictures in it")


def read_film(path: Path, deinterlace: bool = False) -> Film:
    """Look at a film. deinterlace: whether interlaced pictures are made whole. Raises InputError."""
    with opened(path) as container:
        stream = picture_stream(container)
        if stream.time_base is None or stream.width < 8 or stream.height < 8:
            raise InputError(f"{path} has no usable pictures in it")
        time_base = Fraction(stream.time_base)
        start = stream.start_time or 0
        duration = 0.0
        if stream.duration is not None:
            duration = float(stream.duration * time_base)
        elif container.duration is not None:
            duration = container.duration / av.time_base
        probed: list[av.VideoFrame] = []
        try:
            for frame in islice(container.decode(stream), PROBED_FRAMES):
                probed.append(frame)  # noqa: PERF402 # those before an error count
        except av.FFmpegError:
            if not probed:
                raise  # else who looks through all of it says where it breaks off
        if not probed:
            raise InputError(f"{path} has no pictures in it")
        usable = _are_times_usable(probed)
        if usable:
            start = probed[0].pts or 0  # the container's word may be later
        rates = [stream.average_rate, stream.guessed_rate]
        if not usable and probed[0].duration:
            # Of a bare stream of H.264 or H.265 the average is 25, whatever its header says.
            rates.insert(0, 1 / (probed[0].duration * time_base))
        rate = next((rate for rate in rates if rate and rate <= HIGHEST_RATE), Fraction(25))
        matrix, turns, mirrored = _orientation(probed[0])
        size = (stream.height, stream.width) if turns % 2 else (stream.width, stream.height)
        depth = max((component.bits for component in stream.format.components), default=8)
        film = Film(
            path=path,
            size=size,
            turns=turns,
            mirrored=mirrored,
            matrix=matrix,
            rate=Fraction(rate),
            time_base=time_base,
            one_clock=Flags.ts_discont not in Flags(container.format.flags) or _has_one_clock(path),
            start=start,
            origin=min(start, max(0, round(Fraction(container.start_time or 0, av.time_base) / time_base))),
            decoding_lead=None if usable else (probed[0].dts or 0) - start,
            duration=duration,
            deep=depth > DEEP_BITS,
            source_tags=source_tags(probed[0], str(path)),
            target_tags=target_tags(probed[0]),
            aspect=Fraction(stream.sample_aspect_ratio) if stream.sample_aspect_ratio else None,
            deinterlaced=deinterlace,
            field_tag=stream.codec_context.field_order,
            transparent=_is_transparent(stream),
        )
        return film if deinterlace else film.in_fields(field_order(probed))


def _is_transparent(stream: av.VideoStream) -> bool:
    """Whether a track's pictures have transparency: of their own, or beside them, as WebM keeps that of VP8 and VP9."""
    modes = {name.lower(): value for name, value in stream.metadata.items()}
    return modes.get("alpha_mode") == "1" or any(part.is_alpha for part in stream.format.components)


def _orientation(picture: av.VideoFrame) -> tuple[tuple[int, ...], int, bool]:
    """A picture's display matrix, and the quarter turns and the mirroring that it stands for."""
    data: Any = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return (), 0, False
    matrix = tuple(int(number) for number in np.frombuffer(bytes(data), np.int32))
    right, down = (matrix[0], matrix[1]), (matrix[3], matrix[4])  # where the directions of a row and a column go
    mirrored = right[0] * down[1] - right[1] * down[0] < 0
    sign = -1 if mirrored else 1
    return matrix, round(-math.atan2(sign * right[1], sign * right[0]) / (math.pi / 2)) % 4, mirrored


def _has_one_clock(path: Path) -> bool:
    """Whether the times of a film rise all through the file. Stretches of broadcasts and discs may each begin anew."""
    latest = None
    with opened(path) as container:
        for packet in container.demux(picture_stream(container)):
            if packet.dts is not None:
                if latest is not None and (latest - packet.dts) * packet.time_base > NEW_CLOCK:
                    return False
                latest = packet.dts
    return True


class Clock:
    """A track's times in one line: where its clock begins anew they go on, and each is later than the one before it."""

    def __init__(self, jump: int, apart: int = 1):
        """jump: ticks; where times fall by more, a clock begins anew. apart: ticks between two times, at least."""
        self.jump, self.apart, self.later = jump, apart, 0
        self._last: int | None = None
        self._next = 0

    def follow(self, time: int | None, step: int) -> int:
        """The next time, None if it isn't known, in the one line. step: ticks that it lasts."""
        at = self._next if time is None else time + self.later
        if self._last is not None and at < self._last + self.apart:
            if self._last - at > self.jump:
                self.later += self._next - at
                at = self._next
            else:
                at = self._last + self.apart
        self._last, self._next = at, at + max(self.apart, step)
        return at


def _are_times_usable(frames: list[av.VideoFrame]) -> bool:
    times = [frame.pts for frame in frames if frame.pts is not None]
    return len(times) == len(frames) and all(one < other for one, other in pairwise(times))


def read_frames(film: Film, first: int | None = None, last: int | None = None) -> Iterator[Frame]:
    """The frames with first <= pts < last. Raises InputError where the film is damaged."""
    for tick, raw in read_pictures(film, first, last):
        fields = film.fields if raw.interlaced_frame else ""
        pixels = (fields_to_srgb if fields else to_srgb)(raw, film.source_tags, film.deep)
        yield Frame(film.upright(pixels), tick, fields)


def read_ticks(film: Film, first: int | None = None, last: int | None = None) -> Iterator[int]:
    """The ticks of the frames with first <= pts < last. Raises InputError where the film is damaged."""
    return (tick for tick, _ in read_pictures(film, first, last))


def read_pictures(film: Film, first: int | None = None, last: int | None = None) -> Iterator[tuple[int, av.VideoFrame]]:
    """The frames with first <= pts < last as they are decoded, each with its tick. Raises InputError."""
    for tick, raw in _pictures_from(film, film.start if first is None else first):
        if last is not None and tick >= last:
            return
        if first is None or tick >= first:
            yield tick, raw


def _pictures_from(film: Film, first: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """All frames from somewhere before `first`, so far before it that those from it on are whole.

    In some containers (MPEG-TS, MPEG-PS, AVI) a seek ends up later than it should, and the first frames after it may
    need others that were skipped.
    """
    lead = SEEK_LEAD
    while film.one_clock and (wanted := first - round(lead / film.time_base)) > film.start:
        with opened(film.path) as container:
            stream = picture_stream(container)
            stream.thread_type = "AUTO"
            with suppress(av.FFmpegError):  # a file without an index is read from its beginning
                container.seek(wanted, stream=stream)
            pictures = _timed(film, container.decode(stream))
            head = next(pictures, None)
            if head is not None and head[0] <= first - round(SAFE_LEAD / film.time_base):
                yield head
                yield from pictures
                return
        lead *= 4
    with opened(film.path) as container:
        stream = picture_stream(container)
        stream.thread_type = "AUTO"
        yield from _timed(film, container.decode(stream))


def _timed(film: Film, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Frames with their ticks, deinterlaced if they should be."""
    pictures = _with_ticks(film, frames)
    return deinterlaced(pictures) if film.deinterlaced else pictures


def _with_ticks(film: Film, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[int, av.VideoFrame]]:
    step = max(1, round(1 / film.rate / film.time_base))
    if film.decoding_lead is None:
        clock = Clock(round(NEW_CLOCK / film.time_base))
        known = dropwhile(lambda raw: raw.pts is None, frames)  # the first ones after a seek may have no times
        yield from ((clock.follow(raw.pts, step), raw) for raw in known)
        return
    tick = film.start - step
    for raw in frames:
        tick = tick + step if raw.dts is None else max(tick + 1, raw.dts - film.decoding_lead)
        yield tick, raw


def check_whole(film: Film, last_tick: int) -> None:
    """Raise InputError if a film breaks off after the frame at `last_tick`: before its stated end, and nothing follows.

    Sound and subtitles may go on after the last frame, and that frame may be shown for long.
    """
    ended = film.seconds_at(last_tick)
    limit = film.duration - max(BREAK_SECONDS, float(2 / film.rate))
    if ended < limit and _end_of_packets(film) < limit:
        raise InputError(
            f"{film.path} breaks off after {ended:.2f} of {film.duration:.2f} seconds: "
            f"color what is there with --to {ended:.2f}"
        )


def _end_of_packets(film: Film) -> float:
    """When the last packet of pictures, sound or subtitles ends, in seconds from the film's start."""
    end = film.start * film.time_base
    with opened(film.path) as container:
        kinds = container.streams
        for packet in container.demux(picture_stream(container), *kinds.audio, *kinds.subtitles):
            if packet.pts is not None and packet.time_base:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
    return float(end - film.start * film.time_base)
