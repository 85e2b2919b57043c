"""Tampered files do no harm: a hundred of the campaign in fuzz.py; by night 500 and 20,000 (benchmarks/FUZZ.md)."""

import json

import numpy as np
import pytest

pytest.importorskip("pebble", reason="needs the extra archive")

import fuzz

from photochrom.errors import InputError
from photochrom.photo.hints import parse_hint_file


@pytest.mark.parametrize(
    "count, seed",
    [
        pytest.param(100, 1, marks=pytest.mark.slow),
        pytest.param(500, 1, marks=pytest.mark.nightly),
        pytest.param(20_000, 0, marks=pytest.mark.nightly),
    ],
)
def test_tampered_files_are_colored_or_refused(count, seed):
    findings = list(fuzz.campaign(count, seed))
    assert [f for f in findings if not fuzz.is_fine(f)] == []
    assert {f.verdict for f in findings} == {"colored", "refused"}
    assert len(findings) == count


@pytest.mark.slow
def test_whole_seeds_are_colored():
    fuzz.start_child()
    for name, content in fuzz.seeds().items():
        assert fuzz.examine(name, content).verdict == "colored", name


def test_tampered_hint_files_are_read_or_refused():
    hints = [{"x": 3, "y": 4.5, "color": "#204080"}, {"x": 90, "y": 1, "color": "#ffffff"}]
    original = json.dumps({"size": [100, 80], "hints": hints}).encode()
    source, refused = np.random.default_rng(0), 0
    for _ in range(2000):
        text = fuzz.mutate(original, original, source).decode("utf-8", "replace")
        message = refusal(text)
        assert "\n" not in message
        refused += bool(message)
    assert 100 < refused < 2000


def refusal(text: str) -> str:
    """Why a hints file is refused; nothing if it isn't."""
    try:
        parse_hint_file(text, "hints.json").for_size(100, 80)
    except InputError as error:
        return str(error)
    return ""
