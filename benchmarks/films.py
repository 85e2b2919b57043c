"""Measure how steady, how right and how fast `photochrom video` colors films, and write benchmarks/FILMS.md.

Usage: OPENBLAS_NUM_THREADS=1 python benchmarks/films.py CLIP... --photographs FOLDER [--frames 72]

CLIP: short color films. From photographs, clips are made by moving a camera over them: shaken, panned, zoomed, with
grain. Each clip loses its colors and gets them back twice: frame by frame (`--flicker`), and held together. On a quiet
machine; needs the dev extra.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from speed_parts import machine

from photochrom.evaluation.metrics import delta_e
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.model import Backend
from photochrom.photo.color import linear_to_rgb, rgb_to_lab, rgb_to_linear
from photochrom.video.coherence import Coherence
from photochrom.video.colorize import FilmOptions, color_next, colorize_film
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film, read_frames

RESULTS = Path(__file__).with_name("FILMS.md")
SIZE = (640, 480)
WAYS = ("shaken", "panned", "zoomed", "grainy")
STEPS = (1, 2, 4)  # frames apart, of the color distribution consistency (CDC)
OCCLUDED = 4.0  # L units: a pixel whose luminance was carried this far off is not compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument(
        "--photographs", type=Path, required=True, help="folder of photographs, of which the first four are used"
    )
    parser.add_argument("--frames", type=int, default=72, help="frames of each clip that are used")
    options = parser.parse_args()
    colorizer = Colorizer()
    clips = {clip.stem: first_frames(clip, options.frames) for clip in options.clips}
    sources = sorted(options.photographs.rglob("*.jpg"))[: len(WAYS)]
    for way, source in zip(WAYS, sources, strict=True):
        clips[way] = list(moved(np.asarray(Image.open(source).convert("RGB")), way, options.frames))
    sections = [
        "# Films",
        "Written by `benchmarks/films.py` in one run. Compare the ratios, not the seconds: machines differ.",
        f"Machine: {machine()}.",
        steadiness(clips, colorizer),
        speed(next(iter(clips.values())), colorizer),
    ]
    RESULTS.write_text("\n\n".join(sections) + "\n")
    print(RESULTS.read_text())


def steadiness(clips: dict[str, list[np.ndarray]], colorizer: Colorizer) -> str:
    lines = [
        "## Frame by frame, and held together",
        "",
        "Warp error: mean ab distance between a frame and the one before it, carried along the motion of the luminance "
        "(Farnebäck's flow, which the tool itself does not use), where the carried luminance fits. CDC: Jensen-Shannon "
        "divergence of color histograms 1, 2 and 4 frames apart. The truth's own numbers are what no tool can go below "
        "without wrong colors.",
        "",
        "| clip | warp error: truth | by frame | held | less by | CDC × 1000: truth | by frame | held "
        "| ΔE2000: gray | by frame | held | held ÷ by frame |",
        "|" + "---|" * 12,
    ]
    totals = []
    for name, frames in clips.items():
        with tempfile.TemporaryDirectory() as folder:
            gray = Path(folder) / "gray.mkv"
            write_gray(frames, gray)
            colored = [color(gray, Path(folder) / f"{steady}.mkv", colorizer, steady) for steady in (False, True)]
        truths, versions = [rgb_to_lab(f / np.float32(255)) for f in frames], []
        for version in colored:
            versions.append([rgb_to_lab(frame / np.float32(255)) for frame in version])
        warp = [warp_error(clip) for clip in (truths, *versions)]
        cdc = [1000 * color_consistency(clip) for clip in (frames, *colored)]
        error = [mean_error(truths, clip) for clip in ([f * (1, 0, 0) for f in truths], *versions)]
        totals.append((warp[1], warp[2], error[1], error[2]))
        lines.append(
            f"| {name} | {warp[0]:.2f} | {warp[1]:.2f} | {warp[2]:.2f} | {warp[1] / warp[2]:.1f} × | {cdc[0]:.2f} "
            f"| {cdc[1]:.2f} | {cdc[2]:.2f} | {error[0]:.2f} | {error[1]:.2f} | {error[2]:.2f} "
            f"| {error[2] / error[1]:.3f} |"
        )
    mean = np.mean(totals, axis=0)
    lines += [
        "",
        f"All clips: {mean[0] / mean[1]:.2f} × less warp error, ΔE2000 {mean[3] / mean[2]:.3f} × frame by frame's.",
    ]
    return "\n".join(lines)


def speed(frames: list[np.ndarray], colorizer: Colorizer) -> str:
    """Frames per second of the whole process at 480p, and the time of its parts."""
    frames = [cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA) for frame in frames] * 3
    with tempfile.TemporaryDirectory() as folder:
        gray = Path(folder) / "gray.mp4"
        write_gray(frames, gray, codec="libx264")
        command = [sys.executable, "-m", "photochrom", "video", str(gray), str(Path(folder) / "color.mp4")]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        whole = len(frames) / (time.perf_counter() - began)
        film = read_film(gray)
        began = time.perf_counter()
        read = list(read_frames(film))
        decoding = time.perf_counter() - began
    coherence, backend, taken = Coherence(), Timed(colorizer.backend), {"reading": decoding}
    colorizer = Colorizer(backend)
    for frame in read:
        before, network = time.perf_counter(), backend.seconds
        coloring = color_next(coherence, colorizer, frame.pixels, FilmOptions(), ())
        predicted, network = time.perf_counter(), backend.seconds - network
        colorizer.apply(frame.pixels, coloring)
        joined = time.perf_counter()
        spans = {"network": network, "around it": predicted - before - network, "joining": joined - predicted}
        for part, seconds in spans.items():
            taken[part] = taken.get(part, 0.0) + seconds
    parts = ", ".join(f"{part} {1000 * seconds / len(read):.0f} ms" for part, seconds in taken.items())
    return (
        f"## Speed\n\n{len(frames)} frames of {SIZE[0]} × {SIZE[1]}, H.264 to H.264, whole process with finding shots: "
        f"**{whole:.1f} frames/s**. A frame: {parts}; the rest is finding shots, encoding and starting."
    )


class Timed:
    """A backend that counts its seconds."""

    def __init__(self, backend: Backend):
        self.info, self.seconds, self._backend = backend.info, 0.0, backend

    def predict(self, *inputs: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        chroma = self._backend.predict(*inputs)
        self.seconds += time.perf_counter() - began
        return chroma


def first_frames(path: Path, count: int) -> list[np.ndarray]:
    frames = []
    for frame in read_frames(read_film(path)):
        frames.append(frame.pixels)
        if len(frames) == count:
            break
    return frames


def moved(photograph: np.ndarray, way: str, count: int) -> Iterator[np.ndarray]:
    """Frames of a camera that moves over a photograph."""
    rng = np.random.default_rng(0)
    height, width = photograph.shape[:2]
    for number in range(count):
        part = number / count
        shift, zoom = np.array([width, height]) * 0.1, 0.8
        if way == "panned":
            shift = shift * (2 * part, 0.5)
        elif way == "zoomed":
            zoom = 0.95 - 0.35 * part
            shift = np.array([width, height]) * (1 - zoom) / 2
        else:
            shift = shift + rng.normal(0, 2.5, 2) + 4 * np.sin(number / np.array([5, 7]))
        matrix = np.array([[zoom * width / SIZE[0], 0, shift[0]], [0, zoom * height / SIZE[1], shift[1]]])
        flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(photograph, matrix, SIZE, flags=flags, borderMode=cv2.BORDER_REFLECT)
        if way == "grainy":
            grain = rng.normal(0, 8, frame.shape[:2])[..., None]
            frame = np.clip(np.rint(frame + grain), 0, 255).astype(np.uint8)
        yield frame


def write_gray(frames: list[np.ndarray], path: Path, codec: str = "ffv1") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv444p" if codec == "ffv1" else "yuv420p"
        for rgb in frames:
            light = rgb_to_linear(rgb / np.float32(255)) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
            gray = np.rint(linear_to_rgb(light) * 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack([gray] * 3), format="rgb24")))
        container.mux(stream.encode(None))


def color(source: Path, target: Path, colorizer: Colorizer, steady: bool) -> list[np.ndarray]:
    options = FilmOptions(Encoding("ffv1"), steady=steady)
    for _ in colorize_film(read_film(source), target, colorizer, options):
        pass
    return [frame.pixels for frame in read_frames(read_film(target))]


def warp_error(clip: list[np.ndarray]) -> float:
    errors = []
    for before, after in pairwise(clip):
        one, other = (np.rint(lab[..., 0] * 2.55).astype(np.uint8) for lab in (after, before))
        flow = cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 4, 21, 3, 7, 1.5, 0)
        rows, columns = np.mgrid[: one.shape[0], : one.shape[1]].astype(np.float32)
        carried = cv2.remap(before, np.dstack([columns, rows]) + flow, None, cv2.INTER_LINEAR)
        fits = np.abs(carried[..., 0] - after[..., 0]) < OCCLUDED
        errors.append(np.hypot(*np.moveaxis(carried[..., 1:] - after[..., 1:], -1, 0))[fits].mean())
    return float(np.mean(errors))


def color_consistency(clip: list[np.ndarray]) -> float:
    """CDC of Liu et al. 2021, Temporally consistent video colorization: divergence of RGB histograms."""
    histograms = [
        np.stack([np.bincount(frame[..., c].ravel(), minlength=256) / frame[..., c].size for c in range(3)])
        for frame in clip
    ]
    return float(
        np.mean(
            [
                divergence(one, other)
                for step in STEPS
                for one, other in zip(histograms[:-step], histograms[step:], strict=True)
            ]
        )
    )


def divergence(one: np.ndarray, other: np.ndarray) -> float:
    middle = (one + other) / 2

    def relative_entropy(p: np.ndarray) -> np.ndarray:
        return np.sum(np.where(p > 0, p * np.log2(np.maximum(p, 1e-12) / np.maximum(middle, 1e-12)), 0), axis=1)

    return float(((relative_entropy(one) + relative_entropy(other)) / 2).mean())


def mean_error(truths: list[np.ndarray], clip: list[np.ndarray]) -> float:
    """Color-only ΔE2000: the truth's L on both sides; every fourth frame."""
    errors = []
    for truth, lab in zip(truths[::4], clip[::4], strict=True):
        errors.append(delta_e(np.dstack([truth[..., :1], lab[..., 1:]]).astype(np.float32), truth).mean())
    return float(np.mean(errors))


if __name__ == "__main__":
    main()
