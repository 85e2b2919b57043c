"""Run the quick tests on the oldest and the newest Python that are here, and with the lowest versions we allow.

Usage: python tools/matrix.py [--pythons 3.10 3.13]      (or: make matrix; needs network to a package registry)

Each run has an environment of its own below .venv-matrix/, without PyTorch's extras, which have no builds for every
Python; tests that need what is missing are skipped. The lowest versions are the bounds in pyproject.toml, of each extra
alone, because together they contradict each other, with the oldest Python.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv-matrix"
KNOWN = ("3.10", "3.11", "3.12", "3.13", "3.14")
EXTRAS = ("app", "archive", "video", "hub", "demo")
ONLY_NEWEST = ("vapoursynth",)  # has wheels from Python 3.12 on
# What the tests themselves need, never at its lowest version; the second line is for the extra app.
TESTING: tuple[str, ...] = ("pytest>=8", "pytest-xdist", "pytest-cov", "scikit-image>=0.22", "scipy", "tifffile")
TESTING += ("imagecodecs", "pillow-heif", "pillow-jxl-plugin", "rawpy")  # of the extras heic and formats
TESTING_APP = ("httpx", "hypothesis", "schemathesis")
LEFT_OUT = (
    "test_training",
    "test_training_config",
    "test_checkpoints",
    "test_networks",
    "test_losses",
    "test_teachers",
    "test_metrics",
    "test_evaluation",
    "test_augmentation",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vapoursynth", action="store_true", help="only tests of the VapourSynth filter")
    parser.add_argument("--pythons", nargs="+", help="versions; by default the oldest and the newest one here")
    options = parser.parse_args()
    found = {version: python for version in KNOWN if (python := interpreter(version))}
    print("Python here:", ", ".join(found) or "none")
    if options.vapoursynth:
        sys.exit(test_vapoursynth(found))
    chosen = options.pythons or sorted({min(found, key=KNOWN.index), max(found, key=KNOWN.index)}, key=KNOWN.index)
    if absent := set(chosen) - set(found):
        sys.exit(f"not here: Python {', '.join(sorted(absent))}")
    results = {}
    for version in chosen:
        results[f"{version}, newest"] = run(found[version], f"{version}-newest", (*EXTRAS, *ONLY_NEWEST), [])
    for extra in EXTRAS:
        oldest = chosen[0]
        results[f"{oldest}, {extra}, lowest"] = run(
            found[oldest], f"{oldest}-{extra}-lowest", (extra,), lowest_versions(extra)
        )
    for name, result in results.items():
        print(f"Python {name}: {result}")
    sys.exit(any(result != "passed" for result in results.values()))


def interpreter(version: str) -> str | None:
    """The program of a Python version, if it is here and works."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for python in [*map(str, kept), shutil.which(f"python{version}")]:
        if python and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            return python
    return None


def test_vapoursynth(found: dict[str, str]) -> str | int:
    """Test the filter with the newest Python that is here; what was wrong, or 0."""
    fit = [version for version in found if KNOWN.index(version) >= KNOWN.index("3.12")]
    if not fit:
        print("0 passed, 0 failed, 1 skipped: VapourSynth has no wheels for these Pythons")
        return 0
    result = run(found[fit[-1]], "vapoursynth", ONLY_NEWEST, [], "tests/test_vapoursynth.py")
    return 0 if result == "passed" else f"the VapourSynth filter's tests {result}"


def lowest_versions(extra: str) -> list[str]:
    """The lower bounds of an extra and of what all need, as pip's arguments: ==8.2.* for >=8.2."""
    text = (ROOT / "pyproject.toml").read_text()
    bounds = re.findall(rf"^(?:dependencies|{extra}) = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
    return [f"{name}=={low}.*" for line in bounds for name, low in re.findall(r'"([\w\[\]-]+)>=([\d.]+)"', line)]


def run(python: str, name: str, extras: tuple[str, ...], pins: list[str], *tests: str) -> str:
    """Install into an empty environment, run the quick tests, or those of some files; what came of it."""
    environment = ENVIRONMENTS / name
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([python, "-m", "venv", environment], check=True)
    program = str(environment / "bin" / "python")
    wanted = [f"{ROOT}[{','.join(extras)}]", *TESTING, *(TESTING_APP if "app" in extras else ()), *pins]
    installed = subprocess.run([program, "-m", "pip", "install", "--quiet", *wanted], capture_output=True, text=True)
    if installed.returncode:
        return f"cannot be installed: {installed.stderr.strip().splitlines()[-1]}"
    ignored = [f"--ignore=tests/{module}.py" for module in LEFT_OUT]
    command = [program, "-m", "pytest", "--numprocesses", "2", "--dist", "loadgroup", "-m", "not slow and not nightly"]
    tested = subprocess.run([*command, "-W", "default", *ignored, *tests], cwd=ROOT)
    return "passed" if tested.returncode == 0 else f"failed (pytest's status {tested.returncode})"


if __name__ == "__main__":
    main()
