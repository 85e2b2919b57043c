"""Fuzz the reading path: real files of every format, mutated, each colored from file to file.

Usage: python tests/fuzz.py [--inputs 20000] [--seed 0]      (writes benchmarks/FUZZ.md)

A child process does the work and may die or hang without harm to the campaign. Every input must end in a whole
output or in one line of InputError and no output, within 10 seconds and the stated memory.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import platform
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import TimeoutError
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pebble
from PIL import Image, ImageCms
from skimage import data

from photochrom.album import run_task
from photochrom.coloring import Request
from photochrom.errors import InputError
from photochrom.inference.colorizer import Colorizer
from photochrom.photo.decoding import read_photograph
from photochrom.photo.photograph import Photograph
from photochrom.planning import Task
from photochrom.settings import FORMATS

RESULTS = Path(__file__).parents[1] / "benchmarks" / "FUZZ.md"
SECONDS = 10.0  # a hang
MAX_PIXELS = 4_000_000  # declared sizes above it are refused
MEMORY = 1.0e9  # bytes a child may ever take: the interpreter, the libraries, the model, and one photograph
INPUTS_PER_CHILD = 500
INTERESTING = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Finding:
    """What came of an input. verdict: colored, refused, or what went wrong."""

    seed: str
    verdict: str
    message: str = ""
    seconds: float = 0.0
    memory: int = 0  # bytes, the most that the child took so far


def seeds() -> dict[str, bytes]:
    """Real photographs in every format and the kinds of each that tools write."""
    cat = Image.fromarray(data.chelsea()[60:156, 120:248])
    gray, exif = cat.convert("L"), Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a cat"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = np.asarray(gray).astype(np.uint16) * 257
    made = {f"{name}, ours": Photograph(np.asarray(cat)).encode(name) for name in FORMATS}
    made |= {f"{name}, ours, 16 bits": Photograph(deep).encode(name) for name in ("png", "tiff")}
    kinds: list[tuple[str, Image.Image, str, dict[str, object]]] = [
        ("jpeg, gray", gray, "JPEG", {}),
        ("jpeg, progressive", cat, "JPEG", {"progressive": True, "exif": exif.tobytes()}),
        ("jpeg, CMYK", cat.convert("CMYK"), "JPEG", {}),
        ("jpeg, profile", cat, "JPEG", {"icc_profile": profile, "dpi": (300, 300)}),
        ("png, 1 bit", gray.convert("1"), "PNG", {}),
        ("png, palette", cat.quantize(32), "PNG", {"transparency": 3}),
        ("png, alpha", cat.convert("RGBA"), "PNG", {"icc_profile": profile}),
        ("webp, lossless", cat.convert("RGBA"), "WEBP", {"lossless": True}),
        ("tiff, plain", gray, "TIFF", {}),
        ("tiff, LZW", cat, "TIFF", {"compression": "tiff_lzw"}),
        ("tiff, fax", gray.convert("1"), "TIFF", {"compression": "group4"}),
        ("tiff, JPEG", cat, "TIFF", {"compression": "jpeg"}),
        ("tiff, float", Image.fromarray(np.asarray(gray).astype(np.float32) / 255), "TIFF", {}),
        ("bmp, palette", cat.quantize(16), "BMP", {}),
        ("bmp, 1 bit", gray.convert("1"), "BMP", {}),
        ("gif", cat.quantize(64), "GIF", {}),
    ]
    for name, picture, format_name, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, format_name, **options)
        made[name] = buffer.getvalue()
    return made


def mutate(content: bytes, other: bytes, source: np.random.Generator) -> bytes:
    """Up to six changes such as bad disks, bad software and bad people make; most of them near the start."""
    result = bytearray(content)
    for _ in range(source.integers(1, 7)):
        if len(result) < 16:
            break
        place = int(len(result) * source.random() ** source.choice((1, 3)))
        length = min(int(source.integers(1, 65)), len(result) - place)
        match source.integers(7):
            case 0:  # a flipped bit
                result[place] ^= 1 << source.integers(8)
            case 1:  # noise
                result[place : place + length] = source.bytes(length)
            case 2:  # a number at its limits
                size, is_big = int(source.choice((1, 2, 4))), bool(source.integers(2))
                value = int(source.choice(INTERESTING)) % (1 << 8 * size)
                result[place : place + size] = value.to_bytes(size, "big" if is_big else "little")
            case 3:  # cut off
                del result[place:]
            case 4:  # a piece missing
                del result[place : place + length]
            case 5:  # a piece twice
                result[place:place] = result[place : place + length]
            case 6:  # a piece of another file
                begin = int(source.integers(len(other)))
                result[place : place + length] = other[begin : begin + length]
    return bytes(result)


def inputs(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The campaign's inputs, always the same for a seed."""
    source, originals = np.random.default_rng(seed), list(seeds().items())
    for _ in range(count):
        name, content = originals[source.integers(len(originals))]
        other = originals[source.integers(len(originals))][1]
        yield name, mutate(content, other, source)


# In the child process

_colorizer: Colorizer | None = None


def start_child() -> None:
    """Load the model, once a child."""
    global _colorizer
    _colorizer = Colorizer(working_size=64, threads=1)


def examine(name: str, content: bytes) -> Finding:
    """Color one input in a folder of its own and look at what is left there."""
    assert _colorizer is not None
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "in.bin", Path(folder) / "out.png"
        source.write_bytes(content)
        outcome = run_task(Task(source, (output,)), _colorizer, Request(max_pixels=MAX_PIXELS))
        left = {path.name for path in Path(folder).iterdir()} - {source.name}
        verdict, message = "colored", ""
        if outcome.error is None:
            if left != {output.name} or read_photograph(output).pixels.ndim != 3:
                verdict, message = "WRONG OUTPUT", str(left)
        else:
            verdict, message = "refused", str(outcome.error)
            if left:
                verdict = "OUTPUT OF A FAILURE"
            elif not isinstance(outcome.error, InputError):
                verdict = "WRONG ERROR"
            elif "\n" in message or len(message) > len(str(source)) + 250:
                verdict = "BAD MESSAGE"
    return Finding(name, verdict, message, time.perf_counter() - began, peak_memory())


def peak_memory() -> int:
    """The most bytes that this process took so far. (Linux's ru_maxrss begins at its parent's.)"""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# The campaign


def campaign(count: int, seed: int, crashes: Path | None = None) -> Iterator[Finding]:
    """Run it. Inputs that did harm are kept in the folder `crashes`."""
    context = multiprocessing.get_context("spawn")
    with pebble.ProcessPool(2, INPUTS_PER_CHILD, start_child, context=context) as pool:
        waiting = []
        for number, (name, content) in enumerate(inputs(count, seed)):
            waiting.append((number, name, content, pool.schedule(examine, (name, content), timeout=SECONDS)))
            while len(waiting) > 8 or (waiting and number == count - 1):
                number_then, name_then, content_then, future = waiting.pop(0)
                finding = settle(name_then, future)
                if crashes is not None and not is_fine(finding):
                    crashes.mkdir(exist_ok=True)
                    (crashes / f"{number_then}.bin").write_bytes(content_then)
                yield finding


def settle(name: str, future: pebble.ProcessFuture) -> Finding:
    """The finding that a child sent, or what its death says."""
    try:
        return future.result()
    except TimeoutError:
        return Finding(name, "HANG", seconds=SECONDS)
    except pebble.ProcessExpired as expired:
        return Finding(name, "CRASH", f"exit code {expired.exitcode}")
    except Exception as error:
        return Finding(name, "TRACEBACK", repr(error))


def is_fine(finding: Finding) -> bool:
    return finding.verdict in ("colored", "refused") and finding.memory <= MEMORY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crashes", type=Path, default=Path("crashes"), help="where harmful inputs are kept")
    options = parser.parse_args()
    began, findings = time.perf_counter(), []
    for finding in campaign(options.inputs, options.seed, options.crashes):
        findings.append(finding)
        if len(findings) % 1000 == 0 or not is_fine(finding):
            print(
                len(findings), f"{time.perf_counter() - began:.0f} s", "" if is_fine(finding) else finding, flush=True
            )
    RESULTS.write_text(report(findings, options.seed, time.perf_counter() - began))
    print(RESULTS.read_text())
    sys.exit(not all(map(is_fine, findings)))


def report(findings: list[Finding], seed: int, seconds: float) -> str:
    """The campaign's page."""
    verdicts = sorted({finding.verdict for finding in findings})
    lines = [
        "# Files that were tampered with",
        "",
        f"Written by `python tests/fuzz.py --inputs {len(findings)} --seed {seed}` in {seconds / 60:.0f} minutes, "
        f"Python {platform.python_version()}. Real files of every format and kind, each with one to six changes "
        "(flipped bits, noise, numbers at their limits, cuts, pieces lost, doubled or from other files), were colored "
        f"from file to file with a limit of {MAX_PIXELS / 1e6:g} million pixels.",
        "",
        f"Slowest: {max(f.seconds for f in findings):.1f} s. Most memory of a process: "
        f"{max(f.memory for f in findings) / 1e6:.0f} MB (allowed: {MEMORY / 1e6:.0f} MB). "
        f"Harmful: {sum(not is_fine(f) for f in findings)}.",
        "",
        f"| file | {' | '.join(verdicts)} |",
        "|---|" + "---|" * len(verdicts),
    ]
    by_seed: dict[str, Counter[str]] = {}
    for finding in findings:
        by_seed.setdefault(finding.seed, Counter())[finding.verdict] += 1
    by_seed["all"] = Counter(finding.verdict for finding in findings)
    lines += [f"| {name} | {' | '.join(str(c[v]) for v in verdicts)} |" for name, c in by_seed.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
