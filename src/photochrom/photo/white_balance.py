"""Warmth: a white balance of the colors along the daylight locus, at constant luminance.

The white of the photograph moves from D65 towards D50, the warm light of a morning (warmth 1), or as far towards the
blue light of a clear sky (warmth -1, about 9,300 K). Steps are even in mired (a million divided by the color
temperature in kelvin), in which equal steps look equally large. The whites are those of CIE 15:2004, daylight
illuminants, so they move along yellow and blue, and a little along green and magenta as daylight does.

Colors follow as in CIELAB's own adaptation: X and Z are scaled, Y stays. In Lab this is linear:

    a' = gx * a + 500 * (gx - 1) * (L + 16) / 116
    b' = gz * b + 200 * (1 - gz) * (L + 16) / 116

with gx and gz the cube roots of what X and Z are multiplied by. The second terms are the tint that gray places take.
(It is exact above L = 8, where Lab's cube root begins.)
"""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray

NEUTRAL_KELVIN = 6504.0  # D65, the white of sRGB
WARMEST_KELVIN = 5003.0  # D50
WARM_LOCUS_KELVIN = 7000.0  # the daylight locus has one formula up to here, and another one above


def with_warmth(chroma: FloatArray, luminance: FloatArray, warmth: float) -> FloatArray:
    """Chroma (2, h, w) over luminance (h, w) in 0..100, warmer (up to 1) or colder (down to -1); 0 changes nothing."""
    if warmth == 0:
        return chroma
    white, neutral = daylight_white(kelvin_of(warmth)), daylight_white(NEUTRAL_KELVIN)
    gain_x, gain_z = (float(np.cbrt(one / other)) for one, other in zip(white, neutral, strict=True))
    gains = np.array([gain_x, gain_z], np.float32)[:, None, None]
    tint = np.array([500 * (gain_x - 1), 200 * (1 - gain_z)], np.float32)[:, None, None]
    return gains * chroma + tint * ((luminance + np.float32(16)) / np.float32(116))


def kelvin_of(warmth: float) -> float:
    """The color temperature of the white at a warmth."""
    neutral, warmest = 1e6 / NEUTRAL_KELVIN, 1e6 / WARMEST_KELVIN
    return 1e6 / (neutral + warmth * (warmest - neutral))


def daylight_white(kelvin: float) -> tuple[float, float]:
    """X and Z (Y = 1) of the CIE daylight illuminant of a color temperature, 4,000 to 25,000 K."""
    if kelvin <= WARM_LOCUS_KELVIN:
        x = -4.6070e9 / kelvin**3 + 2.9678e6 / kelvin**2 + 0.09911e3 / kelvin + 0.244063
    else:
        x = -2.0064e9 / kelvin**3 + 1.9018e6 / kelvin**2 + 0.24748e3 / kelvin + 0.237040
    y = -3 * x**2 + 2.870 * x - 0.275
    return x / y, (1 - x - y) / y
