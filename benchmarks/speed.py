"""Measure photochrom's speed, memory and size, side by side in one run, and write benchmarks/RESULTS.md.

Usage: python benchmarks/speed.py    (nothing else should run; needs the dev extra; takes about ten minutes)
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from skimage import data

import photochrom
from photochrom.inference.weights import load_model
from photochrom.networks.pix2pix import Pix2PixConfig, Pix2PixGenerator
from photochrom.photo.photograph import Photograph
from photochrom.photo.resize import resize

RESULTS = Path(__file__).with_name("RESULTS.md")
ROOT = RESULTS.parents[1]
MEGAPIXELS = (1, 4, 12, 24, 50, 100)
REPEATS = 5
TRAINING_STEPS = 8


def main() -> None:
    sections = [
        "# Speed, memory, size",
        f"Written by `benchmarks/speed.py` in one run; the median of {REPEATS} repeats. Compare the ratios, not the "
        "seconds: machines differ.",
        f"Machine: {machine()}.",
        whole_process(),
        generators(),
        training(),
        sizes(),
    ]
    RESULTS.write_text("\n\n".join(sections) + "\n")
    print(RESULTS.read_text())


def whole_process() -> str:
    """`photochrom colorize` of JPEGs from 1 to 100 megapixels: seconds and peak memory of the process."""
    lines = [
        "## `photochrom colorize`, whole process, JPEG to JPEG",
        "",
        "| megapixels | seconds | peak memory, MB | seconds a megapixel beyond the first |",
        "|---|---|---|---|",
    ]
    first = None
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in MEGAPIXELS:
            source = Path(folder) / f"{megapixels}.jpg"
            Photograph(photograph_of(megapixels)).save(source)
            runs = [run_process(source) for _ in range(REPEATS if megapixels <= 24 else 3)]
            seconds = statistics.median(s for s, _ in runs)
            first = first or seconds
            extra = "" if megapixels == 1 else f"{(seconds - first) / (megapixels - 1):.3f}"
            lines.append(f"| {megapixels} | {seconds:.2f} | {max(m for _, m in runs):.0f} | {extra} |")
    return "\n".join(lines)


def photograph_of(megapixels: int) -> np.ndarray:
    """A gray photograph, uint8, 3:2: scikit-image's astronaut enlarged, with a little grain."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    gray = data.astronaut()[:340, :, 1].astype(np.float32)
    large = resize(gray, height, round(1.5 * height))
    large += np.random.default_rng(0).normal(0, 2, large.shape).astype(np.float32)
    return np.clip(np.rint(large), 0, 255).astype(np.uint8)


def run_process(source: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of one `photochrom colorize`."""
    command = [sys.executable, "-m", "photochrom", "colorize", str(source), "--overwrite"]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return seconds, usage.ru_maxrss / 1024


def generators() -> str:
    """One picture of 256 x 256 through the generator alone."""
    luminance = (100 * np.random.default_rng(0).random((1, 1, 256, 256))).astype(np.float32)
    hints = np.zeros((1, 3, 256, 256), np.float32)
    noise = np.zeros((1, 8), np.float32)
    default = load_model()
    pix2pix = Pix2PixGenerator(Pix2PixConfig()).eval()
    tensors = [torch.from_numpy(x) for x in (luminance, hints, noise)]

    @torch.inference_mode()
    def run_pix2pix() -> None:
        pix2pix(*tensors)

    ours = median_seconds(lambda: default.predict(luminance, hints, noise))
    theirs = median_seconds(run_pix2pix)
    return "\n".join(
        [
            "## The generator alone, one picture of 256 x 256",
            "",
            "| | milliseconds | x default |",
            "|---|---|---|",
            f"| default, ONNX Runtime | {1000 * ours:.1f} | 1 |",
            f"| pix2pix, PyTorch eager | {1000 * theirs:.1f} | {theirs / ours:.1f} |",
        ]
    )


def median_seconds(function: Callable[[], object], repeats: int = 20) -> float:
    function()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def training() -> str:
    """Photographs per second and the parts of a step's time, for both presets as they are configured."""
    from dataclasses import replace

    from photochrom.training.config import preset_config
    from photochrom.training.loop import train

    lines = [
        "## Training",
        "",
        f"The median of {TRAINING_STEPS} steps of each stage, at its own size and batch.",
        "",
        "| preset | stage | pixels | batch | photographs/s | data | generator | discriminator |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photographs").mkdir()
        for number in range(8):
            picture = np.roll(data.astronaut(), 40 * number, axis=1)
            Photograph(picture).save(folder / "photographs" / f"{number}.png")
        for preset in ("default", "pix2pix"):
            config = preset_config(preset)
            for stage in config.stages:
                short = replace(stage, steps=TRAINING_STEPS, discriminator_warmup=0)
                run = folder / f"{preset}-{stage.name}"
                one = replace(config, stages=(short,), log_every=1, save_every=10**6, sample_every=10**6)
                train([folder / "photographs"], run, one)
                lines.append(training_line(preset, short, run / "log.jsonl"))
    return "\n".join(lines)


def training_line(preset: str, stage: object, log: Path) -> str:
    import json

    steps = [json.loads(line) for line in log.read_text().splitlines()][2:]  # the first two warm up

    def median(key: str) -> float:
        return statistics.median(step[key] for step in steps)

    return (
        f"| {preset} | {stage.name} | {stage.size} | {stage.batch_size} | {median('photographs_per_second'):.1f} "
        f"| {median('data_share'):.0%} | {median('generator_share'):.0%} | {median('discriminator_share'):.0%} |"
    )


def sizes() -> str:
    """The size of the wheel, and of an environment with it and no extras."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        environment = Path(folder) / "environment"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        (packages,) = environment.glob("lib/*/site-packages")
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), str(wheel)]
        subprocess.run(install, check=True)
        largest = sorted(((disk_size(p), p.name) for p in packages.iterdir()), reverse=True)[:6]
        parts = ", ".join(f"{name} {size / 1e6:.0f}" for size, name in largest)
        return "\n".join(
            [
                "## Size",
                "",
                f"The wheel: {wheel.stat().st_size / 1e6:.1f} MB. "
                f"Installed without extras: {disk_size(packages) / 1e6:.0f} MB (the largest: {parts}).",
            ]
        )


def disk_size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(names)} cores ({names[0]}), {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}, "
        f"ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}, photochrom {photochrom.__version__}"
    )


if __name__ == "__main__":
    main()
