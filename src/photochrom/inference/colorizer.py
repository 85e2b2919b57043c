"""The Colorizer: arrays in, arrays out; photograph -> luminance -> generator -> chroma -> photograph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from photochrom.errors import InputError, WeightsError, brief
from photochrom.inference.model import Backend, ModelInfo
from photochrom.inference.views import HINT_VIEW, Seen, View, join_views, views_of
from photochrom.inference.weights import load_model
from photochrom.photo.color import FloatArray, PixelArray, luminance_of
from photochrom.photo.freshening import freshen
from photochrom.photo.hint_bounds import bound_hints
from photochrom.photo.hints import Hint, check_hints, rasterize
from photochrom.photo.joining import join_linear, write_rgb
from photochrom.photo.kinds import join_array, split_array
from photochrom.photo.resize import resize_columns, resize_matrix
from photochrom.photo.spool import let_go, new_array
from photochrom.photo.upsampling import GuidedChroma, guide_chroma
from photochrom.photo.white_balance import with_warmth
from photochrom.settings import AUTO, DEFAULT_MODEL, MAX_SEED, STRENGTH, WARMTH, WORKING_SIZE, is_number

DEFAULT_WORKING_SIZE = int(WORKING_SIZE.default)
MAX_WORKING_ASPECT = 4.0  # the network gets longer pictures smaller, so that its cost is limited
BAND_PIXELS = 1 << 19  # pixels of the rows that share what is enlarged to their width
STRIP_PIXELS = 3 << 14  # pixels joined at a time: small enough for the processor's cache, large enough for NumPy


@dataclass(frozen=True)
class Coloring:
    """The network's prediction for one photograph: chroma (2, h, w) in Lab units over luminance (h, w).

    hinted: how much of the chroma is what hints ask for, (h, w) in 0..1; None without hints.
    """

    chroma: FloatArray
    luminance: FloatArray
    hinted: FloatArray | None = None

    def balanced(self, strength: float = STRENGTH.default, warmth: float = WARMTH.default) -> FloatArray:
        """The chroma (2, h, w) with warmth, except where hints ask for a color, times strength."""
        chroma = with_warmth(self.chroma, self.luminance, float(warmth))
        if self.hinted is not None:
            chroma = chroma + self.hinted * (self.chroma - chroma)
        return chroma * np.float32(strength)

    def guided(self, strength: float = STRENGTH.default, warmth: float = WARMTH.default) -> GuidedChroma:
        """The balanced chroma as a function of full-size luminance."""
        return guide_chroma(self.balanced(strength, warmth), self.luminance)


class Told(NamedTuple):
    """Hints on a photograph of a size (height, width)."""

    hints: tuple[Hint, ...]
    size: tuple[int, int]


class Colorizer:
    """Colors photographs with one model, which is loaded once.

    model: a bundled model's name, the path of an exported .onnx file or of a training run, or a Backend.
    working_size: the short side of the picture that the network sees, in pixels. threads: of the network, 0 for one per
    core that this process may use. device: where the network runs, one of settings.DEVICES, or one of several, as in
    "cuda:1"; a Backend has its own.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Backend = DEFAULT_MODEL,
        *,
        working_size: int = DEFAULT_WORKING_SIZE,
        threads: int = 0,
        device: str = AUTO,
    ):
        WORKING_SIZE.check(working_size, "working size in pixels")
        if not isinstance(model, (str, os.PathLike)) and not hasattr(model, "predict"):
            raise WeightsError(f"a model is a name, a path or a Backend, not a value of type {type(model).__name__}")
        self.backend = load_model(os.fspath(model), threads, device) if isinstance(model, (str, os.PathLike)) else model
        self.working_size = int(working_size)
        self.device = getattr(self.backend, "device", device)  # the one that "auto" has become

    @property
    def model_info(self) -> ModelInfo:
        """Facts about the model."""
        return self.backend.info

    def colorize(
        self,
        pixels: PixelArray,
        *,
        strength: float = STRENGTH.default,
        warmth: float = WARMTH.default,
        seed: int | None = None,
        hints: Sequence[Hint] = (),
    ) -> PixelArray:
        """Color a photograph.

        pixels: sRGB (H, W) or (H, W, C), gray or RGB, with or without alpha; bool, uint8, uint16 or floats in [0, 1];
        only its luminance is used. strength: multiplies the chroma. warmth: white balance of the colors, -1 (blue) to
        1 (yellow), see photo/white_balance.py. seed: None for the likeliest coloring, else the number of another
        plausible one. hints: colors at places, in pixels. Returns (H, W, 3), or (H, W, 4) with alpha, of the same type
        (uint8 for bool), whose L is the input's. Raises InputError.
        """
        check_balance(strength, warmth)
        plain, alpha = split_array(pixels)
        return join_array(self.apply(plain, self.predict_one(plain, seed, hints), strength, warmth), alpha, pixels)

    def colorize_batch(
        self,
        photographs: Sequence[PixelArray],
        *,
        strength: float = STRENGTH.default,
        warmth: float = WARMTH.default,
        seed: int | None = None,
    ) -> list[PixelArray]:
        """Color several photographs as `colorize` does; those of one shape go through the network together."""
        check_balance(strength, warmth)
        photographs = _listed(photographs)
        parts = [split_array(pixels) for pixels in photographs]
        colorings = self.predict([plain for plain, _ in parts], seed=seed)
        return [
            join_array(self.apply(plain, coloring, strength, warmth), alpha, pixels)
            for (plain, alpha), coloring, pixels in zip(parts, colorings, photographs, strict=True)
        ]

    def predict_one(self, pixels: PixelArray, seed: int | None = None, hints: Sequence[Hint] = ()) -> Coloring:
        """Run only the network, for one photograph."""
        return self.predict([pixels], seed=seed, hints=[hints])[0]

    def predict(
        self,
        photographs: Sequence[PixelArray],
        *,
        seed: int | None = None,
        hints: Sequence[Sequence[Hint]] | None = None,
    ) -> list[Coloring]:
        """Run only the network: one Coloring per photograph. `apply` does the rest at full size.

        hints: a list for each photograph. Raises InputError.
        """
        photographs = _listed(photographs)
        told = [()] * len(photographs) if hints is None else hints
        checked = [check_hints(each) for each in told] if isinstance(told, Iterable) else []
        if len(checked) != len(photographs):
            raise InputError(f"hints are a list of lists, one for each photograph, and so {len(photographs)} in all")
        for pixels in photographs:
            _check_pixels(pixels)
        smalls = [self.small_luminance(pixels) for pixels in photographs]
        sizes = [(p.shape[0], p.shape[1]) for p in photographs]
        return self.predict_small(smalls, sizes, seed=seed, hints=checked)

    def predict_small(
        self,
        smalls: Sequence[FloatArray],
        sizes: Sequence[tuple[int, int]],
        *,
        seed: int | None = None,
        hints: Sequence[Sequence[Hint]],
        views: Sequence[View] = (),
    ) -> list[Coloring]:
        """The same from what `small_luminance` made of photographs of these sizes (height, width).

        views: what the network sees of each, instead of `views_of` it; fewer take less time.
        """
        noise = noise_vector(seed, self.backend.info.noise_channels)
        fresh = [freshen(small) for small in smalls]
        looks = [tuple(views) or views_of(luminance) for luminance in fresh]
        chromas = self._predict(fresh, [None] * len(smalls), noise, looks)
        colorings = [Coloring(chroma, small) for chroma, small in zip(chromas, smalls, strict=True)]
        told = {i: Told(tuple(own), size) for i, (own, size) in enumerate(zip(hints, sizes, strict=True)) if own}
        seen = [fresh[i] for i in told]
        looks = [(HINT_VIEW,)] * len(told)
        without = self._predict(seen, [None] * len(told), noise, looks)
        hinted = self._predict(seen, list(told.values()), noise, looks)
        for (i, own), before, after in zip(told.items(), without, hinted, strict=True):
            chroma, reached = bound_hints(chromas[i], chromas[i] + after - before, smalls[i], *own)
            colorings[i] = Coloring(chroma, smalls[i], reached)
        return colorings

    def apply(
        self,
        pixels: PixelArray,
        coloring: Coloring,
        strength: float = STRENGTH.default,
        warmth: float = WARMTH.default,
    ) -> PixelArray:
        """Join a photograph's luminance with a coloring at full size; fast enough to try strengths and warmths.

        Raises InputError for pixels that `predict` refuses.
        """
        check_balance(strength, warmth)
        _check_pixels(pixels)
        if not isinstance(coloring, Coloring):
            raise InputError(f"a coloring is what predict returns, not a value of type {type(coloring).__name__}")
        guided = coloring.guided(strength, warmth)
        result = new_array((*pixels.shape[:2], 3), pixels.dtype)
        # One thread: NumPy's calls are so short here that several would wait for Python's lock as long as they compute.
        for band in _strips(pixels, BAND_PIXELS):
            _join_band(pixels, guided, band, result)
        return result

    def small_luminance(self, pixels: PixelArray) -> FloatArray:
        """L (h, w) in 0..100 at the working size, computed strip by strip, so that it takes little memory."""
        height, width = pixels.shape[:2]
        small_height, small_width = working_shape(height, width, self.working_size)
        vertical = resize_matrix(height, small_height)
        low = np.zeros((small_height, width), np.float32)  # as wide as the photograph, as low as the small picture
        for rows in _strips(pixels, STRIP_PIXELS):
            reached = np.flatnonzero(vertical[:, rows].any(axis=1))
            low[reached] += vertical[reached, rows] @ luminance_of(pixels[rows])
            let_go(pixels)
        return np.clip(resize_columns(low, small_width), 0, 100)

    def _predict(
        self,
        luminances: list[FloatArray],
        told: Sequence[Told | None],
        noise: FloatArray,
        looks: Sequence[tuple[View, ...]],
    ) -> list[FloatArray]:
        """Chroma (2, h, w) for each luminance (h, w), the mean of what is seen in its views.

        Those of one shape that are seen in the same views go through the network together.
        """
        predicted = list(luminances)
        kinds = [(luminance.shape, views) for luminance, views in zip(luminances, looks, strict=True)]
        for shape, views in dict.fromkeys(kinds):
            members = [i for i, kind in enumerate(kinds) if kind == (shape, views)]
            alike = [luminances[i] for i in members]
            seen = [self._see(view, alike, [told[i] for i in members], noise) for view in views]
            for i, *chromas in zip(members, *seen, strict=True):
                predicted[i] = join_views(chromas, luminances[i])
        return predicted

    def _see(self, view: View, luminances: list[FloatArray], told: list[Told | None], noise: FloatArray) -> list[Seen]:
        """What the network predicts in one view of luminances (h, w) of one shape."""
        shape = view.shape(luminances[0].shape, self.backend.info.size_multiple)
        rasters = np.stack(
            [np.zeros((3, *shape), np.float32) if own is None else rasterize(*own, shape) for own in told]
        )
        noise = np.repeat(noise[None], len(luminances), axis=0)
        chroma = self.backend.predict(view.of(luminances, shape), view.turned(rasters), noise)
        return [Seen(each, shape) for each in view.turned(chroma)]


def check_balance(strength: float, warmth: float) -> None:
    """Raises InputError for a strength or warmth out of range."""
    STRENGTH.check(strength, "strength")
    WARMTH.check(warmth, "warmth")


def working_shape(height: int, width: int, working_size: int) -> tuple[int, int]:
    """The (height, width) at which the network sees a photograph: its short side is working_size."""
    scale = working_size / min(height, width)
    scale = min(scale, MAX_WORKING_ASPECT * working_size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def noise_vector(seed: int | None, channels: int) -> FloatArray:
    """The noise (Z,) of a seed: zeros for None, a draw from N(0, 1) for a number. Raises InputError."""
    if seed is None:
        return np.zeros(channels, np.float32)
    if not is_number(seed, whole=True) or not 0 <= seed <= MAX_SEED:
        raise InputError(f"a seed is a whole number from 0 to {MAX_SEED}, not {brief(seed)}")
    return np.random.default_rng(seed).standard_normal(channels, np.float32)


def _listed(photographs: Iterable[PixelArray]) -> list[PixelArray]:
    if not isinstance(photographs, Iterable):
        raise InputError(f"photographs are a list of arrays, not a value of type {type(photographs).__name__}")
    return list(photographs)


def _check_pixels(pixels: PixelArray) -> None:
    if not isinstance(pixels, np.ndarray):
        raise InputError(f"a photograph's pixels are an array of NumPy, not a value of type {type(pixels).__name__}")
    if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)) or min(pixels.shape) < 1:
        raise InputError(f"a photograph is an array (H, W) or (H, W, 3), not {pixels.shape}")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"a photograph is of uint8, uint16 or float32, not {pixels.dtype}")
    if pixels.dtype == np.float32:
        for rows in _strips(pixels, BAND_PIXELS):
            if not (pixels[rows].min() >= 0 and pixels[rows].max() <= 1):
                raise InputError("a float32 photograph is in [0, 1], without NaN")
            let_go(pixels)


def _strips(pixels: PixelArray, size: int) -> Iterator[slice]:
    """Rows of about `size` pixels, from top to bottom."""
    height, width = pixels.shape[:2]
    rows = max(1, size // width)
    return (slice(first, min(first + rows, height)) for first in range(0, height, rows))


def _join_band(pixels: PixelArray, guided: GuidedChroma, band: slice, result: PixelArray) -> None:
    height, width = pixels.shape[:2]
    wide = guided.across(width, band.start, band.stop - band.start, height)
    for strip in _strips(pixels[band], STRIP_PIXELS):
        rows = slice(band.start + strip.start, band.start + strip.stop)
        luminance = luminance_of(pixels[rows])
        write_rgb(join_linear(luminance, wide.rows(luminance, rows.start)), result[rows])
    let_go(pixels, result)
