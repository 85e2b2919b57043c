"""Training photographs, decoded once into one uint8 array on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photochrom.errors import TrainingError
from photochrom.photo.collections import decode_squares, find_photographs
from photochrom.photo.color import rgb_to_lab


def mean_chroma(rgb8: NDArray[np.uint8]) -> float:
    """Mean of sqrt(a^2 + b^2) over a photograph (S, S, 3), in Lab units; near 0 is gray."""
    lab = rgb_to_lab(rgb8[::4, ::4].astype(np.float32) / 255)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def load_photographs(sources: list[Path], side: int, min_chroma: float, cache: Path) -> tuple[NDArray[np.uint8], int]:
    """Decode every photograph once; return a memory-mapped (N, side, side, 3) uint8 array.

    The array is kept in folder `cache` and reused while the same photographs are asked for. Photographs
    that can't be decoded, or whose mean chroma is under `min_chroma`, are left out; their number is the
    second value. Raises TrainingError if none is left.
    """
    found = find_photographs(sources)
    listing = repr((side, min_chroma, [(m.source.name, m.source.stat().st_size, m.name) for m in found]))
    key = hashlib.sha256(listing.encode()).hexdigest()
    index_file, data_file = cache / "photographs.json", cache / "photographs.u8"
    if not index_file.exists() or json.loads(index_file.read_text())["key"] != key:
        cache.mkdir(parents=True, exist_ok=True)
        index_file.unlink(missing_ok=True)
        count = 0
        with data_file.open("wb") as out:
            for rgb8 in decode_squares(found, side):
                if rgb8 is not None and mean_chroma(rgb8) >= min_chroma:
                    out.write(rgb8.tobytes())
                    count += 1
        index_file.write_text(json.dumps({"key": key, "count": count, "side": side}))
    count = json.loads(index_file.read_text())["count"]
    if count == 0:
        raise TrainingError("none of the photographs can be used: all are damaged or gray")
    return np.memmap(data_file, np.uint8, mode="c", shape=(count, side, side, 3)), len(found) - count
