"""Whether a photograph is in color already, so that nobody colors it again without knowing.

In a black-and-white photograph the color of a place follows from its luminance, whatever tint the paper, the toning or
time gave it: sepia, selenium, a cyanotype's blue, a yellowed print, two tones. So the usual chroma of each luminance is
taken away, and what is left is color of the things themselves. Little is left of noise, of a JPEG's artifacts and of
fringes, because small cells are averaged first; and stains, stamps or a date in red are less than a tenth of a picture.

docs/usage.md has what was measured: which color photographs pass for gray, and which old ones for color.
"""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray, PixelArray, rgb_to_lab
from photochrom.photo.resize import resize

SAMPLES = 512  # pixels of the long side that are looked at; a huge photograph takes no longer than a small one
CELLS = 32  # on the long side: what is averaged; more cells average too little grain and fringes away
GROUPS = 8  # of cells by luminance: enough for a cyanotype's bend, too few to follow a color photograph
COLORED_PART = 0.1  # of the cells; less may be a stain, a stamp, or the desk that a print was photographed on
COLORED = 5.0  # Lab units beside the tint: twice what a strongly and unevenly yellowed print has


def is_in_color(pixels: PixelArray) -> bool:
    """Whether an sRGB photograph, (H, W) or (H, W, 3), uint8, uint16 or float32 in [0, 1], has colors of its own."""
    if pixels.ndim == 2:
        return False
    return bool(np.quantile(_beside_tint(pixels), 1 - COLORED_PART) >= COLORED)


def _beside_tint(pixels: PixelArray) -> FloatArray:
    """The distance, in Lab units, between each cell's chroma and the usual chroma of its luminance; (cells,)."""
    lab = rgb_to_lab(_cells(pixels)).reshape(-1, 3)
    groups = np.array_split(lab[np.argsort(lab[:, 0], kind="stable")], GROUPS)
    usual = np.array([np.median(group, axis=0) for group in groups])  # a few strong colors don't move a median
    tint = [np.interp(lab[:, 0], usual[:, 0], usual[:, channel]) for channel in (1, 2)]
    return np.hypot(lab[:, 1] - tint[0], lab[:, 2] - tint[1])


def _cells(pixels: PixelArray) -> FloatArray:
    """The photograph in cells (h, w, 3), in [0, 1]."""
    step = -(-max(pixels.shape[:2]) // SAMPLES)
    few = pixels[::step, ::step]
    scale = 1 if few.dtype.kind == "f" else 1 / np.iinfo(few.dtype).max
    planes = np.moveaxis(few.astype(np.float32) * np.float32(scale), -1, 0)  # (3, H, W)
    smaller = min(1, CELLS / max(few.shape[:2]))
    height, width = (max(1, round(side * smaller)) for side in few.shape[:2])
    return np.moveaxis(resize(planes, height, width), 0, -1)
