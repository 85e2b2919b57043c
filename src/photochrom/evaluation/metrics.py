"""How far a coloring is from the truth, and how colorful it is."""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray


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


def bootstrap_interval(values: FloatArray, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of values (N,)."""
    chosen = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    low, high = np.percentile(values[chosen].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
