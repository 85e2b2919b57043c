"""Color photographs in folders and ZIP archives, decoded once into one uint8 array on disk."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray

from photochrom.errors import TrainingError
from photochrom.photo.color import rgb_to_lab

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif"}
DECODE_THREADS = os.cpu_count() or 1
CHUNK = 512  # photographs decoded at a time


def find_photographs(sources: list[Path]) -> list[tuple[Path, str]]:
    """All photographs in folders (recursively), ZIP archives and single files, as (source, name), sorted.

    Raises TrainingError for a source that is missing or holds none.
    """
    found: list[tuple[Path, str]] = []
    for source in sources:
        if source.is_dir():
            files = (p for p in source.rglob("*") if p.is_file())
            names = [str(p.relative_to(source)) for p in files]
        elif zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                names = archive.namelist()
        elif source.is_file():
            raise TrainingError(f"{source} is neither a folder nor a ZIP archive of photographs")
        else:
            raise TrainingError(f"{source} does not exist")
        names = sorted(n for n in names if Path(n).suffix.lower() in EXTENSIONS)
        if not names:
            raise TrainingError(f"{source} holds no photographs ({', '.join(sorted(EXTENSIONS))})")
        found += [(source, name) for name in names]
    return found


def decode_square(data: bytes, side: int) -> NDArray[np.uint8]:
    """Encoded photograph to its central square, (side, side, 3) sRGB; never squashed."""
    image = pyvips.Image.thumbnail_buffer(data, side, height=side, crop="centre", export_profile="srgb")
    image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=255)
    return image.cast("uchar").numpy()[..., :3]


def mean_chroma(rgb8: NDArray[np.uint8]) -> float:
    """Mean of sqrt(a^2 + b^2) over a photograph, in Lab units; near 0 is gray."""
    lab = rgb_to_lab(rgb8[::4, ::4].astype(np.float32) / 255)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def load_photographs(
    sources: list[Path], side: int, min_chroma: float, cache: Path
) -> tuple[NDArray[np.uint8], int]:
    """Decode every photograph once; return a memory-mapped (N, side, side, 3) uint8 array.

    The array is kept in folder `cache` and reused while the same photographs are asked for. Photographs
    that can't be decoded, or whose mean chroma is under `min_chroma`, are left out; their number is the
    second value. Raises TrainingError if none is left.
    """
    found = find_photographs(sources)
    key = hashlib.sha256(repr((side, min_chroma, [(s.name, s.stat().st_size, n) for s, n in found])).encode())
    index_file, data_file = cache / "photographs.json", cache / "photographs.u8"
    if not _is_current(index_file, key.hexdigest()):
        cache.mkdir(parents=True, exist_ok=True)
        count = 0
        with open(data_file, "wb") as out:
            for rgb8 in _decode_all(found, side):
                if rgb8 is not None and mean_chroma(rgb8) >= min_chroma:
                    out.write(rgb8.tobytes())
                    count += 1
        index_file.write_text(json.dumps({"key": key.hexdigest(), "count": count, "side": side}))
    count = json.loads(index_file.read_text())["count"]
    if count == 0:
        raise TrainingError("none of the photographs can be used: all are damaged or gray")
    photographs = np.memmap(data_file, np.uint8, mode="r", shape=(count, side, side, 3))
    return photographs, len(found) - count


def _is_current(index_file: Path, key: str) -> bool:
    return index_file.exists() and json.loads(index_file.read_text())["key"] == key


def _decode_all(found: list[tuple[Path, str]], side: int) -> Iterator[NDArray[np.uint8] | None]:
    archives = {s: zipfile.ZipFile(s) for s in {s for s, _ in found} if not s.is_dir()}

    def decode(photograph: tuple[Path, str]) -> NDArray[np.uint8] | None:
        source, name = photograph
        try:
            data = archives[source].read(name) if source in archives else (source / name).read_bytes()
            return decode_square(data, side)
        except (pyvips.Error, zipfile.BadZipFile, OSError):
            return None

    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        for start in range(0, len(found), CHUNK):
            yield from pool.map(decode, found[start : start + CHUNK])
