"""Measure how steady, how right and how fast `photochrom video` colors films, and write benchmarks/FILMS.md.

Usage: OPENBLAS_NUM_THREADS=1 python benchmarks/films.py CLIP... --photographs FOLDER [--frames 72] [--against SRC]

CLIP: short color films. From photographs, clips are made by moving a camera over them: shaken, panned, zoomed, with
grain. Each clip loses its colors and gets them back twice: frame by frame (`--flicker`), and held together. On a quiet
machine; needs the dev extra. --parts measures some sections and leaves the others as they are. The numbers are in
FILMS.json, too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image
from speed import machine

import photochrom
from photochrom.coloring import Look
from photochrom.evaluation.metrics import delta_e
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.model import Backend
from photochrom.inference.weights import load_model
from photochrom.photo.color import linear_to_rgb, rgb_to_lab, rgb_to_linear
from photochrom.video.coherence import Coherence
from photochrom.video.colorize import FilmOptions, color_next, colorize_film
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film, read_frames
from photochrom.video.joining import join_to_store
from photochrom.video.segments import segment_writer
from photochrom.video.shots import find_shots

RESULTS = Path(__file__).with_name("FILMS.md")
NUMBERS = RESULTS.with_suffix(".json")
SIZE = (640, 480)
SIZES = {"480p": SIZE, "1080p": (1920, 1080)}  # whose speed is measured
REPEATS = 3  # of each build, in turn
RATE = 24
SMALL = (320, 240)  # of the long films whose memory is measured
MINUTES = (1, 3, 10)
PARTS = ("steadiness", "speed", "memory")
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
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured")
    parser.add_argument("--against", type=Path, help="src folder of another build, whose speed is measured in turn")
    options = parser.parse_args()
    clips = {clip.stem: first_frames(clip, options.frames) for clip in options.clips}
    sources = sorted(options.photographs.rglob("*.jpg"))[: len(WAYS)]
    photographs = [np.asarray(Image.open(source).convert("RGB")) for source in sources]
    for way, photograph in zip(WAYS, photographs, strict=True):
        clips[way] = list(moved(photograph, way, options.frames))
    numbers = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    if "steadiness" in options.parts:
        numbers["steadiness"] = steadiness(clips, Colorizer())
    if "speed" in options.parts:
        numbers["speed"] = [speed(next(iter(clips.values())), size, options.against) for size in SIZES]
    if "memory" in options.parts:
        numbers["memory"] = {str(minutes): memory(photographs[0], minutes) for minutes in MINUTES}
    numbers["machine"] = machine()
    NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")
    RESULTS.write_text(report(numbers))
    print(RESULTS.read_text())


def report(numbers: dict[str, Any]) -> str:
    """FILMS.md."""
    written = {"steadiness": steadiness_text, "speed": speed_text, "memory": memory_text}
    sections = [
        "# Films",
        "Written by `benchmarks/films.py`; the numbers are in FILMS.json. Compare the ratios, not the seconds: "
        "machines differ.",
        f"Machine: {numbers['machine']}.",
        *(write(numbers[part]) for part, write in written.items() if part in numbers),
    ]
    return "\n\n".join(sections) + "\n"


def steadiness(clips: dict[str, list[np.ndarray]], colorizer: Colorizer) -> dict[str, dict[str, list[float]]]:
    """By clip: warp errors, CDC and ΔE2000 of the truth (gray for ΔE2000), frame by frame, and held together."""
    found = {}
    for name, frames in clips.items():
        with tempfile.TemporaryDirectory() as folder:
            gray = Path(folder) / "gray.mkv"
            write_gray(frames, gray)
            colored = [color(gray, Path(folder) / f"{steady}.mkv", colorizer, steady) for steady in (False, True)]
        truths, *versions = ([rgb_to_lab(f / np.float32(255)) for f in clip] for clip in (frames, *colored))
        found[name] = {
            "warp": [warp_error(clip) for clip in (truths, *versions)],
            "cdc": [1000 * color_consistency(clip) for clip in (frames, *colored)],
            "error": [mean_error(truths, clip) for clip in ([f * (1, 0, 0) for f in truths], *versions)],
        }
    return found


def steadiness_text(found: dict[str, dict[str, list[float]]]) -> str:
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
    for name, clip in found.items():
        warp, cdc, error = clip["warp"], clip["cdc"], clip["error"]
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


def speed(frames: list[np.ndarray], name: str, against: Path | None) -> dict[str, Any]:
    """Milliseconds per frame of the whole command, H.264 to H.264, by each build; and of this one's parts.

    Time of the processor and by the clock; starting is left out, which the same command for one frame measures.
    """
    frames = [cv2.resize(frame, SIZES[name], interpolation=cv2.INTER_AREA) for frame in frames]
    builds = {"this": Path(photochrom.__file__).parents[1]} | ({"other": against.resolve()} if against else {})
    taken: dict[str, list[tuple[float, float]]] = {build: [] for build in builds}
    with tempfile.TemporaryDirectory() as folder:
        gray, one = Path(folder) / "gray.mp4", Path(folder) / "one.mp4"
        write_gray(frames, gray, codec="libx264")
        write_gray(frames[:1], one, codec="libx264")
        for _ in range(REPEATS):
            for build, source in builds.items():
                whole, start = (command(path, Path(folder) / "color.mp4", source) for path in (gray, one))
                taken[build].append(
                    tuple((a - b) * 1000 / (len(frames) - 1) for a, b in zip(whole, start, strict=True))
                )
        parts = parts_of_a_frame(gray)
    medians = {build: [statistics.median(each) for each in zip(*times, strict=True)] for build, times in taken.items()}
    return {"size": name, "frames": len(frames), "cpu and clock": medians, "parts": parts}


def command(source: Path, target: Path, build: Path) -> tuple[float, float]:
    """Seconds of the processor and by the clock of `photochrom video`."""
    line = [sys.executable, "-m", "photochrom", "video", str(source), str(target), "--overwrite"]
    began = time.perf_counter()
    process = subprocess.Popen(line, env=os.environ | {"PYTHONPATH": str(build)})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0
    return used.ru_utime + used.ru_stime, time.perf_counter() - began


def parts_of_a_frame(gray: Path) -> dict[str, float]:
    """Milliseconds by the clock, one part after the other; in the command they go on at the same time."""
    film, backend, coherence, look = read_film(gray), Timed(load_model()), Coherence(), Look()
    colorizer, encoding, taken = Colorizer(backend), Encoding(), dict.fromkeys(("shots", "reading"), 0.0)
    began = time.perf_counter()
    find_shots(film)
    taken["shots"] = time.perf_counter() - began
    began = time.perf_counter()
    read = list(read_frames(film))
    taken["reading"] = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder, segment_writer(film, Path(folder) / "0.segment", encoding) as writer:
        for frame in read:
            clock, network = [time.perf_counter()], backend.seconds
            coloring = color_next(coherence, colorizer, frame.pixels, FilmOptions(), ())
            clock.append(time.perf_counter())
            picture = join_to_store(colorizer, frame.pixels, (coloring,), film, look, writer.format)
            clock.append(time.perf_counter())
            writer.write(picture, frame)
            clock.append(time.perf_counter())
            network = backend.seconds - network
            spans = [network, clock[1] - clock[0] - network, clock[2] - clock[1], clock[3] - clock[2]]
            for part, seconds in zip(("network", "around it", "joining", "encoding"), spans, strict=True):
                taken[part] = taken.get(part, 0.0) + seconds
    return {part: 1000 * seconds / len(read) for part, seconds in taken.items()}


def speed_text(found: list[dict[str, Any]]) -> str:
    lines = [
        "## Speed",
        "",
        "The whole command, H.264 to H.264, with finding shots and without starting: the median of "
        f"{REPEATS} runs of each build in turn. Parts are measured one after the other, in milliseconds by the clock.",
        "",
        "| film | processor, ms a frame: this build | other | ratio | clock: this build | other | ratio | parts |",
        "|" + "---|" * 8,
    ]
    for each in found:
        this, other = each["cpu and clock"]["this"], each["cpu and clock"].get("other")
        cells = [
            cell
            for k in (0, 1)
            for cell in (f"{this[k]:.0f}", *((f"{other[k]:.0f}", f"{other[k] / this[k]:.2f} ×") if other else ("", "")))
        ]
        parts = ", ".join(f"{part} {milliseconds:.0f}" for part, milliseconds in each["parts"].items())
        lines.append(f"| {each['size']}, {each['frames']} frames | {' | '.join(cells)} | {parts} |")
    return "\n".join(lines)


def memory(photograph: np.ndarray, minutes: int) -> float:
    """The most megabytes that the command takes for one shot of so many minutes, with hints at both of its ends."""
    count = round(minutes * 60 * RATE)
    with tempfile.TemporaryDirectory() as folder:
        gray, hints = Path(folder) / "gray.mp4", Path(folder) / "film.json"
        few = [cv2.resize(frame, SMALL) for frame in moved(photograph, "panned", 10 * RATE)]
        there_and_back = cycle([*few, *few[::-1]])
        write_gray(islice(there_and_back, count), gray, codec="libx264")
        given = [{"time": time, "x": 160, "y": 120, "color": "#7a2f2b"} for time in (0, minutes * 60 - 1)]
        hints.write_text(json.dumps({"hints": given}))
        line = [sys.executable, "-m", "photochrom", "video", str(gray), str(Path(folder) / "color.mp4")]
        process = subprocess.Popen([*line, "--hints", str(hints), "--working-size", "64"])
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0
    return used.ru_maxrss / 1024


def memory_text(found: dict[str, float]) -> str:
    said = ", ".join(f"{minutes} minutes {megabytes:.0f} MB" for minutes, megabytes in found.items())
    return (
        "## Memory\n\nThe most that the whole command takes for a film of one shot with a hint at its beginning and "
        f"one at its end, which is followed back through all of it; {SMALL[0]} × {SMALL[1]}, {RATE} frames a second, "
        f"working size 64: **{said}**."
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
        frames.append(in_channels(frame.pixels))
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


def write_gray(frames: Iterable[np.ndarray], path: Path, codec: str = "ffv1") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.pix_fmt = "yuv444p" if codec == "ffv1" else "yuv420p"
        for number, rgb in enumerate(frames):
            if not number:
                stream.height, stream.width = rgb.shape[:2]
            light = rgb_to_linear(rgb / np.float32(255)) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
            gray = np.rint(linear_to_rgb(light) * 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack([gray] * 3), format="rgb24")))
        container.mux(stream.encode(None))


def color(source: Path, target: Path, colorizer: Colorizer, steady: bool) -> list[np.ndarray]:
    options = FilmOptions(Encoding("ffv1"), steady=steady)
    for _ in colorize_film(read_film(source), target, colorizer, options):
        pass
    return [in_channels(frame.pixels) for frame in read_frames(read_film(target))]


def in_channels(pixels: np.ndarray) -> np.ndarray:
    """A frame without colors is read as (H, W)."""
    return pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)


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
