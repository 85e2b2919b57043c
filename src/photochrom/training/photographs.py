"""Training photographs, decoded once into a file that is mapped into memory: each at its own size, none enlarged."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photochrom.errors import TrainingError
from photochrom.photo.collections import Member, find_photographs, name_unreadable
from photochrom.photo.color import rgb_to_lab
from photochrom.training.decoding import decode_all

CACHE_VERSION = 2  # raised when what is decoded, or how it is kept, changes
MIN_SIDE = 32  # pixels: in less there is nothing to learn from
PROGRESS_SECONDS = 1.0  # between two updates of the progress line
COPIED_BYTES = 2**28  # copied to a GPU at a time


@dataclass(frozen=True)
class Photographs:
    """Decoded photographs of any size, and the set that each belongs to.

    pixels: the uint8 sRGB values of all, one photograph after the other. index: int64 (N, 4), the offset in `pixels`
    (three values for each pixel), height, width and set of each. sets: the sets' names.
    """

    pixels: Tensor
    index: NDArray[np.int64]
    sets: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> Tensor:
        """One photograph, uint8 (H, W, 3): a view, not a copy."""
        offset, height, width, _ = self.index[number].tolist()
        return self.pixels[offset : offset + 3 * height * width].view(height, width, 3)

    def near(self, device: torch.device) -> Photographs:
        """The same in a GPU's own memory, if half of what is free there holds them; else as they are."""
        if device.type != "cuda" or self.pixels.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
            return self
        pixels = torch.empty(len(self.pixels), dtype=torch.uint8, device=device)
        for start in range(0, len(pixels), COPIED_BYTES):
            pixels[start : start + COPIED_BYTES] = self.pixels[start : start + COPIED_BYTES].clone().to(device)
        return Photographs(pixels, self.index, self.sets)


def load_photographs(
    sources: list[Path], side: int, min_chroma: float, cache: Path, avoid: Collection[Path] = ()
) -> tuple[Photographs, int]:
    """Decode every photograph once, to a short side of at most `side` pixels.

    They are kept in folder `cache`, mapped into memory so that they may be more than fit there, and reused while the
    same photographs are asked for. Photographs that can't be decoded, whose mean chroma is under `min_chroma`, or
    with a side under MIN_SIDE, are left out; their number is the second value. avoid: folders that are not entered.
    Raises TrainingError if none is left.
    """
    found = find_photographs(sources, avoid)
    sizes = [_size_of(member) for member in found]
    names = [(m.source.name, m.name, size) for m, size in zip(found, sizes, strict=True)]
    key = hashlib.sha256(repr((CACHE_VERSION, side, min_chroma, names)).encode()).hexdigest()
    summary_file, index_file, data_file = cache / "photographs.json", cache / "index.npy", cache / "photographs.u8"
    if not summary_file.exists() or json.loads(summary_file.read_text())["key"] != key:
        cache.mkdir(parents=True, exist_ok=True)
        summary_file.unlink(missing_ok=True)
        sets: dict[str, int] = {}
        rows, offset, unreadable = [], 0, []
        unfinished = data_file.with_suffix(".part")  # another process may have the last one mapped
        with unfinished.open("wb") as out:
            for member, rgb8 in zip(found, _with_progress(decode_all(found, side), len(found)), strict=True):
                if rgb8 is None:
                    unreadable.append(member)
                elif min(rgb8.shape[:2]) >= MIN_SIDE and mean_chroma(rgb8) >= min_chroma:
                    out.write(rgb8.tobytes())
                    rows.append((offset, *rgb8.shape[:2], sets.setdefault(set_of(member), len(sets))))
                    offset += rgb8.size
        unfinished.replace(data_file)
        name_unreadable(unreadable)
        np.save(index_file, np.array(rows, np.int64).reshape(-1, 4))
        summary_file.write_text(json.dumps({"key": key, "sets": list(sets)}))
    index = np.load(index_file)
    if len(index) == 0:
        raise TrainingError("none of the photographs can be used: all are damaged, tiny or gray")
    names_of_sets = tuple(json.loads(summary_file.read_text())["sets"])
    return Photographs(_mapped(data_file), index, names_of_sets), len(found) - len(index)


def read_some(sources: list[Path], count: int, side: int, avoid: Collection[Path] = ()) -> list[NDArray[np.uint8]]:
    """At most `count` photographs, evenly spread, decoded as for training; damaged ones are left out.

    avoid: folders that are not entered. Raises TrainingError if none of them can be read.
    """
    found = find_photographs(sources, avoid)
    chosen = [found[i] for i in np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)]
    photographs = [rgb8 for rgb8 in decode_all(chosen, side) if rgb8 is not None]
    if not photographs:
        raise TrainingError("none of the photographs for the samples can be read: all are damaged")
    return photographs


def _size_of(member: Member) -> int:
    """The bytes of a photograph's file, or of its archive; 0 if it is gone or a link to nothing."""
    try:
        return (member.source if member.source.is_file() else member.source / member.name).stat().st_size
    except OSError:
        return 0


def set_of(member: Member) -> str:
    """The name of the set that a photograph belongs to; sets of the same name in several sources are one.

    In a folder it is the first folder below the given one, or the given one itself. In an archive it is what stands
    before the last "-" of the member's name, without a "w" at its end ("food10-w0001.avif" is of set food10); without
    a "-" it is the member's first folder, or the archive.
    """
    path = Path(member.name)
    folder = path.parts[0] if len(path.parts) > 1 else member.source.stem
    if member.source.is_dir():
        return folder
    prefix = path.stem.rpartition("-")[0]
    return (prefix.removesuffix("w").removesuffix("-") or prefix) if prefix else folder


def mean_chroma(rgb8: NDArray[np.uint8]) -> float:
    """Mean of sqrt(a^2 + b^2) over a photograph (H, W, 3), in Lab units; near 0 is gray."""
    lab = rgb_to_lab(rgb8[::4, ::4].astype(np.float32) / 255)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def _mapped(path: Path) -> Tensor:
    """A file of uint8 numbers as a tensor; its parts are read when they are used. It must not be written to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch has no tensors that are read-only
        return torch.from_numpy(np.memmap(path, np.uint8, mode="r"))


def _with_progress(decoded: Iterator[NDArray[np.uint8] | None], count: int) -> Iterator[NDArray[np.uint8] | None]:
    """The same photographs, while a line on a terminal says how many are decoded."""
    if not sys.stderr.isatty():
        yield from decoded
        return
    shown = time.monotonic()
    for number, photograph in enumerate(decoded, 1):
        yield photograph
        if time.monotonic() - shown > PROGRESS_SECONDS or number == count:
            shown = time.monotonic()
            end = "\n" if number == count else ""
            print(f"\rdecoded {number:,} of {count:,} photographs", end=end, file=sys.stderr, flush=True)
