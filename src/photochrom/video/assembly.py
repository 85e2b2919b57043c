"""Putting a film together: its colored segments, and everything else that the source has."""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.stream import Disposition

from photochrom.disk import keep_permissions, unfinished
from photochrom.errors import InputError, OutputError, reason_of
from photochrom.video.colors import set_tags
from photochrom.video.encoding import CONTAINERS, Encoding
from photochrom.video.fields import ORDERS
from photochrom.video.film import NEW_CLOCK, Clock, Film, local, opened, picture_stream
from photochrom.video.languages import UNDETERMINED, facts_of, held_language
from photochrom.video.mark import add_mark, seal
from photochrom.video.segments import Segment, add_pictures
from photochrom.video.sound import SoundMaker, add_sound, encoders_for, layout_of

COPIED = ("audio", "subtitle", "data", "attachment")  # kinds of tracks that are taken over as they are
PLAIN_TEXT = ("srt", "subrip", "text", "webvtt")  # subtitles that QuickTime's containers get as their own kind
QUICKTIME = (".mp4", ".m4v", ".mov")
ATTACHING = (".mkv",)  # has covers as attached files
COVERS = {".mp4", ".m4v", *ATTACHING}
DISK_FAULTS = (errno.ENOSPC, errno.EFBIG, errno.EROFS)
REFUSALS = (av.FFmpegError, ValueError, NotImplementedError)  # what PyAV says of a track that a container can't hold
PROBED_PACKETS = 2000  # of a source, among which a track's first one is looked for


@dataclass(frozen=True)
class Tracks:
    """What becomes of the source's tracks beside the pictures.

    kept: the numbers of those that the target holds; with FFmpeg's name of an encoder if they are made anew for it.
    remade: the names of these, and what they become. left_out: the names of those that it can't hold.
    """

    kept: dict[int, str]
    remade: tuple[str, ...]
    left_out: tuple[str, ...]


def find_tracks(film: Film, target: Path, encoding: Encoding) -> Tracks:
    """What becomes of the source's tracks in the target. Raises InputError if that can't hold the pictures.

    Sound that the target can't hold is made into sound that it can. A scratch file is written for each track, and for
    all together, with a real header and each track's first packet, because some containers refuse a track only at the
    end.
    """
    kept: dict[int, str] = {}
    left_out: list[str] = []
    names: dict[int, str] = {}
    with opened(film.path) as source, TemporaryDirectory() as folder:
        if not _can_hold(film, folder, target.suffix, encoding, {}):
            others = [suffix for suffix in CONTAINERS if _can_hold(film, folder, suffix, encoding, {})]
            advice = f"choose {' or '.join(others)}, or another --codec" if others else "choose another --codec"
            raise InputError(f"{target.suffix} films can't hold {encoding.codec} pictures of {film.path}: {advice}")
        pictures = picture_stream(source)
        for stream in source.streams:
            if stream.index == pictures.index or _is_made_anew(stream, source, target):
                continue
            is_cover = _is_cover(stream) and target.suffix.lower() in COVERS
            known = is_cover or (stream.type in COPIED and not _is_unknown(stream))
            names[stream.index] = _name(stream)
            ways = ("", *(encoders_for(stream) if stream.type == "audio" else ())) if known else ()
            for encoder in ways:
                if _can_hold(film, folder, target.suffix, encoding, {stream.index: encoder}):
                    kept[stream.index] = encoder
                    break
            else:
                left_out.append(names[stream.index])
        while kept and not _can_hold(film, folder, target.suffix, encoding, kept):
            left_out.append(names[kept.popitem()[0]])
        for stream in (pictures, *(source.streams[number] for number in kept)):
            language = stream.metadata.get("language", UNDETERMINED)
            if not held_language(language, target.suffix):
                left_out.append(f"the language {language} of {_name(stream)}")
    remade = tuple(f"{names[number]}: it becomes {encoder}" for number, encoder in kept.items() if encoder)
    return Tracks(kept, remade, tuple(left_out))


def _name(stream: Any) -> str:
    name = getattr(stream, "name", None)
    return f"track {stream.index} ({stream.type}{f', {name}' if name else ''})"


def _is_unknown(stream: Any) -> bool:
    return stream.type == "data" and not getattr(stream, "name", None)


def _is_made_anew(stream: Any, source: InputContainer, target: Path) -> bool:
    """Whether it is the list of chapters, or the timecode if QuickTime's containers make a track of it themselves."""
    if stream.type != "data":
        return False
    is_timecode = "timecode" in stream.metadata and target.suffix.lower() in QUICKTIME
    return is_timecode or (stream.name == "bin_data" and bool(source.chapters()))


def _is_cover(stream: Any) -> bool:
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def _can_hold(film: Film, folder: str, suffix: str, encoding: Encoding, kept: dict[int, str]) -> bool:
    """Whether a film of a header, and one packet of each of some tracks, can be written. kept: as in Tracks."""
    path = Path(folder) / f"scratch{suffix}"
    try:
        with av.open(local(film.path)) as source, av.open(str(path), "w") as container:
            add_pictures(container, film, encoding).metadata.update(picture_stream(source).metadata)
            copies = _copy_streams(film, source, container, kept)
            makers = _sound_makers(source, copies, kept)
            _keep_film_facts(source, container, Fraction(0), None)
            container.start_encoding()
            awaited = set(copies)
            for packet in islice(source.demux(), PROBED_PACKETS if awaited else 0):
                number = packet.stream.index
                if number in awaited and packet.size and (packet.pts is not None or _is_cover(packet.stream)):
                    awaited.remove(number)
                    packet.pts = packet.dts = 0
                    for copied in _for_target(packet, source.streams[number], copies[number], makers.get(number)):
                        container.mux(copied)
                if not awaited:
                    break
            for maker in makers.values():
                container.mux(list(maker.packets(None)))
    except REFUSALS as error:
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            raise OutputError(f"cannot write to {folder}, where tracks are tried: {reason_of(error)}") from error
        return False
    return True


def assemble(
    film: Film,
    segments: list[Segment],
    target: Path,
    kept: dict[int, str],
    first: int | None,
    last: int | None,
    mark: str | None = None,
) -> None:
    """Put segments together, with everything else of the film. Raises OutputError, InputError for a damaged source.

    kept: as in Tracks. first: the tick before which nothing is kept, and
    which becomes time 0; without it the film's earliest track begins at 0. last: the tick from which on nothing is
    kept. mark: a line for the comment of the container.
    """
    temporary = unfinished(target)
    with opened(film.path) as source:
        try:
            with av.open(local(temporary), "w") as container:
                with av.open(local(segments[0].path)) as segment:
                    video = container.add_stream_from_template(segment.streams.video[0])
                    _keep_picture_facts(film, source, video, target.suffix)
                copies = _copy_streams(film, source, container, kept)
                shift = (film.origin if first is None else first) * film.time_base
                begin, end = None if first is None else shift, None if last is None else last * film.time_base
                _keep_film_facts(source, container, shift, end)
                if mark:
                    add_mark(container.metadata, mark)
                makers = _sound_makers(source, copies, kept)
                strict = target.suffix.lower() in QUICKTIME
                clocks = {number: _clock(source.streams[number], strict and number not in makers) for number in copies}
                packets = heapq.merge(
                    _video_packets(film, segments, video, shift),
                    _other_packets(film, source, copies, makers, clocks, shift, begin, end),
                    key=lambda timed: timed[0],
                )
                for _, packet in packets:
                    container.mux(packet)
            if mark:
                seal(temporary, mark)
            keep_permissions(target, temporary)
            os.replace(temporary, target)
        except (OSError, av.FFmpegError) as error:
            raise OutputError(f"cannot write {target}: {reason_of(error)}") from error
        finally:
            temporary.unlink(missing_ok=True)


def _keep_picture_facts(film: Film, source: InputContainer, video: Any, suffix: str) -> None:
    stream = picture_stream(source)
    video.metadata.update(facts_of(stream, suffix))
    video.disposition = stream.disposition
    context = video.codec_context
    if film.aspect:
        video.sample_aspect_ratio = film.aspect
    context.framerate = film.rate
    set_tags(context, film.target_tags)
    if film.fields:
        numbers = [number for number, name in ORDERS.items() if name == film.fields]
        context.field_order = film.field_tag if film.field_tag in ORDERS else numbers[0]
    if film.matrix:
        video.set_display_matrix(film.matrix)


def _copy_streams(
    film: Film, source: InputContainer, container: OutputContainer, kept: dict[int, str]
) -> dict[int, Any]:
    """New tracks for some of the source's, by their numbers there; none for one that a header has as a whole."""
    copies: dict[int, Any] = {}
    for number, encoder in kept.items():
        stream: Any = source.streams[number]
        if _is_cover(stream) and Path(container.name).suffix.lower() in ATTACHING:
            kind = stream.codec_context.name
            name, mime = stream.metadata.get("filename"), stream.metadata.get("mimetype")
            container.add_attachment(name or f"cover.{kind}", mime or f"image/{kind}", _first_packet(film, number))
            continue
        if encoder:
            copy: Any = add_sound(container, stream, encoder)
        elif _becomes_timed_text(stream, container):
            copy = container.add_stream("mov_text")
            stream.codec_context.open(strict=False)
            copy.codec_context.subtitle_header = stream.codec_context.subtitle_header
            copy.codec_context.time_base = copy.time_base = stream.time_base
        else:
            copy = container.add_stream_from_template(stream)
            if stream.type == "audio" and stream.layout.name != layout_of(stream):  # MP4 wants to know it
                copy.codec_context.layout = layout_of(stream)
        copy.metadata.update(facts_of(stream, Path(container.name).suffix))
        copy.disposition = stream.disposition
        copies[number] = copy
    return copies


def _first_packet(film: Film, number: int) -> bytes:
    """A cover has no other."""
    with opened(film.path) as source:
        return next((bytes(each) for each in source.demux() if each.stream.index == number and each.size), b"")


def _becomes_timed_text(stream: Any, container: OutputContainer) -> bool:
    return (
        stream.type == "subtitle" and stream.codec_context.name in PLAIN_TEXT
        and Path(container.name).suffix.lower() in QUICKTIME
    )  # fmt: skip


def _sound_makers(source: InputContainer, copies: dict[int, Any], kept: dict[int, str]) -> dict[int, SoundMaker]:
    return {number: SoundMaker(source.streams[number], copies[number]) for number, encoder in kept.items() if encoder}


def _for_target(packet: Any, stream: Any, copy: Any, maker: SoundMaker | None) -> Iterator[Any]:
    """A source's packet as the target's track takes it."""
    if maker:
        yield from maker.packets(packet)
        return
    if copy.type == "subtitle" and copy.codec_context.name == "mov_text" != stream.codec_context.name:
        shown = stream.codec_context.decode2(packet)
        if shown is None:
            return
        text = copy.codec_context.encode_subtitle(shown)
        text.pts, text.dts, text.duration, text.time_base = packet.pts, packet.pts, packet.duration, packet.time_base
        packet = text
    packet.stream = copy
    yield packet


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
        with av.open(local(segment.path)) as container:
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
    makers: dict[int, SoundMaker],
    clocks: dict[int, Clock],
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
            break
        number, earlier = packet.stream.index, round(shift / packet.time_base)
        if _is_cover(packet.stream) and packet.size:
            packet.pts = packet.dts = earlier
        time = packet.dts if packet.pts is None else packet.pts
        if time is None:
            continue  # the end
        time = clocks[number].follow(time, packet.duration or 0)
        at = time * packet.time_base
        if (begin is not None and at < begin) or (end is not None and at >= end):
            continue
        packet.pts = packet.dts = time - earlier
        for copied in _for_target(packet, source.streams[number], copies[number], makers.get(number)):
            yield float(at - shift), copied
    for maker in makers.values():
        yield from ((float(copied.dts * copied.time_base), copied) for copied in maker.packets(None))


def _clock(stream: Any, is_strict: bool) -> Clock:
    """is_strict: whether packets of sound can't have the same time; TrueHD's are shorter than Matroska's ticks."""
    return Clock(round(NEW_CLOCK / stream.time_base), 1 if is_strict and stream.type == "audio" else 0)
