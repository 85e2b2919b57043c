"""Measure how steady, how right and how fast `photochrom video` colors films, and write benchmarks/FILMS.md.

Usage: taskset -c 0 python benchmarks/films.py [CLIP...] [--frames 48] [--against SRC]

CLIP: short color films. From scikit-image's photographs, clips are made by moving a camera over them (shaken, panned,
zoomed, with grain), or by moving a part of one over another. Each clip loses its colors and gets them back: frame by
frame (`--flicker`), held together, and held together by another build, whose src folder is SRC. Speed is measured by
both builds in turn. Needs the dev extra. --parts measures some sections and leaves the others as they are. The numbers
are in FILMS.json, too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from film_measures import color_consistency, mean_error, warp_error
from skimage import data
from speed_parts import machine

import photochrom
from photochrom.coloring import Look
from photochrom.inference.colorizer import Colorizer
from photochrom.inference.model import Backend
from photochrom.inference.weights import load_model
from photochrom.photo.color import linear_to_rgb, rgb_to_lab, rgb_to_linear
from photochrom.video.coherence import Coherence
from photochrom.video.colorize import SEGMENT_FRAMES, FilmOptions, color_next
from photochrom.video.encoding import Encoding
from photochrom.video.film import read_film, read_frames
from photochrom.video.joining import join_to_store
from photochrom.video.segments import segment_writer
from photochrom.video.shots import look_through

RESULTS = Path(__file__).with_name("FILMS.md")
NUMBERS = RESULTS.with_suffix(".json")
STEADY_SIZE = (384, 288)  # of clips that are made from photographs
SIZES = {"480p": (640, 480), "1080p": (1920, 1080)}  # whose speed is measured
REPEATS = 3  # of each build, in turn
RATE = 24
PATCH = 120  # pixels
SMALL = (160, 120)  # of the long films whose memory is measured
MINUTES = (1, 3, 10)
PARTS = ("steadiness", "speed", "memory")
WAYS = {  # what is seen by a camera that moves so
    "shaken": data.coffee,
    "panned": data.chelsea,
    "zoomed": data.astronaut,
    "grainy": data.rocket,
    "crossed": data.coffee,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=48, help="frames of each clip that are used")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured")
    parser.add_argument("--against", type=Path, help="src folder of another build, which is measured in turn")
    options = parser.parse_args()
    clips = {clip.stem: first_frames(clip, options.frames) for clip in options.clips}
    clips |= {way: list(moved(photograph(), way, options.frames)) for way, photograph in WAYS.items()}
    builds = {"this": Path(photochrom.__file__).parents[1]}
    if options.against:
        builds["other"] = options.against.resolve()
    numbers = json.loads(NUMBERS.read_text()) if NUMBERS.exists() else {}
    if "steadiness" in options.parts:
        numbers["steadiness"] = steadiness(clips, builds)
    if "speed" in options.parts:
        numbers["speed"] = [speed(size, options.frames, builds) for size in SIZES]
    if "memory" in options.parts:
        numbers["memory"] = memory(WAYS["panned"]())
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


def steadiness(clips: dict[str, list[np.ndarray]], builds: dict[str, Path]) -> dict[str, dict[str, list[float]]]:
    """By clip: warp errors, CDC and ΔE2000 of the truth (gray for ΔE2000), frame by frame, and held by each build."""
    found = {}
    ways = [(builds["this"], ["--flicker"]), *((build, []) for build in builds.values())]
    for name, frames in clips.items():
        with tempfile.TemporaryDirectory() as folder:
            gray, colored = Path(folder) / "gray.mkv", Path(folder) / "color.mkv"
            write_gray(frames, gray)
            made = []
            for build, options in ways:
                command(gray, colored, build, "--codec", "ffv1", *options)
                made.append([in_channels(frame.pixels) for frame in read_frames(read_film(colored))])
        truths, *versions = ([rgb_to_lab(f / np.float32(255)) for f in clip] for clip in (frames, *made))
        found[name] = {
            "warp": [warp_error(clip) for clip in (truths, *versions)],
            "cdc": [1000 * color_consistency(clip) for clip in (frames, *made)],
            "error": [mean_error(truths, clip) for clip in ([f * (1, 0, 0) for f in truths], *versions)],
        }
        print(name, found[name], flush=True)
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
        "| clip | warp error: truth | by frame | held | by the other build | less by | CDC × 1000: truth | by frame "
        "| held | by the other | ΔE2000: gray | by frame | held | by the other | held ÷ by frame |",
        "|" + "---|" * 15,
    ]
    for name, clip in found.items():
        warp, cdc, error = clip["warp"], clip["cdc"], clip["error"]
        cells = [
            *_cells(warp),
            f"{warp[1] / warp[2]:.1f} ×",
            *_cells(cdc),
            *_cells(error),
            f"{error[2] / error[1]:.3f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    warp, error = (np.mean([clip[what] for clip in found.values()], axis=0) for what in ("warp", "error"))
    said = f"All clips: {warp[1] / warp[2]:.2f} × less warp error, ΔE2000 {error[2] / error[1]:.3f} × frame by frame's"
    if len(warp) > 3:
        said += f"; {warp[2] / warp[3]:.3f} × the other build's warp error, {error[2] / error[3]:.3f} × its ΔE2000"
    return "\n".join([*lines, "", said + "."])


def _cells(numbers: list[float]) -> list[str]:
    """A number for the truth, by frame, held and by the other build, which may not have been measured."""
    return [f"{number:.2f}" for number in numbers] + [""] * (4 - len(numbers))


def speed(name: str, count: int, builds: dict[str, Path]) -> dict[str, Any]:
    """Milliseconds per frame of the whole command, H.264 to H.264, by each build; and of this one's parts.

    Time of the processor and by the clock; starting is left out, which the same command for one frame measures. And the
    most megabytes of the whole.
    """
    frames = list(moved(WAYS["panned"](), "panned", count, SIZES[name]))
    taken: dict[str, list[np.ndarray]] = {build: [] for build in builds}
    with tempfile.TemporaryDirectory() as folder:
        gray, one, colored = (Path(folder) / f"{name}.mp4" for name in ("gray", "one", "color"))
        write_gray(frames, gray, codec="libx264")
        write_gray(frames[:1], one, codec="libx264")
        for _ in range(REPEATS):
            for build, source in builds.items():
                whole, start = (np.array(command(path, colored, source)) for path in (gray, one))
                taken[build].append(np.append((whole - start)[:2] * 1000 / (len(frames) - 1), whole[2]))
                print(name, build, taken[build][-1], flush=True)
        parts = parts_of_a_frame(gray)
    medians = {build: np.median(times, axis=0).tolist() for build, times in taken.items()}
    return {"size": name, "frames": len(frames), "processor, clock, memory": medians, "parts": parts}


def command(source: Path, target: Path, build: Path, *options: str) -> tuple[float, float, float]:
    """Seconds of the processor and by the clock of `photochrom video`, and the most megabytes that it takes."""
    line = [sys.executable, "-m", "photochrom", "video", str(source), str(target), "--overwrite", *options]
    began = time.perf_counter()
    process, most, status = subprocess.Popen(line, env=os.environ | {"PYTHONPATH": str(build)}), 0.0, None
    while status is None:
        time.sleep(0.1)
        most = max(most, megabytes(process.pid))
        found, code, used = os.wait4(process.pid, os.WNOHANG)
        status = code if found else None
    process.returncode = status
    assert status == 0
    return used.ru_utime + used.ru_stime, time.perf_counter() - began, most


def megabytes(process: int) -> float:
    """The most memory that a running process has taken; 0 if it has ended. What wait4 says includes its parent's."""
    peak = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(peak[1]) / 1024 if peak else 0.0


def parts_of_a_frame(gray: Path) -> dict[str, float]:
    """Milliseconds of the processor, one part after the other; in the command they go on at the same time."""
    film, backend, coherence, look = read_film(gray), Timed(load_model()), Coherence(), Look()
    colorizer, encoding, taken = Colorizer(backend), Encoding(), dict.fromkeys(("shots", "reading"), 0.0)
    began = time.process_time()
    look_through(film)
    taken["shots"] = time.process_time() - began
    began = time.process_time()
    read = list(read_frames(film))
    taken["reading"] = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder, segment_writer(film, Path(folder) / "0.segment", encoding) as writer:
        for frame in read:
            clock, network = [time.process_time()], backend.seconds
            coloring = color_next(coherence, colorizer, frame.pixels, FilmOptions(), ())
            clock.append(time.process_time())
            picture = join_to_store(colorizer, frame, (coloring,), film, look, writer.format)
            clock.append(time.process_time())
            writer.write(picture, frame)
            clock.append(time.process_time())
            network = backend.seconds - network
            spans = [network, clock[1] - clock[0] - network, clock[2] - clock[1], clock[3] - clock[2]]
            for part, seconds in zip(("network", "around it", "joining", "encoding"), spans, strict=True):
                taken[part] = taken.get(part, 0.0) + seconds
    taken["encoding"] += time.process_time() - clock[-1]  # the encoder holds most pictures back
    return {part: 1000 * seconds / len(read) for part, seconds in taken.items()}


def speed_text(found: list[dict[str, Any]]) -> str:
    lines = [
        "## Speed",
        "",
        "The whole command, H.264 to H.264, with finding shots and without starting: the median of "
        f"{REPEATS} runs of each build in turn. Other processes ran beside it, so the processor's time counts, and the "
        "time by the clock only roughly. Parts: the processor's milliseconds per frame, measured one after the other.",
        "",
        "| film | frames per second of the processor: this build | other | ratio | by the clock: this | other | ratio "
        "| parts | memory, MB: this | other |",
        "|" + "---|" * 10,
    ]
    for each in found:
        this, other = (each["processor, clock, memory"].get(build) for build in ("this", "other"))
        cells = []
        for k in (0, 1):
            cells.append(f"{1000 / this[k]:.2f}")
            cells += [f"{1000 / other[k]:.2f}", f"{other[k] / this[k]:.2f} ×"] if other else ["", ""]
        parts = ", ".join(f"{part} {milliseconds:.0f}" for part, milliseconds in each["parts"].items())
        megabytes = [f"{this[2]:.0f}", f"{other[2]:.0f}" if other else ""]
        cells = [f"{each['size']}, {each['frames']} frames", *cells, parts, *megabytes]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def memory(photograph: np.ndarray) -> dict[str, float]:
    """The most megabytes that the command has taken until so many minutes of one shot, with hints at both of its ends.

    A small film and a small working size: what is looked for is whether memory grows with the shot.
    """
    count = MINUTES[-1] * 60 * RATE
    with tempfile.TemporaryDirectory() as folder:
        gray, hints, target = (Path(folder) / name for name in ("gray.mp4", "film.json", "color.mp4"))
        few = list(moved(photograph, "panned", 10 * RATE, SMALL))
        there_and_back = cycle([*few, *few[::-1]])
        write_gray(islice(there_and_back, count), gray, codec="libx264")
        given = [{"time": time, "x": 80, "y": 60, "color": "#7a2f2b"} for time in (0, MINUTES[-1] * 60 - 1)]
        hints.write_text(json.dumps({"hints": given}))
        line = [sys.executable, "-m", "photochrom", "video", str(gray), str(target), "--hints", str(hints)]
        process = subprocess.Popen([*line, "--working-size", "64"])
        parts, found, done = target.with_name(f".{target.name}.parts"), dict.fromkeys(map(str, MINUTES), 0.0), 0.0
        while process.poll() is None:
            done = max(done, len(list(parts.glob("[0-9]*.json"))) * SEGMENT_FRAMES / RATE / 60)  # minutes
            if peak := megabytes(process.pid):
                found |= {name: peak for name in found if done <= int(name)}
            time.sleep(0.2)
        assert process.returncode == 0
    return found


def memory_text(found: dict[str, float]) -> str:
    said = ", ".join(f"{minutes} min {megabytes:.0f} MB" for minutes, megabytes in found.items())
    return (
        f"## Memory\n\nThe most that the whole command has taken of a film of one shot of {MINUTES[-1]} minutes, with "
        "a hint at its beginning and one at its end, which is followed back through all of it, until so many minutes "
        f"were done; {SMALL[0]} × {SMALL[1]}, {RATE} frames per second, working size 64: **{said}**. Larger pictures "
        "take more (see the table of speed), but no more the longer a shot is."
    )


class Timed:
    """A backend that counts its seconds of the processor."""

    def __init__(self, backend: Backend):
        self.info, self.seconds, self._backend = backend.info, 0.0, backend

    def predict(self, *inputs: np.ndarray) -> np.ndarray:
        began = time.process_time()
        chroma = self._backend.predict(*inputs)
        self.seconds += time.process_time() - began
        return chroma


def first_frames(path: Path, count: int) -> list[np.ndarray]:
    frames = []
    for frame in read_frames(read_film(path)):
        frames.append(in_channels(frame.pixels))
        if len(frames) == count:
            break
    return frames


def moved(photograph: np.ndarray, way: str, count: int, size: tuple[int, int] = STEADY_SIZE) -> Iterator[np.ndarray]:
    """Frames of a camera that moves over a photograph."""
    rng = np.random.default_rng(0)
    height, width = photograph.shape[:2]
    for number in range(count):
        part = number / count
        shift, zoom = np.array([width, height]) * 0.1, 0.8
        if way == "crossed":
            shift = shift * 0.5
        elif way == "panned":
            shift = shift * (2 * part, 0.5)
        elif way == "zoomed":
            zoom = 0.95 - 0.35 * part
            shift = np.array([width, height]) * (1 - zoom) / 2
        else:
            shift = shift + rng.normal(0, 2.5, 2) + 4 * np.sin(number / np.array([5, 7]))
        matrix = np.array([[zoom * width / size[0], 0, shift[0]], [0, zoom * height / size[1], shift[1]]])
        flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(photograph, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
        if way == "crossed":  # a part of the photograph goes over it and uncovers what was behind
            at = round((size[0] - PATCH) * part)
            frame[80 : 80 + PATCH, at : at + PATCH] = photograph[:PATCH, -PATCH:]
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


def in_channels(pixels: np.ndarray) -> np.ndarray:
    """A frame without colors is read as (H, W)."""
    return pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)


if __name__ == "__main__":
    main()
