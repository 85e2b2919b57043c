"""Compare the pipeline that `photochrom export --pipeline` writes with the Colorizer: colors, time and memory.

Usage: python benchmarks/pipeline.py PHOTOS... [--limit 100]    (folders or ZIP archives; writes benchmarks/PIPELINE.md)

Times are CPU time of one thread, so that other programs' load counts little.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import onnxruntime
from skimage import data

from photochrom.inference.colorizer import Colorizer, noise_vector
from photochrom.inference.weights import read_bundled
from photochrom.photo.collections import decode_all, find_photographs
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.hints import Hint
from photochrom.pipeline.export import export_pipeline

RESULTS = Path(__file__).with_name("PIPELINE.md")
CHANGED = "with a seed, strength 1.3, warmth, two hints, a disc, a stroke and an area"
SIZES = {"as they are": None, "101 x 167": (101, 167), "230 x 60": (230, 60), "3 rows": (3, 9999), CHANGED: None}
MEGAPIXELS = (1, 24)
STRIP_ROWS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", nargs="*", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--way", help=argparse.SUPPRESS)  # what a child process measures: the way, file, megapixels
    options = parser.parse_args()
    if options.way:
        measure(*options.way.split(","))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.onnx"
        export_pipeline(read_bundled("default"), "the bundled model", path)
        lines = [
            "# The pipeline as an ONNX file",
            "",
            "Written by `benchmarks/pipeline.py`.",
            "",
            *comparison(options, path),
            "",
            *costs(path),
        ]
    RESULTS.write_text("\n".join(lines) + "\n")
    print(RESULTS.read_text())


def comparison(options: argparse.Namespace, path: Path) -> list[str]:
    """Differences of colors on photographs, in steps of 1/255."""
    members = find_photographs(options.photographs)
    chosen = members[:: max(1, len(members) // options.limit)][: options.limit]
    pictures = [p for p in decode_all(chosen, lambda content: decode_photograph(content, "").pixels) if p is not None]
    pictures = [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else p for p in pictures]
    session, colorizer, random = session_of(path), Colorizer(threads=1), np.random.default_rng(0)
    lines = [
        "## Against `Colorizer`",
        "",
        f"{len(pictures)} photographs. Steps of 1/255; every channel of every pixel counts.",
        "",
        "| what | mean difference | numbers that differ by 1 | by more | largest |",
        "|---|---|---|---|---|",
    ]
    for name, size in SIZES.items():
        counts = np.zeros(256, np.int64)
        for picture in pictures:
            part = np.ascontiguousarray(picture[: size[0], : size[1]] if size else picture)
            feeds, settings = settings_of(part, random) if name == CHANGED else ({}, {})
            expected = colorizer.colorize(part, **settings)
            (colors,) = session.run(None, {"photograph": part, **feeds})
            counts += np.bincount(np.abs(expected.astype(int) - colors).ravel(), minlength=256)
        share, steps = counts / counts.sum(), np.arange(256)
        mean = (share * steps).sum()
        lines.append(f"| {name} | {mean:.6f} | {share[1]:.5%} | {share[2:].sum():.5%} | {steps[counts > 0].max()} |")
    return lines


def settings_of(picture: np.ndarray, random: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The same choices as inputs of the pipeline and as arguments of the Colorizer."""
    height, width = picture.shape[:2]
    hints, rows = [], []
    for number, (radius, points) in enumerate([(None, 1), (None, 1), (9.0, 1), (6.0, 5), (None, 4)]):
        places = random.uniform(0, (width - 1, height - 1), (points, 2)).astype(np.float32)
        color, (x, y), *path = f"#{random.integers(1 << 24):06x}", *places.tolist()
        hints.append(Hint(x, y, color, radius, tuple(map(tuple, path)), filled=points == 4))
        kind = {1: 0, 4: -number, 5: number}[points]
        rows += [[*place, *bytes.fromhex(color[1:]), radius or 0, kind] for place in places.tolist()]
    settings = {"seed": int(random.integers(100)), "strength": 1.3, "warmth": random.uniform(-1, 1)}
    feeds = {name: np.array([settings[name]], np.float32) for name in ("strength", "warmth")}
    feeds["noise"] = noise_vector(settings["seed"], Colorizer().model_info.noise_channels)
    return {**feeds, "hints": np.array(rows, np.float32)}, {**settings, "hints": hints}


def costs(path: Path) -> list[str]:
    """CPU seconds and peak memory, each in a process of its own."""
    lines = [
        "## Time and memory",
        "",
        f"CPU seconds of one thread, for loading and for coloring; peak memory of the process in MB. The join works on "
        f"{STRIP_ROWS} rows at a time.",
        "",
        "| megapixels | way | loading | coloring | memory |",
        "|---|---|---|---|---|",
    ]
    for megapixels in MEGAPIXELS:
        for way in WAYS:
            command = [sys.executable, __file__, "--way", f"{way},{path},{megapixels}"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            lines.append(f"| {megapixels} | {way} | {done.stdout.strip()} |")
    return lines


def measure(way: str, path: str, megapixels: str) -> None:
    """Color a photograph in one way, and print what it took."""
    height = round((int(megapixels) * 1e6 / 1.5) ** 0.5)
    picture = np.empty((height, round(1.5 * height), 3), np.uint8)
    tile = data.astronaut()
    for y, x in product(range(0, height, 512), range(0, picture.shape[1], 512)):
        part = picture[y : y + 512, x : x + 512]
        part[:] = tile[: part.shape[0], : part.shape[1]]
    began = time.process_time()
    color = WAYS[way](Path(path))
    loaded = time.process_time()
    color(picture)
    ended = time.process_time()
    print(f"{loaded - began:.2f} | {ended - loaded:.2f} | {peak_memory():.0f}")


def peak_memory() -> float:
    """MB, of this process alone: Linux counts a parent's memory in ru_maxrss, too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def by_colorizer(_: Path) -> Callable[[np.ndarray], object]:
    return Colorizer(threads=1).colorize


def by_whole_pipeline(path: Path) -> Callable[[np.ndarray], object]:
    session = session_of(path)
    return lambda picture: session.run(None, {"photograph": picture})


def by_parts(path: Path) -> Callable[[np.ndarray], object]:
    """The colors of each strip are dropped, as if an encoder had taken them."""
    predict, join = (session_of(path.with_name(f"pipeline-{part}.onnx")) for part in ("predict", "join"))
    feeds = {"noise": np.zeros(8, np.float32), "hints": np.zeros((0, 7), np.float32)}

    def color(picture: np.ndarray) -> None:
        (guide,) = predict.run(None, {"photograph": picture, **feeds})
        height = np.array([len(picture)])
        balance = {"strength": np.ones(1, np.float32), "warmth": np.zeros(1, np.float32)}
        for first in range(0, len(picture), STRIP_ROWS):
            rows = {"rows": picture[first : first + STRIP_ROWS], "first": np.array([first]), "height": height}
            join.run(None, {**rows, "guide": guide, **balance})

    return color


WAYS = {"Colorizer": by_colorizer, "pipeline.onnx": by_whole_pipeline, "predict and join": by_parts}


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
