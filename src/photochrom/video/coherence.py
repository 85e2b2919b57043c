"""Steady colors within a shot.

The network colors every frame by itself, and its colors flicker. Here the chroma of each frame is averaged with that of
the frames before it. The average is moved along with the motion in the picture (dense optical flow, Kroeger et al.
2016, in OpenCV). It is dropped where the luminance doesn't fit, because something was uncovered there. All of this
happens at the size that the network sees. The join at full size then follows the edges of the frame itself.
"""

from __future__ import annotations

import cv2
import numpy as np

from photochrom.inference.colorizer import Coloring
from photochrom.photo.color import FloatArray

MEMORY = 24.0  # frames that the average is made of, at most
LIKENESS = 6.0  # L units: carried luminance this far off halves what is remembered, about


class Coherence:
    """The running average of a shot."""

    def __init__(self) -> None:
        self._chroma: FloatArray | None = None  # (h, w, 2)
        self._luminance: FloatArray | None = None  # (h, w)
        self._frames: FloatArray | None = None  # (h, w): how many frames the average is made of

    def begin_shot(self) -> None:
        """Forget what was before."""
        self._chroma = self._luminance = self._frames = None

    def follow(self, coloring: Coloring) -> Coloring:
        """The coloring of the next frame, as the shot would have it."""
        fresh = np.ascontiguousarray(np.moveaxis(coloring.chroma, 0, -1))
        luminance = coloring.luminance
        if self._chroma is None or self._luminance is None or self._frames is None:
            average, frames = fresh, np.ones_like(luminance)
        else:
            places = self._where_from(luminance)
            carried = _carry(np.dstack([self._chroma, self._luminance, self._frames]), places)
            unlike = ((carried[..., 2] - luminance) / LIKENESS) ** 2
            remembered = (carried[..., 3] * np.exp(-unlike / 2))[..., None]
            average = (carried[..., :2] * remembered + fresh) / (remembered + 1)
            frames = np.minimum(remembered[..., 0] + 1, MEMORY)
        self._chroma, self._luminance, self._frames = average, luminance, frames
        return Coloring(np.ascontiguousarray(np.moveaxis(average, -1, 0)), luminance)

    def _where_from(self, luminance: FloatArray) -> FloatArray:
        """Where each pixel was in the frame before, (h, w, 2) as x, y."""
        assert self._luminance is not None
        # A new one per frame: its buffers keep something of earlier frames, and a resumed run would end differently.
        method = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)
        flow = method.calc(_to_8_bits(luminance), _to_8_bits(self._luminance), None)
        rows, columns = np.mgrid[: luminance.shape[0], : luminance.shape[1]].astype(np.float32)
        return np.dstack([columns + flow[..., 0], rows + flow[..., 1]])

    def state(self) -> dict[str, FloatArray]:
        """What is remembered, to go on from elsewhere."""
        if self._chroma is None or self._luminance is None or self._frames is None:
            return {}
        return {"chroma": self._chroma, "luminance": self._luminance, "frames": self._frames}

    def restore(self, state: dict[str, FloatArray]) -> None:
        """Go on from a state."""
        self._chroma, self._luminance, self._frames = (state.get(k) for k in ("chroma", "luminance", "frames"))


def _carry(planes: FloatArray, places: FloatArray) -> FloatArray:
    return cv2.remap(planes, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _to_8_bits(luminance: FloatArray) -> np.ndarray:
    return np.rint(luminance * 2.55).astype(np.uint8)
