"""The benchmark of speed: what it says of processes, builds, and figures that got worse."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))
from processes import build_of, run
from speed import page, worse
from speed_tables import TABLES

SIZES = {"wheel": 13.0, "installed": 215.0, "largest": [["numpy", 43.0]], "machine": "one"}
GROWTH = {"rows": [{"megapixels": 1, "format": "JPEG", "now": [0.8, 0.5, 250]}], "machine": "one"}


def test_a_process_is_measured_by_itself():
    ballast = np.ones(40_000_000)  # 320 MB that a child of ours would be said to have had
    small, large = (run([sys.executable, "-S", "-c", code]) for code in ("pass", "bytearray(200_000_000).count(1)"))
    assert small.peak < 100 < 190 < large.peak < 300 and ballast.all()
    busy = run([sys.executable, "-S", "-c", "while __import__('time').process_time() < 0.3: pass"])
    assert 0.3 <= busy.cpu < 1 and busy.wall >= 0.3


def test_a_process_that_fails_is_no_measurement():
    with pytest.raises(Exception, match="status 3"):
        run([sys.executable, "-S", "-c", "raise SystemExit(3)"])


def test_builds_of_folders_and_commits():
    with build_of(str(ROOT)) as build:
        assert (build.path / "photochrom" / "__init__.py").exists()
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    with build_of("HEAD") as build:
        assert build.path.is_relative_to("/") and (build.path / "photochrom" / "cli.py").exists()
        words, environment = build.command("--version")
        assert words[-1] == "--version" and environment["PYTHONPATH"] == str(build.path)
    assert not build.path.exists()


def test_what_got_worse_is_said():
    slower = {"rows": [{"megapixels": 1, "format": "JPEG", "now": [1.0, 0.5, 240]}], "machine": "one"}
    known, measured = {"growth": GROWTH, "size": SIZES}, {"growth": slower, "size": SIZES | {"wheel": 16.0}}
    assert worse(known, measured) == [
        "growth, 1 megapixels as JPEG, CPU: 1, was 0.8",
        "size, wheel: 16, was 13",
    ]
    elsewhere = {"growth": slower | {"machine": "another"}, "size": SIZES | {"machine": "another"}}
    assert worse(known, elsewhere) == []  # seconds of machines can't be compared
    assert worse({}, measured) == worse(measured, measured) == []


def test_more_photographs_are_better():
    def of(rate, ratio):
        row = {"preset": "default", "stage": "full size", "size": 224, "batch": 16, "rate": rate}
        row |= {"data": 0.1, "generator": 0.8, "discriminator": 0.1}
        loops = {"preset": "pix2pix", "size": 256, "batch": 1, "ours": [1, 1], "reference": [ratio, ratio]}
        return {"stages": {"rows": [row], "machine": "one"}, "training": {"rows": [loops], "machine": "one"}}

    assert worse(of(10, 1.5), of(20, 2)) == []
    assert worse(of(20, 2), of(10, 1.5)) == [
        "stages, default, full size: 10, was 20",
        "training, pix2pix, × the published loop: 1.5, was 2",
    ]


def test_the_page_is_made_of_the_figures():
    text = page({"growth": GROWTH, "size": SIZES}, ["size, wheel: 16, was 13"])
    assert "| 1 | JPEG | 0.80 | 0.50 | 250 |" in text and "The wheel: 13.0 MB" in text
    assert text.count("Machine: one.") == 1 and "- size, wheel: 16, was 13" in text
    assert set(TABLES) == {"photographs", "growth", "folder", "generator", "training", "stages", "size"}
