"""Install the built wheel into empty environments and use it there; write benchmarks/INSTALL.md.

Usage: python benchmarks/install.py PYTHON...      (interpreters; needs network to a package registry, build and uv)

Each extra is installed alone, on every Python, without a compiler: only wheels are used, except for pyvips, which is
pure Python and comes as source. Then the lowest versions that pyproject.toml allows are installed on the oldest Python.
Extras with PyTorch would download gigabytes of CUDA, so they are only resolved, except on the Python that --torch
names, for which there is a CPU build.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from speed_parts import machine

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("INSTALL.md")
NO_COMPILER = ("--only-binary", ":all:", "--no-binary", "pyvips")
EXTRAS = ("", "app", "archive", "video", "hub", "train", "evaluate")
NEEDS_TORCH = {"train", "evaluate"}
SMALL = [
    "--steps",
    "1",
    "--batch-size",
    "2",
    "--set",
    "photograph_size=64",
    "--set",
    "generator.encoder=lite0",
    "--precision",
    "32-true",
]
SERVE = (
    "import subprocess, sys, urllib.request as r;"
    "p = subprocess.Popen([sys.argv[1], 'serve', '--port', '0'], stdout=subprocess.PIPE, text=True);"
    "a = p.stdout.readline().split()[-1]; assert r.urlopen(a + 'healthz').read() == b'ok';"
    "assert b'photochrom' in r.urlopen(a).read(); p.terminate(); assert p.wait(30) == 0"
)
FILM = (
    "import av, numpy as np\nwith av.open('old.mp4', 'w') as c:\n s = c.add_stream('libx264', rate=5)\n"
    " s.width = s.height = 64\n for n in range(3): c.mux(s.encode(av.VideoFrame.from_ndarray("
    "np.full((64, 64, 3), 40 * n, np.uint8), format='rgb24')))\n c.mux(s.encode(None))"
)
HUB = (
    "from photochrom.hub import HubColorizer as H; H().save_pretrained('saved'); H.from_pretrained('saved');"
    "print('saved and loaded')"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pythons", nargs="+", help="interpreters, the oldest one first")
    parser.add_argument(
        "--torch", help="the Python on which extras with PyTorch are installed, and its requirement: PYTHON=REQUIREMENT"
    )
    options = parser.parse_args()
    torch_python, _, torch = (options.torch or "").partition("=")
    rows = []
    with tempfile.TemporaryDirectory(prefix="installing here ") as scratch:
        wheel = build(Path(scratch))
        for python in options.pythons:
            for extra in EXTRAS:
                rows.append(row(python, extra, wheel, Path(scratch), torch if python == torch_python else None))
                print(rows[-1], flush=True)
        for extra in ("", "app", "archive", "video", "hub"):
            lowest = lowest_versions(options.pythons[0], extra)
            rows.append(row(options.pythons[0], extra, wheel, Path(scratch), None, lowest))
            print(rows[-1], flush=True)
    lines = [
        "# Installing",
        f"Written by `benchmarks/install.py`. Machine: {machine()}.",
        "The built wheel with each extra alone, in an empty environment (in a path with spaces), without a compiler; "
        "then used: a photograph colored under LANG=C, and what the extra brings. Lowest: the oldest versions that "
        "pyproject.toml allows.",
        "| Python | extra | versions | installed, MB | result |\n|---|---|---|---|---|\n" + "\n".join(rows),
    ]
    RESULTS.write_text("\n\n".join(lines) + "\n")
    sys.exit(any("FAILED" in row for row in rows))


def build(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT], check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def row(python: str, extra: str, wheel: Path, scratch: Path, torch: str | None, lowest: Path | None = None) -> str:
    name = subprocess.run([python, "-c", "import platform; print(platform.python_version())"],
                          check=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
    versions, size = "lowest" if lowest else "newest", ""
    if extra in NEEDS_TORCH and torch is None:
        result = resolve(name, extra)
    else:
        environment = scratch / f"{name} {extra or 'alone'} {versions}"
        result, size = install_and_use(python, environment, extra, wheel, torch, lowest)
    return f"| {name} | {extra or '(none)'} | {versions} | {size} | {result} |"


def install_and_use(
    python: str, environment: Path, extra: str, wheel: Path, torch: str | None, lowest: Path | None
) -> tuple[str, str]:
    subprocess.run([python, "-m", "venv", environment], check=True)
    binaries, target = environment / "bin", f"{wheel}[{extra}]" if extra else str(wheel)
    command = [binaries / "python", "-m", "pip", "install", "--quiet", *NO_COMPILER, target]
    command += [torch] if torch and extra in NEEDS_TORCH else []
    command += ["--constraint", lowest] if lowest else []
    began = time.perf_counter()
    installed = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"CC": "false"})
    if installed.returncode:
        return f"FAILED to install: {installed.stderr.strip().splitlines()[-1]}", ""
    size = sum(f.stat().st_size for f in (environment / "lib").rglob("*") if f.is_file() and "/pip/" not in str(f))
    seconds = time.perf_counter() - began
    for words in (["doctor"], ["colorize", "old.jpg", "-o", "new.jpg"], *uses(extra, binaries)):
        arguments = [str(binaries / "photochrom"), *words] if isinstance(words[0], str) else [str(w) for w in words]
        desk = make_desk(environment)
        clean = {"PATH": f"{binaries}:{os.environ['PATH']}", "LANG": "C", "HOME": str(desk)}
        used = subprocess.run(arguments, cwd=desk, env=clean, capture_output=True, text=True, timeout=300)
        if used.returncode:
            last = (used.stderr.strip() or used.stdout.strip()).splitlines()[-1]
            return f"FAILED: {words[0]}: {last}", f"{size / 1e6:.0f}"
    return f"works (installed in {seconds:.0f} s)", f"{size / 1e6:.0f}"


def uses(extra: str, binaries: Path) -> list[list[str | Path]]:
    """The commands that are tried with an extra. If the first word is a path, it is another program."""
    python = binaries / "python"
    return {
        "": [],
        "app": [[python, "-c", SERVE, binaries / "photochrom"]],
        "archive": [["archive", "album", "archived", "--workers", "1"]],
        "video": [[python, "-c", FILM], ["video", "old.mp4", "new.mp4", "--overwrite"]],
        "hub": [[python, "-c", HUB]],
        "train": [["train", "album", "--out", "run", *SMALL], ["export", "run", "model.onnx"],
                  ["colorize", "old.jpg", "-o", "mine.jpg", "--model", "model.onnx"]],
        "evaluate": [["evaluate", "album", "--limit", "2"]],
    }[extra]  # fmt: skip


def make_desk(environment: Path) -> Path:
    desk = environment / "desk"
    if not desk.exists():
        (desk / "album").mkdir(parents=True)
        Image.fromarray(data.chelsea()).convert("L").save(desk / "old.jpg")
        for number in range(4):
            Image.fromarray(np.roll(data.coffee(), 50 * number, axis=1)).save(desk / "album" / f"{number}.jpg")
    return desk


def resolve(version: str, extra: str) -> str:
    command = [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--python-version", version,
               *NO_COMPILER, "--extra", extra, ROOT / "pyproject.toml"]  # fmt: skip
    resolved = subprocess.run(command, capture_output=True, text=True)
    return "resolved only" if resolved.returncode == 0 else f"FAILED to resolve: {resolved.stderr.strip()[-200:]}"


def lowest_versions(python: str, extra: str) -> Path:
    version = subprocess.run([python, "-c", "import platform; print(platform.python_version())"],
                             check=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
    file = Path(tempfile.mkdtemp()) / "lowest.txt"
    command = [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--python-version", version,
               "--resolution", "lowest-direct", *NO_COMPILER, "--output-file", file]  # fmt: skip
    command += ["--extra", extra] if extra else []
    subprocess.run([*command, ROOT / "pyproject.toml"], check=True)
    return file


if __name__ == "__main__":
    main()
