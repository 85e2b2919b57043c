"""How far a coloring is from the truth, how colorful it is, and how sure one can be of a mean.

Every function takes one photograph's arrays and returns one number, except `delta_e` (one a pixel) and
the bootstrap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import MissingExtra
from photochrom.photo.color import FloatArray

MAX_PSNR = 100.0  # dB: what two equal pictures count as
MIN_SKIN_SHARE = 0.02  # of a photograph's pixels; fewer say nothing of people
BOOTSTRAP_DRAWS = 2000


def delta_e(lab1: FloatArray, lab2: FloatArray) -> FloatArray:
    """CIEDE2000 color difference of CIELAB (..., 3) and (..., 3): (...).

    Sharma, Wu & Dalal 2005, "The CIEDE2000 color-difference formula", with kL = kC = kH = 1. Give both the
    same L, and it is the color-only difference.
    """
    l1, a1, b1 = np.moveaxis(lab1.astype(np.float64), -1, 0)
    l2, a2, b2 = np.moveaxis(lab2.astype(np.float64), -1, 0)
    mean_c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.arctan2(b1, a1), np.arctan2(b2, a2)  # radians

    # Hue difference and mean hue go the shorter way round; without chroma there is no hue.
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


def colorfulness(rgb: FloatArray) -> float:
    """Colorfulness of sRGB (H, W, 3) in [0, 1], on the 0..255 scale of the literature.

    Hasler & Suesstrunk 2003, M3, with absolute rg and yb, as the colorization literature computes it.
    """
    r, g, b = np.moveaxis(rgb.astype(np.float64) * 255, -1, 0)
    rg, yb = np.abs(r - g), np.abs((r + g) / 2 - b)
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


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

    Of the mean chroma over the skin's pixels: chroma and true_chroma (2, H, W), skin (H, W). Both are NaN
    where less than 2 % of the pixels are skin; the hue also where the coloring is gray.
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


def bootstrap_interval(values: FloatArray, over: FloatArray | None = None, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of mean(values), or of mean(values) / mean(over); both (N,).

    Efron & Tibshirani 1993, percentile method; numerator and denominator are drawn together, photograph by
    photograph. NaN values are left out.
    """
    kept = ~np.isnan(values)
    values, over = values[kept], over[kept] if over is not None else None
    if len(values) == 0:
        return np.nan, np.nan
    chosen = np.random.default_rng(seed).integers(0, len(values), (BOOTSTRAP_DRAWS, len(values)))
    means = values[chosen].mean(axis=1)
    if over is not None:
        means = means / over[chosen].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
