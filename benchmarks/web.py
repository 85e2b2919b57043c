"""Time and memory of the page with the network in the browser, against photochrom itself.

Usage: python benchmarks/web.py [--megapixels 1 24]      (needs Chromium, Playwright, the extra pipeline, Linux)

A photograph of each size is opened on the page and saved as PNG four times, each in another coloring, so that the
network runs each time. What counts is the CPU time of the page's process, with reading and writing the file, and its
largest memory. photochrom's is that of the same work in this process, on one thread.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from skimage import data

from photochrom import Colorizer
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.photograph import Photograph
from photochrom.web.build import build, write_folder
from photochrom.web.runtime import read_runtime

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
SERVE = """import sys; from pathlib import Path; from photochrom.web.host import serve_folder
serve_folder(Path(sys.argv[1]), 0, lambda text: print(text, flush=True))"""
TICKS = 100  # of Linux, per second of CPU time
SLOWEST = 600_000  # milliseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 24])
    parser.add_argument("--runtime", type=Path, help="folder dist of onnxruntime-web")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        write_folder(build("default", 256, read_runtime(options.runtime)), folder / "page")
        server = subprocess.Popen([sys.executable, "-c", SERVE, folder / "page"], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = next(word for word in server.stdout.readline().split() if word.startswith("http"))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page()
        page.set_default_timeout(SLOWEST)
        page.goto(address)
        page.wait_for_function("() => document.querySelector('#engine').textContent.includes('In this browser')")
        renderer = largest_renderer()
        print(f"{page.text_content('#engine')}; starting took {cpu_seconds(renderer):.1f} s of CPU time")
        print("| megapixels | browser, s of CPU time: first, median | photochrom, s | ratio | browser, MB |")
        print("|---|---|---|---|---|")
        for megapixels in options.megapixels:
            path = folder / f"{megapixels:g}.jpg"
            side = round((megapixels * 1e6) ** 0.5)
            Image.fromarray(data.astronaut()).convert("L").resize((side, side), Image.Resampling.BICUBIC).save(
                path, quality=95
            )
            first, *others = browser_seconds(page, renderer, path)
            usual = float(np.median(others))
            own = min(native_seconds(path) for _ in range(3))
            memory = memory_of(renderer)
            print(
                f"| {megapixels:g} | {first:.2f}, {usual:.2f} | {own:.2f} | {usual / own:.1f} | {memory:.0f} |",
                flush=True,
            )
        browser.close()
        server.terminate()


def browser_seconds(page: Page, renderer: int, path: Path) -> list[float]:
    """CPU seconds of saving a photograph, four times."""
    page.set_input_files("#files", path)
    page.wait_for_selector("#samples button:nth-child(6)")
    page.select_option("#format", "png")
    taken = []
    for seed in range(10, 14):
        page.evaluate("seed => window.photochrom.state.photo.decide({ seed })", seed)
        page.wait_for_function("() => !window.photochrom.previews.running && !window.photochrom.background.running")
        before = cpu_seconds(renderer)
        with page.expect_download() as download:
            page.click("#save")
        download.value.path()
        taken.append(cpu_seconds(renderer) - before)
    page.click("#strip li > :last-child")
    return taken


def native_seconds(path: Path) -> float:
    """CPU seconds of the same in this process."""
    colorizer = Colorizer(threads=1)
    before = time.process_time()
    pixels = decode_photograph(path.read_bytes()).pixels
    Photograph(np.ascontiguousarray(colorizer.colorize(pixels))).encode("png")
    return time.process_time() - before


def largest_renderer() -> int:
    """The process of the page."""
    found = [
        int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if b"--type=renderer" in _read(path)
    ]
    return max(found, key=memory_of)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(process: int) -> float:
    """The largest resident memory so far, MB."""
    lines = _read(Path(f"/proc/{process}/status")).decode().splitlines()
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main()
