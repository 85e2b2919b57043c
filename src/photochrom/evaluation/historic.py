"""The damages of old photographs, at three strengths, made on photographs whose colors are known.

Each function takes a picture in [0, 1], gray (S, S) or sRGB (S, S, 3), and returns the same picture made old. Training
has its own random degradations (training/augmentation.py); these are fixed, so that numbers can be compared.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from photochrom.evaluation.protocols import gray_of
from photochrom.photo.color import FloatArray
from photochrom.photo.resize import resize_matrix

STRENGTHS = {"light": 1, "middle": 2, "heavy": 3}
RANDOM = np.random.Generator


def faded(gray: FloatArray, strength: int, source: RANDOM) -> FloatArray:
    """Blacks rise and whites fall until 75, 50 or 30 % of the contrast is left, unevenly over the picture."""
    left = {1: 0.75, 2: 0.5, 3: 0.3}[strength]
    side = len(gray)
    slope = np.linspace(-0.1, 0.1, side)[:, None] * strength / 3  # one edge got more light
    return 0.58 + (gray - 0.5) * left + slope


def grainy(gray: FloatArray, strength: int, source: RANDOM) -> FloatArray:
    """Film grain of 5, 10 or 18 % of white, about one and a half pixels wide, strongest in the midtones."""
    amount = {1: 0.05, 2: 0.10, 3: 0.18}[strength]
    fine = source.standard_normal(gray.shape)
    grain = (fine + np.roll(fine, 1, 0) + np.roll(fine, 1, 1) + np.roll(fine, (1, 1), (0, 1))) / 2
    return gray + amount * grain * np.sqrt(np.clip(4 * gray * (1 - gray), 0.1, 1))


def scratched(gray: FloatArray, strength: int, source: RANDOM) -> FloatArray:
    """8, 20 or 45 bright and dark scratches, and ten times as many specks of dust."""
    damaged = gray.copy()
    side = len(gray)
    count = {1: 8, 2: 20, 3: 45}[strength]
    for _ in range(count):
        y, x, angle = *source.uniform(0, side, 2), source.normal(np.pi / 2, 0.3)  # mostly upright, as on film
        along = np.arange(source.uniform(0.1, 0.6) * side)
        rows, columns = (y + along * np.sin(angle)).astype(int), (x + along * np.cos(angle)).astype(int)
        inside = (rows >= 0) & (rows < side) & (columns >= 0) & (columns < side)
        damaged[rows[inside], columns[inside]] = source.choice([0.05, 0.95])
    specks = source.integers(0, side - 1, (10 * count, 2))
    for (y, x), tone in zip(specks, source.choice([0.1, 0.9], len(specks)), strict=True):
        damaged[y : y + 2, x : x + 2] = tone
    return damaged


def soft(gray: FloatArray, strength: int, source: RANDOM) -> FloatArray:
    """As if the lens resolved a half, a quarter or an eighth of the pixels in each direction."""
    side = len(gray)
    shrink = resize_matrix(side, side // 2**strength)
    grow = resize_matrix(side // 2**strength, side)
    return grow @ (shrink @ gray @ shrink.T) @ grow.T


def sepia(gray: FloatArray, strength: int, source: RANDOM) -> FloatArray:
    """Toned brown by 33, 67 or 100 %, (S, S, 3); the toning also lifts the shadows."""
    shadow, paper = np.array([0.44, 0.26, 0.08]), np.array([1.0, 0.95, 0.82])
    toned = shadow + (paper - shadow) * gray[..., None]
    return gray[..., None] + (toned - gray[..., None]) * strength / 3


def orthochromatic(rgb: FloatArray, strength: int) -> FloatArray:
    """Film that is less sensitive to red, at last not at all: lips and bricks become dark, blue skies white."""
    red, blue = {1: (0.15, 0.25), 2: (0.07, 0.40), 3: (0.0, 0.5)}[strength]
    return rgb @ np.array([red, 1 - red - blue, blue])


GRAY_WAYS: dict[str, Callable[[FloatArray, int, RANDOM], FloatArray]] = {
    "faded": faded,
    "grainy": grainy,
    "sepia": sepia,
    "scratched": scratched,
    "soft": soft,
}
WAYS = (*GRAY_WAYS, "orthochromatic")


def make_historic(rgb8: NDArray[np.uint8], way: str, strength: str, seed: int) -> NDArray[np.uint8]:
    """The photograph (S, S, 3) damaged in one of WAYS, at one of STRENGTHS; seed: selects the random damages."""
    if way in GRAY_WAYS:
        gray = gray_of(rgb8)[..., 0].astype(np.float32) / 255
        old = GRAY_WAYS[way](gray, STRENGTHS[strength], np.random.default_rng(seed))
    else:
        old = orthochromatic(rgb8.astype(np.float32) / 255, STRENGTHS[strength])
    if old.ndim == 2:
        old = old[..., None].repeat(3, axis=-1)
    return np.rint(np.clip(old, 0, 1) * 255).astype(np.uint8)
