"""A VapourSynth filter: `photochrom.vapoursynth.colorize(clip)`.

Frames take the way of `photochrom video`: their planes become a picture of PyAV, which is read, colored and turned into
Y, Cb, Cr by the same functions. VapourSynth asks for frames from several threads and in any order, but steady colors
need them in order. So a frame that comes too early brings those before it along.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from photochrom.coloring import Look
from photochrom.errors import InputError, MissingExtra
from photochrom.inference.colorizer import Coloring, Colorizer
from photochrom.inference.model import Backend
from photochrom.photo.color import PixelArray
from photochrom.photo.decoding import read_photograph
from photochrom.photo.hints import Hint
from photochrom.settings import AUTO, DEFAULT_MODEL, MAX_HINTS, STRENGTH, WARMTH, WORKING_SIZE

try:
    import av
    import cv2
    import vapoursynth as vs

    from photochrom.video.coherence import Coherence
    from photochrom.video.colorize import FilmOptions, color_picture
    from photochrom.video.colors import (
        FULL,
        LIMITED,
        UNSPECIFIED,
        ColorTags,
        plane_of,
        source_tags,
        target_tags,
        to_srgb,
        yuv_of,
    )
    from photochrom.video.fields import fields_to_srgb
    from photochrom.video.joining import join_picture
    from photochrom.video.stream import Stream
    from photochrom.video.tracking import FilmHint, read_film_hints
except ImportError as error:
    raise MissingExtra("the VapourSynth filter", "vapoursynth") from error

__all__ = ["FilmHint", "Hint", "colorize", "reference_hints"]

DEPTHS = (8, 9, 10, 12, 14, 16)  # bits that FFmpeg has formats for
AHEAD = 32  # frames that may be asked for before their turn, at least; and so many are kept that were
FIELDS = {1: "bb", 2: "tt"}  # _FieldBased: the lower or the upper field first
RANGE = "_Range" if hasattr(vs, "Range") else "_ColorRange"  # the second is the older, with the numbers swapped
STALE = ("_Range", "_ColorRange", "_ChromaLocation")  # properties of a frame that its color version doesn't take over
REFERENCE = re.compile(r"ref_(\d+)\.(png|jpg|jpeg)", re.IGNORECASE)  # HAVC's names
HINTS_ACROSS = 6  # hints that a reference frame gives, from left to right
PATCH = 4  # pixels around a hint's place whose median is its color


def colorize(
    clip: vs.VideoNode,
    *,
    strength: float = STRENGTH.default,
    warmth: float = WARMTH.default,
    seed: int | None = None,
    steady: bool = True,
    hints: str | Path | Sequence[FilmHint] = (),
    model: str | Backend = DEFAULT_MODEL,
    working_size: int = int(WORKING_SIZE.default),
    threads: int = 0,
    device: str = AUTO,
    format: int = vs.YUV444P16,
) -> vs.VideoNode:
    """The clip in color, frame by frame as frames are asked for.

    clip: GRAY, YUV or RGB of 8 to 16 bits, half or single precision; only its light is used. Its frames' properties say
    what its numbers mean, as they do for `photochrom video`; gray without _Range is full range. strength, warmth, seed,
    model, working_size, device: those of `photochrom video`. steady: hold colors together within shots; frames are
    colored in order then, and a frame far from the last one is refused. hints: a file of hints, or hints by time; they
    too need frames in order. threads: of the network, 0 for all cores. format: RGB or YUV without subsampling.

    Raises InputError, WeightsError for the model, or DeviceError.
    """
    if not isinstance(clip, vs.VideoNode) or clip.format is None or not clip.width:
        raise InputError("the filter takes a video clip whose frames all have one format and size")
    target = clip.std.BlankClip(format=_checked(format), keep=True)
    source = _readable(clip)
    given = read_film_hints(Path(hints), (clip.width, clip.height)) if isinstance(hints, (str, Path)) else tuple(hints)
    for each in given:
        if not (0 <= each.hint.x < clip.width and 0 <= each.hint.y < clip.height):
            size = f"{clip.width} x {clip.height} pixels"
            raise InputError(f"the hint at {each.hint.x:g},{each.hint.y:g} is outside the clip, {size}")
    options = FilmOptions(look=Look(strength, seed, warmth=warmth), hints=given, steady=steady)
    colorizer = Colorizer(model, working_size=working_size, threads=threads, device=device)
    _read(source.get_frame(0))  # raises for what can't be colored, before the work begins
    if not (steady or given):
        return target.std.ModifyFrame([source, target], partial(_color_alone, colorizer, options))
    rate = clip.fps if clip.fps > 0 else _rate_for(given)
    turn = _Turn(lambda: Stream(colorizer, options, (clip.width, clip.height), rate), max(AHEAD, 2 * _threads()))
    color = partial(_color_in_turn, colorizer, options, turn)

    def bring(numbers: range) -> vs.VideoNode:
        """A clip whose frame numbers[-1] is in color, if the numbers are those of frames whose turn it is."""
        earlier = [source[number] for number in numbers[:-1]]
        return target.std.ModifyFrame([*earlier, source, target], partial(color, numbers))

    alone = target.std.ModifyFrame([source, target], partial(color, None))

    def choose(n: int) -> vs.VideoNode:
        numbers = turn.due(n)
        return alone if len(numbers) == 1 else bring(numbers)

    return target.std.FrameEval(choose)


def reference_hints(folder: str | Path, clip: vs.VideoNode, across: int = HINTS_ACROSS) -> tuple[FilmHint, ...]:
    """Hints from frames that somebody has colored: ref_000123.png (or .jpg) is the clip's frame 123, of any size.

    across: hints from left to right; from top to bottom there are as many as keep their distances alike. They are
    colors, not places with an edge, so they reach as far as their things seem to. Raises InputError.
    """
    if clip.fps <= 0:
        raise InputError("hints need a clip with a frame rate: call std.AssumeFPS first")
    try:
        paths = sorted(path for path in Path(folder).iterdir() if REFERENCE.fullmatch(path.name))
    except OSError:
        raise InputError(f"cannot read the folder {folder}") from None
    if not paths:
        raise InputError(f"{folder} has no reference frames: their names are ref_000123.png or ref_000123.jpg")
    down = max(1, round(across * clip.height / clip.width))
    if across < 1 or across * down > MAX_HINTS:
        raise InputError(f"across is at least 1, and a frame has at most {MAX_HINTS} hints: not {across}")
    hints: list[FilmHint] = []
    for path in paths:
        pixels = read_photograph(path).pixels
        if pixels.ndim != 3:
            raise InputError(f"{path} is gray: a reference frame needs colors")
        number = int(REFERENCE.fullmatch(path.name)[1])  # type: ignore[index] # it matched above
        time = float(number / clip.fps)
        places = [((i + 0.5) / across, (j + 0.5) / down) for j in range(down) for i in range(across)]
        hints += [FilmHint(time, Hint(x * clip.width, y * clip.height, _color_at(pixels, x, y))) for x, y in places]
    return tuple(hints)


def _color_at(pixels: PixelArray, x: float, y: float) -> str:
    """The color of pixels (H, W, 3) around a place, x and y in [0, 1): #rrggbb."""
    row, column = int(y * pixels.shape[0]), int(x * pixels.shape[1])
    patch = pixels[max(0, row - PATCH) : row + PATCH + 1, max(0, column - PATCH) : column + PATCH + 1]
    most = 1.0 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max
    red, green, blue = np.rint(np.median(patch, axis=(0, 1)) / most * 255).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _rate_for(hints: tuple[FilmHint, ...]) -> Any:
    """The rate of a clip that has none, which only finding shots needs."""
    if hints:
        raise InputError("hints need a clip with a frame rate: call std.AssumeFPS first")
    return vs.core.std.BlankClip(length=1).fps


def _threads() -> int:
    return int(vs.core.num_threads)


# Formats


def _checked(format: int) -> vs.VideoFormat:
    """The format of the output. Raises InputError."""
    try:
        found = vs.core.get_video_format(format)
    except (vs.Error, TypeError):
        found = None
    if found is None or found.color_family == vs.UNDEFINED:
        raise InputError(f"VapourSynth has no format {format}: try vs.YUV444P16 or vs.RGBS")
    is_whole = found.color_family in (vs.RGB, vs.YUV) and not (found.subsampling_w or found.subsampling_h)
    if not is_whole or (found.sample_type == vs.INTEGER and found.bits_per_sample not in DEPTHS):
        raise InputError(f"colors are written as RGB or 4:4:4, such as vs.YUV444P16 or vs.RGBS, not as {found.name}")
    return found


def _readable(clip: vs.VideoNode) -> vs.VideoNode:
    """The clip in a format that FFmpeg has too."""
    if _ffmpeg_format(clip.format):
        return clip
    whole = {vs.GRAY: vs.GRAY16, vs.YUV: vs.YUV444P16, vs.RGB: vs.RGB48}
    return clip.resize.Bicubic(format=whole[clip.format.color_family])


def _ffmpeg_format(format: vs.VideoFormat) -> str:
    """FFmpeg's name of a format, or nothing if it has none."""
    bits = format.bits_per_sample
    if format.sample_type != vs.INTEGER or bits not in DEPTHS:
        return ""
    depth = f"{bits}le" if bits > 8 else ""
    if format.color_family == vs.GRAY:
        return f"gray{depth}"
    if format.color_family == vs.RGB:
        return f"gbrp{depth}"
    layout = {(0, 0): "444", (1, 0): "422", (1, 1): "420"}.get((format.subsampling_w, format.subsampling_h))
    return f"yuv{layout}p{depth}" if layout else ""


class _Source(NamedTuple):
    """A frame as it came: the picture as it is stored, its sRGB (H, W) or (H, W, 3), the order of its fields."""

    picture: av.VideoFrame
    pixels: PixelArray
    fields: str


def _read(frame: vs.VideoFrame) -> _Source:
    picture = _picture(frame)
    fields = FIELDS.get(frame.props.get("_FieldBased", 0), "")
    deep = frame.format.bits_per_sample > 8
    pixels = (fields_to_srgb if fields else to_srgb)(picture, source_tags(picture, "the clip"), deep)
    return _Source(picture, pixels, fields)


def _picture(frame: vs.VideoFrame) -> av.VideoFrame:
    picture = av.VideoFrame(frame.width, frame.height, _ffmpeg_format(frame.format))
    planes = (1, 2, 0) if frame.format.color_family == vs.RGB else range(frame.format.num_planes)  # FFmpeg's G, B, R
    for number, plane in enumerate(planes):
        plane_of(picture, number)[...] = np.asarray(frame[plane])
    props = frame.props
    picture.colorspace = int(props.get("_Matrix", UNSPECIFIED))
    picture.color_primaries = int(props.get("_Primaries", UNSPECIFIED))
    picture.color_trc = int(props.get("_Transfer", UNSPECIFIED))
    if "_Range" in props:
        picture.color_range = FULL if props["_Range"] == 1 else LIMITED
    elif "_ColorRange" in props:
        picture.color_range = LIMITED if props["_ColorRange"] == 1 else FULL
    return picture


# Frames


def _color_alone(colorizer: Colorizer, options: FilmOptions, n: int, f: list[vs.VideoFrame]) -> vs.VideoFrame:
    """A frame in color, by itself."""
    source = _read(f[0])
    colorings = color_picture(Coherence(), colorizer, source.pixels, source.fields, options, ())
    return _written(f, source, colorings, colorizer, options)


def _color_in_turn(
    colorizer: Colorizer, options: FilmOptions, turn: _Turn, numbers: range | None, n: int, f: list[vs.VideoFrame]
) -> vs.VideoFrame:
    """A frame in color. f: those before it that were missing, itself, and a blank one. numbers: theirs."""
    source = _read(f[-2])
    colorings = turn.colorings(
        numbers or range(n, n + 1), lambda place: (f[place], source if place == len(f) - 2 else _read(f[place]))
    )
    return _written(f, source, colorings, colorizer, options)


def _written(
    f: list[vs.VideoFrame], source: _Source, colorings: tuple[Coloring, ...], colorizer: Colorizer, options: FilmOptions
) -> vs.VideoFrame:
    target, pixels = f[-1].copy(), source.pixels
    if pixels.dtype == np.uint8 and target.format.bits_per_sample > 8:
        pixels = pixels.astype(np.uint16) * 257
    colored = join_picture(colorizer, pixels, colorings, source.fields, options.look)
    tags = target_tags(source.picture)
    for number, plane in enumerate(_planes(colored, tags, target.format)):
        np.asarray(target[number])[...] = plane
    target.props.update({name: value for name, value in f[-2].props.items() if name not in STALE})
    is_rgb = target.format.color_family == vs.RGB
    target.props["_Matrix"] = vs.MATRIX_RGB if is_rgb else tags.matrix
    target.props["_Primaries"], target.props["_Transfer"] = tags.primaries, tags.transfer
    target.props[RANGE] = vs.RANGE_FULL if is_rgb or tags.full else vs.RANGE_LIMITED
    return target


def _planes(pixels: PixelArray, tags: ColorTags, format: vs.VideoFormat) -> list[PixelArray]:
    """What is stored of colored pixels (H, W, 3), uint8 or uint16: three planes (H, W)."""
    most = np.iinfo(pixels.dtype).max
    if format.sample_type == vs.FLOAT:
        values = pixels / np.float32(most)
        if format.color_family == vs.YUV:
            matrix = replace(tags, full=True).to_yuv(16, 1) / 65535
            matrix[:, 3] = 0  # chroma is in -0.5..0.5
            values = cv2.transform(values, matrix)
    elif format.color_family == vs.YUV:
        values = yuv_of(pixels, tags, format.bits_per_sample)
    else:
        values = np.rint(pixels * ((2**format.bits_per_sample - 1) / most))
    return [values[..., number] for number in range(3)]


class _Turn:
    """Whose turn it is: the colorings of frames, in order, of which the last ones are kept."""

    def __init__(self, begin: Callable[[], Stream], ahead: int):
        """begin: a new stream. ahead: how many frames may be missing, and how many colorings are kept."""
        self._begin, self._ahead = begin, ahead
        self._stream, self._last = begin(), -1
        self._kept: dict[int, tuple[Coloring, ...]] = {}
        self._lock = threading.Lock()

    def due(self, n: int) -> range:
        """The numbers of the frames that have to be there for frame n, itself the last. Raises InputError."""
        if n in self._kept:
            return range(n, n + 1)
        first = self._last + 1 if n > self._last else 0  # whoever goes back to the beginning begins anew
        if n - first >= self._ahead:
            raise self._refusal(n)
        return range(first, n + 1)

    def colorings(self, numbers: range, read: Callable[[int], tuple[vs.VideoFrame, _Source]]) -> tuple[Coloring, ...]:
        """The colorings of the last frame of the numbers. read: what is known of the frame at a place among them."""
        with self._lock:
            n = numbers[-1]
            if n not in self._kept and n <= self._last:
                self._stream, self._last = self._begin(), -1
                self._kept.clear()
            for place, number in enumerate(numbers):
                if number == self._last + 1:
                    frame, source = read(place)
                    cut = frame.props.get("_SceneChangePrev")
                    self._kept[number] = self._stream.next(number, *source, None if cut is None else bool(cut))
                    self._last = number
                    self._kept.pop(number - self._ahead, None)
            if n not in self._kept:  # somebody began anew, or was much faster
                raise self._refusal(n)
            return self._kept[n]

    def _refusal(self, n: int) -> InputError:
        return InputError(
            f"steady colors and hints need a clip's frames in order, and frame {n} was asked for after frame "
            f"{self._last}: trim the clip before it is colored, or look around in it with steady=False"
        )
