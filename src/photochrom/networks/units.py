"""The one place that maps Lab units to the ranges that networks use.

Everything outside the networks uses CIELAB: luminance L in 0..100, chroma a and b in about
-110..110. Generators and discriminators call these functions on their own inputs and outputs, so the
training loop, the ONNX file and both inference backends never scale anything.
"""

from __future__ import annotations

from torch import Tensor

LUMINANCE_MIDDLE = 50.0  # L of middle gray, mapped to 0
LUMINANCE_RANGE = 50.0  # L = 0..100 becomes -1..1
CHROMA_RANGE = 110.0  # a, b = -110..110 become -1..1; sRGB reaches -108 (blue's b) and 98 (magenta's a)


def scale_luminance(luminance: Tensor) -> Tensor:
    """L in 0..100 to -1..1."""
    return (luminance - LUMINANCE_MIDDLE) / LUMINANCE_RANGE


def scale_chroma(chroma: Tensor) -> Tensor:
    """a, b in Lab units to about -1..1."""
    return chroma / CHROMA_RANGE


def unscale_chroma(chroma: Tensor) -> Tensor:
    """Network chroma in about -1..1 to a, b in Lab units."""
    return chroma * CHROMA_RANGE
