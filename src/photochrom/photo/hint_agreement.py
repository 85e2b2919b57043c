"""What several hints say together: how the prediction is wrong in places that look alike.

One hint is about its own thing. Several, none of which asks for much else than what is predicted, show what the
prediction lacks in general: it may be too pale, or too warm where it is dark. So what is missing at the hints is added
to all places that look alike, by Gaussian process regression (Rasmussen & Williams 2006, chapter 2) over luminance,
predicted chroma and, lightly, place. A hint that asks for quite another color than the predicted one has little say.
"""

from __future__ import annotations

import numpy as np

from photochrom.photo.color import FloatArray
from photochrom.photo.hints import Hint, places

PLACE_SCALE = 2.0  # of the picture's short side: at this distance two places are still fairly alike,
LUMINANCE_SCALE = 60.0  # L units: and at this difference in luminance,
CHROMA_SCALE = 15.0  # Lab units: and at this one in predicted chroma
BELIEVED = 30.0  # Lab units: hints that are farther from what is predicted there are hardly believed of other places
HINT_NOISE = 0.1  # variance of what is missing at a believed hint that is of its place alone, over that of all


def agree(
    chromas: FloatArray, plain: FloatArray, luminance: FloatArray, hints: tuple[Hint, ...], size: tuple[int, int]
) -> FloatArray:
    """Chromas (N, 2, h, w) in Lab units, each with what it lacks at the hints added to all places that look alike.

    plain: the prediction without hints, (2, h, w), over luminance (h, w). size: the photograph's (H, W), in whose
    pixels the hints are. A single hint changes nothing.
    """
    sources = places(hints, size, luminance.shape)
    rows, columns = np.array(sources, np.intp).reshape(-1, 2).T
    wanted = np.array([hint.chroma for hint in hints], np.float32).reshape(-1, 2)
    looks = look_of_places(plain, luminance)
    at_hints = looks[:, rows, columns].T
    kernel = alike(at_hints[:, None], at_hints, axis=2)
    missing = wanted - chromas[:, :, rows, columns].transpose(0, 2, 1)  # (N, K, 2)
    belief = believed(wanted - plain[:, rows, columns].T)
    root = np.sqrt(belief)
    system = root[:, None] * kernel * root + np.diag(1 + HINT_NOISE - belief)
    pulls = root[:, None] * np.linalg.solve(system, root[:, None] * missing)
    agreed = chromas.copy()
    for number, look in enumerate(at_hints):
        agreed += pulls[:, number, :, None, None] * alike(looks, look[:, None, None], axis=0)
    return agreed


def look_of_places(plain: FloatArray, luminance: FloatArray) -> FloatArray:
    """Where a place is, its luminance and its predicted chroma, (5, h, w): at a distance of 1, two are fairly alike."""
    rows, columns = np.indices(luminance.shape, np.float32) / np.float32(PLACE_SCALE * min(luminance.shape))
    return np.stack([rows, columns, luminance / LUMINANCE_SCALE, *plain / CHROMA_SCALE]).astype(np.float32)


def alike(one: FloatArray, other: FloatArray, axis: int) -> FloatArray:
    """How alike looks are, 0..1, which stand along an axis."""
    return np.exp(-((one - other) ** 2).sum(axis=axis) / 2)


def believed(change: FloatArray) -> FloatArray:
    """How much each of K hints has to say of other places, 0..1, by what it changes (K, 2) at its own; one alone: 0."""
    others = 1 - 1 / max(1, len(change))
    return others * np.exp(-(change**2).sum(axis=1) / BELIEVED**2)
