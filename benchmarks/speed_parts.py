"""What benchmarks/speed.py measures, part by part; each part gives plain JSON types."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from processes import ROOT, THIS, Build, Took, alternately, median, run
from skimage import data

import photochrom
from photochrom.inference.weights import load_model
from photochrom.networks.pix2pix import Pix2PixConfig, Pix2PixGenerator
from photochrom.photo.photograph import Photograph
from photochrom.photo.vips import pyvips

GROWTH = (0.1, 1, 4, 12, 24, 50, 100, 200, 400)  # millions of pixels
LARGEST_JPEG = 100  # of those; TIFF of 16 bits goes on
LARGEST_OF_ALL = 500
REFERENCE = Path(__file__).with_name("reference.py")
PRESETS = ("pix2pix", "default")
COPY = """
import sys, pyvips
gray = pyvips.Image.new_from_file(sys.argv[1], access="sequential")
gray.colourspace("srgb").jpegsave(sys.argv[2], Q=95, subsample_mode="off", optimize_coding=True)
"""


def photographs(before: Build, folder: Path, sizes: Sequence[float], repeats: int) -> dict[str, Any]:
    """JPEGs: this build, the one before, libvips' copy; the smallest in pix2pix on PyTorch too."""
    run_of_pix2pix = write_pix2pix(folder / "pix2pix")
    rows = []
    for megapixels in sorted(sizes):
        source, target = write_photograph(folder, megapixels, "jpg"), folder / "color.jpg"
        words = ("colorize", source, "-o", target, "--overwrite")
        contestants: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
            "before": before.command(*words),
            "now": THIS.command(*words),
            "copy": ([sys.executable, "-c", COPY, str(source), str(target)], os.environ),
        }
        if not rows:
            contestants["pix2pix"] = THIS.command(*words, "--model", run_of_pix2pix)
        took = alternately(repeats if megapixels <= 24 else min(repeats, 3), contestants)
        rows.append({"megapixels": megapixels} | {name: plain(each) for name, each in took.items()})
        source.unlink()
    names = {"now": THIS.name, "before": before.name, "copy": "copy", "pix2pix": "pix2pix in PyTorch"}
    return {"rows": rows, "names": names}


def growth(folder: Path, sizes: Sequence[float], repeats: int) -> dict[str, Any]:
    """This build with photographs of all sizes, as JPEG and as TIFF of 16 bits."""
    rows = []
    for megapixels in sizes:
        for suffix in ("jpg", "tif"):
            if suffix == "jpg" and megapixels > LARGEST_JPEG:
                continue
            source, target = write_photograph(folder, megapixels, suffix), folder / f"color.{suffix}"
            command = THIS.command("colorize", source, "-o", target, "--overwrite", "--max-pixels", LARGEST_OF_ALL)
            took = median([run(*command) for _ in range(repeats if megapixels <= 24 else 1)])
            label = "JPEG" if suffix == "jpg" else "TIFF, 16 bits"
            rows.append({"megapixels": megapixels, "format": label, "now": plain(took)})
            for path in (source, target):
                path.unlink()
    return {"rows": rows}


def folder(before: Build, folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """A folder of different photographs of a megapixel, two at a time."""
    source, target = folder / "album", folder / "color"
    source.mkdir()
    first = write_photograph(folder, 1, "jpg")
    gray = pyvips.Image.new_from_file(str(first)).numpy()
    for number in range(count):
        turned = np.ascontiguousarray(np.roll(gray, 97 * number, axis=number % 2))
        Photograph(turned).save(source / f"{number:04}.jpg")
    runs: dict[str, list[Took]] = {"before": [], "now": []}
    for _ in range(repeats):
        for name, build in (("before", before), ("now", THIS)):
            runs[name].append(run(*build.command("colorize", source, "-o", target, "--jobs", 2, "--overwrite")))
            shutil.rmtree(target)
    shutil.rmtree(source)
    names = {"before": before.name, "now": THIS.name}
    return {"count": count, "names": names} | {name: plain(median(each)) for name, each in runs.items()}


def generators(repeats: int) -> dict[str, Any]:
    """Seconds of one picture of 256 x 256 through the generator alone."""
    luminance = (100 * np.random.default_rng(0).random((1, 1, 256, 256))).astype(np.float32)
    hints, noise = np.zeros((1, 3, 256, 256), np.float32), np.zeros((1, 8), np.float32)
    default = load_model(device="cpu")
    pix2pix = Pix2PixGenerator(Pix2PixConfig()).eval()
    tensors = [torch.from_numpy(x) for x in (luminance, hints, noise)]

    @torch.inference_mode()
    def run_pix2pix() -> None:
        pix2pix(*tensors)

    ours = median_seconds(lambda: default.predict(luminance, hints, noise), repeats)
    return {"default": ours, "pix2pix": median_seconds(run_pix2pix, repeats)}


def training(folder: Path, steps: int, repeats: int) -> dict[str, Any]:
    """Seconds of a step, by the clock and of the processor, in our loop and in the published one, in turn."""
    from photochrom.training.config import preset_config

    pictures = write_training_photographs(folder)
    rows = []
    for preset in PRESETS:
        spent: dict[str, list[list[float]]] = {"reference": [], "ours": []}
        for _ in range(repeats):
            for way, found in spent.items():
                command = [sys.executable, str(REFERENCE), way, preset, str(pictures), str(steps)]
                output = subprocess.run(
                    command, env=THIS.environment, check=True, capture_output=True, text=True
                ).stdout
                found += json.loads(output.splitlines()[-1])[1:]  # the first one warms up
        stage = preset_config(preset).stages[-1]
        row: dict[str, Any] = {"preset": preset, "size": stage.size, "batch": stage.batch_size}
        medians = {way: [statistics.median(each) for each in zip(*found, strict=True)] for way, found in spent.items()}
        rows.append(row | medians)
    return {"rows": rows}


def stages(folder: Path, steps: int) -> dict[str, Any]:
    """Photographs per second and the parts of a step's time, for every stage of the presets."""
    from photochrom.training.config import preset_config
    from photochrom.training.loop import train

    pictures = write_training_photographs(folder)
    rows = []
    for preset in PRESETS:
        config = preset_config(preset)
        for stage in config.stages:
            short = replace(stage, steps=steps, discriminator_warmup=0)
            one = replace(config, stages=(short,), log_every=1, save_every=10**6, sample_every=10**6)
            run_folder = folder / f"{preset}-{stage.name}"
            train([pictures], run_folder, one)
            lines = (run_folder / "log.jsonl").read_text().splitlines()[min(2, steps - 1) :]  # the first ones warm up
            names = {"rate": "photographs_per_second"} | {
                name: f"{name}_share" for name in ("data", "generator", "discriminator")
            }
            found = {k: statistics.median(json.loads(line)[v] for line in lines) for k, v in names.items()}
            rows.append({"preset": preset, "stage": stage.name, "size": stage.size, "batch": stage.batch_size} | found)
    return {"rows": rows}


def sizes() -> dict[str, Any]:
    """MB of the wheel, and of an environment with it and no extras."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)]
        subprocess.run(build, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        packages = Path(folder) / "packages"
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(packages), str(wheel)]
        subprocess.run(install, check=True)
        largest = sorted(((disk_size(p) / 1e6, p.name) for p in packages.iterdir()), reverse=True)[:6]
        return {
            "wheel": wheel.stat().st_size / 1e6,
            "installed": disk_size(packages) / 1e6,
            "largest": [(name, size) for size, name in largest],
        }


def write_photograph(folder: Path, megapixels: float, suffix: str) -> Path:
    """A gray photograph, 3:2, of 8 bits (jpg) or 16 (tif): scikit-image's astronaut enlarged, with a little grain."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(1.5 * height)
    gray = pyvips.Image.new_from_array(np.ascontiguousarray(data.astronaut()[:340, :510, 1]))
    large = gray.resize(width / 510, vscale=height / 340, kernel="cubic")
    grain = pyvips.Image.gaussnoise(large.width, large.height, mean=0, sigma=2, seed=0)
    path = folder / f"{megapixels:g}.{suffix}"
    if suffix == "jpg":
        (large + grain).cast("uchar").copy(interpretation="b-w").jpegsave(str(path), Q=95)
    else:
        deep = ((large + grain) * 257).cast("ushort").copy(interpretation="grey16")
        deep.tiffsave(str(path), bigtiff=megapixels > LARGEST_JPEG)
    return path


def write_training_photographs(folder: Path) -> Path:
    """A folder of eight color photographs."""
    pictures = folder / "photographs"
    pictures.mkdir(exist_ok=True)
    for number in range(8):
        Photograph(np.roll(data.astronaut(), 40 * number, axis=1)).save(pictures / f"{number}.jpg")
    return pictures


def write_pix2pix(folder: Path) -> Path:
    """A run of the pix2pix preset that was never trained."""
    from photochrom.networks.build import CHECKPOINT_NAME
    from photochrom.training.config import config_to_dict, preset_config

    folder.mkdir()
    config = preset_config("pix2pix")
    generator = Pix2PixGenerator(Pix2PixConfig())
    state = {"config": config_to_dict(config), "step": 0, "ema": generator.state_dict()}
    torch.save(state, folder / CHECKPOINT_NAME)
    return folder


def plain(took: Took) -> list[float]:
    """CPU, wall and peak, as JSON has them."""
    return [round(value, 4) for value in dataclasses.astuple(took)]


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """The median time of a call, after a first one."""
    function()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def disk_size(path: Path) -> int:
    """Bytes of a file or of all files in a folder."""
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def machine() -> str:
    """The machine, and the versions of what computes."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(names)} cores ({names[0]}), {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}, "
        f"ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}, photochrom {photochrom.__version__}"
    )
