"""Steady colors within a shot.

The network colors every frame by itself, and its colors flicker. Here the chroma of each frame is averaged with that of
the frames before it. The average is moved along with the motion in the picture (dense optical flow, Kroeger et al.
2016, in OpenCV). It is dropped where the luminance doesn't fit, because something was uncovered there. All of this
happens at the size that the network sees. The join at full size then follows the edges of the frame itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from photochrom.inference.colorizer import Coloring
from photochrom.photo.color import FloatArray

MEMORY = 24.0  # frames that the average is made of, at most
ONE_VIEW = 0.35  # frames: what a prediction for one view of a frame counts; the mean of both counts 1
KNOWN = 1.3  # frames: a place whose average is made of fewer isn't known yet
UNKNOWN = 0.01  # share of such places from which on the network has to see a frame
RESTS = 3  # frames that the network is spared in a row, at most
LIKENESS = 6.0  # L units: carried luminance this far off halves what is remembered, about
LEAST_SIDE = 32  # pixels: in smaller pictures OpenCV chooses a pyramid by their width, and reads beyond their rows
GRAIN = 2.0  # pixels: by so much (a standard deviation) the difference is blurred before, because grain is no motion


@dataclass(frozen=True)
class Memory:
    """What is remembered of a shot after a frame.

    chroma: (h, w, 2 or 3), the average of what was predicted. luminance: (h, w) of the frame. frames: (h, w), how many
    frames the average is made of. mirrored: whether the network last saw a frame mirrored. rests: how many frames
    it was spared since then. hints: how many the frame had.
    """

    chroma: FloatArray
    luminance: FloatArray
    frames: FloatArray
    mirrored: bool = False
    rests: int = 0
    hints: int = 0


class Coherence:
    """The running average of a shot.

    Because it is made of many frames, one frame need not add much. The network sees every frame of a shot but its first
    as it is or mirrored, in turn, and where the average explains the frames, it sees only every fourth one.
    """

    def __init__(self) -> None:
        self._memory: Memory | None = None

    def begin_shot(self) -> None:
        """Forget what was before."""
        self._memory = None

    def follow(self, luminance: FloatArray, predict: Callable[[bool | None], FloatArray], hints: int = 0) -> Coloring:
        """The coloring of the next frame, as the shot would have it.

        luminance: (h, w). predict: the network's chroma (2, h, w) for the frame as it is (False), mirrored (True), or
        the mean of both (None); a third plane says how much of it hints ask for. hints: how many there are; the network
        sees every frame where that changes.
        """
        before = self._memory
        if before is None:
            self._memory = Memory(np.moveaxis(predict(None), 0, -1), luminance, np.ones_like(luminance), hints=hints)
        else:
            places = _where_from(luminance, before.luminance)
            carried = _carry(np.dstack([before.chroma, before.luminance, before.frames]), places)
            unlike = (cv2.GaussianBlur(carried[..., -2] - luminance, (0, 0), GRAIN) / LIKENESS) ** 2
            average, frames = carried[..., :-2], carried[..., -1] * np.exp(-unlike / 2)
            is_known = hints == before.hints and (frames < KNOWN).mean() <= UNKNOWN
            if is_known and before.rests < RESTS:
                self._memory = Memory(average, luminance, frames, before.mirrored, before.rests + 1, hints)
            else:
                fresh = np.moveaxis(predict(not before.mirrored), 0, -1)
                average = (average * frames[..., None] + ONE_VIEW * fresh) / (frames[..., None] + ONE_VIEW)
                frames = np.minimum(frames + ONE_VIEW, MEMORY)
                self._memory = Memory(average, luminance, frames, not before.mirrored, hints=hints)
        planes = np.ascontiguousarray(np.moveaxis(self._memory.chroma, -1, 0))
        return Coloring(planes[:2], luminance, planes[2] if len(planes) > 2 else None)

    def state(self) -> dict[str, NDArray[Any]]:
        """What is remembered, to go on from elsewhere."""
        return {} if self._memory is None else {name: np.asarray(value) for name, value in vars(self._memory).items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a state."""
        values: dict[str, Any] = {name: value if value.ndim else value.item() for name, value in state.items()}
        self._memory = Memory(**values) if values else None


def _where_from(luminance: FloatArray, earlier: FloatArray) -> FloatArray:
    """Where each pixel was in the frame before, (h, w, 2) as x, y."""
    # A new one per frame: its buffers keep something of earlier frames, and a resumed run would end differently.
    method = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)
    height, width = luminance.shape
    flow = method.calc(_for_flow(luminance), _for_flow(earlier), None)[:height, :width]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return np.dstack([columns + flow[..., 0], rows + flow[..., 1]])


def _carry(planes: FloatArray, places: FloatArray) -> FloatArray:
    return cv2.remap(planes, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _for_flow(luminance: FloatArray) -> np.ndarray:
    """Luminance in 8 bits; a side that is too short for the flow goes on as it ends."""
    height, width = luminance.shape
    missing = [(0, max(0, LEAST_SIDE - side)) for side in (height, width)]
    return np.pad(np.rint(luminance * 2.55).astype(np.uint8), missing, mode="edge")
