"""How far a coloring is from the truth, and how certain a mean is. (`photo/color.py` has colorfulness.)

Every function takes the arrays of one photograph and returns one number, except `delta_e` (one number per pixel)
and the bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import MissingExtra
from photochrom.photo.color import FloatArray

MAX_PSNR = 100.0  # dB: the value of two equal pictures
MIN_SKIN_SHARE = 0.02  # of a photograph's pixels; fewer don't show people
WRONG_SKIN_HUE = 40.0  # degrees; skin that is off by more is green or purple
COLORFUL_CHROMA = 20.0  # Lab units: a true color that must not become gray
GRAY_CHROMA = 5.0  # Lab units: a predicted color that looks gray
BOOTSTRAP_DRAWS = 2000


def delta_e(lab1: FloatArray, lab2: FloatArray) -> FloatArray:
    """CIEDE2000 color difference of CIELAB (..., 3) and (..., 3): (...).

    Sharma, Wu & Dalal 2005, "The CIEDE2000 color-difference formula", with kL = kC = kH = 1. With the
    same L on both sides it is the color-only difference.
    """
    l1, a1, b1 = np.moveaxis(lab1.astype(np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(lab2.astype(np.float64), -1, 0)
    mean_c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1), np.arctan2(b2, a2)  # radians

    # Hue difference and mean hue are taken along the shorter arc; without chroma there is no hue.
    no_hue = c1 * c2 == 0
    turn = h2 - h1
    turn = np.where(turn > np.pi, turn - 2 * np.pi, np.where(turn < -np.pi, turn + 2 * np.pi, turn))
    turn = np.where(no_hue, 0, turn)
    mean_h = np.where(no_hue, h1 + h2, h1 + turn / 2)

    d_l, d_c, d_h = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(turn / 2)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(mean_h - np.radians(30))
        + 0.24 * np.cos(2 * mean_h)
        + 0.32 * np.cos(3 * mean_h + np.radians(6))
        - 0.20 * np.cos(4 * mean_h - np.radians(63))
    )
    degrees = np.degrees(mean_h) % 360
    rotation = np.radians(30 * np.exp(-(((degrees - 275) / 25) ** 2)))
    r_c = 2 * np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7))
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    s_c = 1 + 0.045 * mean_c
    s_h = 1 + 0.015 * mean_c * t
    terms = (d_l / s_l) ** 2 + (d_c / s_c) ** 2 + (d_h / s_h) ** 2
    cross = np.sin(2 * rotation) * r_c * (d_c / s_c) * (d_h / s_h)
    return np.sqrt(np.maximum(terms - cross, 0)).astype(np.float32)


def psnr(rgb8: NDArray[np.uint8], true_rgb8: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB over all channels of 8-bit sRGB; equal pictures count as 100 dB."""
    mean_square = np.square(rgb8.astype(np.float64) - true_rgb8).mean()
    return MAX_PSNR if mean_square == 0 else min(MAX_PSNR, float(10 * np.log10(255**2 / mean_square)))


def ssim(rgb8: NDArray[np.uint8], true_rgb8: NDArray[np.uint8]) -> float:
    """Structural similarity of 8-bit sRGB, the mean over channels.

    Wang et al. 2004 with their settings (Gaussian window, sigma 1.5, K1 0.01, K2 0.03), by scikit-image.
    Raises MissingExtra.
    """
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise MissingExtra("SSIM", "evaluate") from error
    similarity = structural_similarity(
        rgb8,
        true_rgb8,
        channel_axis=2,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(similarity)


def skin_mask(rgb8: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels (H, W) of a color photograph (H, W, 3) that have the color of human skin in daylight.

    Kovac, Peer & Solina 2003, "Human skin colour clustering for face detection". Sand and wood may have it too.
    """
    r, g, b = (rgb8[..., i].astype(np.int16) for i in range(3))
    spread = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    return (r > 95) & (g > 40) & (b > 20) & (spread > 15) & (r - g > 15) & (r > b)


def skin_difference(chroma: FloatArray, true_chroma: FloatArray, skin: NDArray[np.bool_]) -> tuple[float, float]:
    """Hue difference in degrees (-180..180, positive towards yellow) and chroma ratio on skin.

    chroma, true_chroma: a and b (2, H, W), whose means over the pixels of skin (H, W) are compared. Both results are
    NaN where less than 2 % of the pixels are skin; the hue difference also where the coloring is gray.
    """
    if skin.mean() < MIN_SKIN_SHARE:
        return np.nan, np.nan
    a, b = chroma[:, skin].mean(axis=1)
    true_a, true_b = true_chroma[:, skin].mean(axis=1)
    size, true_size = np.hypot(a, b), np.hypot(true_a, true_b)
    if size < 1e-3:
        return np.nan, 0.0
    turn = np.degrees(np.arctan2(b, a) - np.arctan2(true_b, true_a))
    return float((turn + 180) % 360 - 180), float(size / true_size)


def colorful_pixels(true_chroma: FloatArray) -> NDArray[np.bool_]:
    """Pixels (H, W) whose true chroma is over 20, from a and b (2, H, W)."""
    return np.hypot(*true_chroma) > COLORFUL_CHROMA


def left_gray(chroma: FloatArray, true_chroma: FloatArray) -> float:
    """Share of the colorful pixels that a coloring left gray: chroma under 5 where the truth's is over 20.

    chroma, true_chroma: a and b (2, H, W). NaN where no pixel is colorful.
    """
    colorful = colorful_pixels(true_chroma)
    return float((np.hypot(*chroma)[colorful] < GRAY_CHROMA).mean()) if colorful.any() else np.nan


def wrong_skin(hue_difference: FloatArray, chroma_ratio: FloatArray) -> FloatArray:
    """1 for every photograph (N,) whose skin is green or purple, 0 for the others, NaN for those without skin.

    hue_difference, chroma_ratio: what `skin_difference` returns. Skin is green or purple where its hue is off by more
    than 40 degrees; gray skin is not.
    """
    wrong = np.abs(np.nan_to_num(hue_difference)) > WRONG_SKIN_HUE
    return np.where(np.isnan(chroma_ratio), np.nan, wrong.astype(np.float64))


def variance_along_one_axis(chromas: Sequence[FloatArray]) -> float:
    """The share of the variance of colorings (2, H, W) of a photograph that their first principal component has, 0..1.

    At 1 they are all on one line, as from warm to cold: whoever looks at three has seen all. Few colorings are nearer
    to a line than many are: two are always on one.
    """
    colorings = np.stack([chroma.ravel() for chroma in chromas]).astype(np.float64)
    colorings -= colorings.mean(axis=0)
    variances = np.linalg.eigvalsh(colorings @ colorings.T)  # as many as there are colorings, the largest last
    return float(variances[-1] / variances.sum()) if variances[-1] > 0 else 1.0


class Estimate(NamedTuple):
    """A number and its 95 % bootstrap interval; all NaN if there is nothing to measure."""

    value: float
    low: float
    high: float


NOTHING = Estimate(np.nan, np.nan, np.nan)


def estimate(numerators: Sequence[FloatArray], denominators: Sequence[FloatArray] = (), seed: int = 0) -> Estimate:
    """The product of the numerators' means over the product of the denominators' means, and its interval.

    All arrays are (N,), of the same photographs. The interval is the bootstrap's, by percentiles (Efron & Tibshirani
    1993): each draw takes the same photographs from every array. Photographs with a NaN are left out, and so are
    draws whose denominator is 0.
    """
    arrays = np.stack([*numerators, *denominators])
    arrays = arrays[:, ~np.isnan(arrays).any(axis=0)]
    count = arrays.shape[1]
    if count == 0:
        return NOTHING
    above, below = arrays[: len(numerators)], arrays[len(numerators) :]
    divisor = np.prod(below.mean(axis=1))
    if divisor == 0:
        return NOTHING
    chosen = np.random.default_rng(seed).integers(0, count, (BOOTSTRAP_DRAWS, count))
    products = np.prod([values[chosen].mean(axis=1) for values in above], axis=0)
    divisors = np.prod([values[chosen].mean(axis=1) for values in below], axis=0) * np.ones(BOOTSTRAP_DRAWS)
    low, high = np.percentile(products[divisors != 0] / divisors[divisors != 0], [2.5, 97.5])
    return Estimate(float(np.prod(above.mean(axis=1)) / divisor), float(low), float(high))


def bootstrap_interval(values: FloatArray, over: FloatArray | None = None) -> tuple[float, float]:
    """95 % bootstrap interval of mean(values), or of mean(values) / mean(over); both (N,)."""
    found = estimate([values], [] if over is None else [over])
    return found.low, found.high
