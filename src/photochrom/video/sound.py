"""Sound that a container can't hold, made into sound that it can: without loss where the source has none."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

LAYOUTS = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}  # by the number of channels, of sound that has none
LOSSLESS = ("flac", "alac")  # encoders, the first that a container takes
LOSSY = ("aac",)
BITS_PER_CHANNEL = 128_000  # per second: AAC that is hard to tell from its source
GAP = 0.1  # seconds: where a source's times jump by more, there is silence; by less, they are rounded


def encoders_for(stream: Any) -> tuple[str, ...]:
    """FFmpeg's names of what a track of sound may become."""
    return LOSSLESS if stream.codec_context.codec.lossless else LOSSY


def layout_of(stream: Any) -> str:
    """The order of a track's channels; of sound that doesn't say it (DV in AVI) the usual one."""
    name = stream.layout.name
    return LAYOUTS.get(stream.channels, name) if name.endswith("channels") else name


def add_sound(container: Any, stream: Any, encoder: str) -> Any:
    """A new track for a track of sound that is made anew."""
    copy = container.add_stream(encoder, rate=stream.rate, layout=layout_of(stream))
    if encoder in LOSSY:
        copy.bit_rate = BITS_PER_CHANNEL * stream.channels
    elif stream.format.bits > 16:
        copy.format = {"flac": "s32", "alac": "s32p"}[encoder]
    return copy


class SoundMaker:
    """Decodes a track of sound and encodes it as another."""

    def __init__(self, stream: Any, copy: Any):
        self._stream, self._copy = stream, copy
        self._next: int | None = None  # sample; none before the first one

    def packets(self, packet: Any) -> Iterator[Any]:
        """What a packet becomes; without one, what is still held."""
        rate = self._stream.rate
        for frame in self._stream.codec_context.decode(packet):
            at = None if frame.pts is None else round(frame.pts * frame.time_base * rate)
            if self._next is None:
                self._next = at or 0
            if at is not None and at - self._next > GAP * rate:
                yield from self._encoded(_silence(frame, at - self._next))
            yield from self._encoded(frame)
        if packet is None:
            yield from self._copy.encode(None)

    def _encoded(self, frame: Any) -> Iterator[Any]:
        assert self._next is not None
        frame.pts, frame.time_base = self._next, Fraction(1, self._stream.rate)
        self._next += frame.samples
        yield from self._copy.encode(frame)


def _silence(like: Any, samples: int) -> Any:
    frame = av.AudioFrame(format=like.format.name, layout=like.layout.name, samples=samples)
    middle = 128 if like.format.name.startswith("u8") else 0
    for plane in frame.planes:
        plane.update(bytes([middle]) * plane.buffer_size)
    frame.sample_rate = like.sample_rate
    return frame
