"""Hints: read, placed, pooled, obeyed."""

import json

import numpy as np
import pytest

from photochrom.errors import InputError
from photochrom.photo.color import rgb_to_lab
from photochrom.photo.hints import Hint, correct_chroma, parse_hint, rasterize, read_hints


def test_parse_hint():
    assert parse_hint("12,34.5,#A0b1c2") == Hint(12, 34.5, "#A0b1c2")


@pytest.mark.parametrize("text", ["", "1,2", "1,2,red", "1,2,#12345", "x,2,#123456", "1,2,#123456,3"])
def test_parse_hint_says_the_form(text):
    with pytest.raises(InputError, match="#rrggbb"):
        parse_hint(text)


def test_hint_file_scales_to_the_photograph(tmp_path):
    path = tmp_path / "hints.json"
    path.write_text(json.dumps({"size": [100, 50], "hints": [{"x": 10, "y": 20, "color": "#ff0000"}]}))
    assert read_hints(path).for_size(400, 200) == (Hint(40, 80, "#ff0000"),)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"hints": [{"x": 1}]}', '{"hints": 3}', '{"hints": [], "size": 5}']
)
def test_broken_hint_file(tmp_path, content):
    path = tmp_path / "hints.json"
    path.write_text(content)
    with pytest.raises(InputError, match="not a hints file"):
        read_hints(path)


def test_rasterize_marks_the_place_with_the_color():
    raster = rasterize((Hint(100, 50, "#ff0000"),), (200, 400), (64, 128))
    rows, columns = np.nonzero(raster[2])
    assert rows.mean() == pytest.approx(16) and columns.mean() == pytest.approx(32) and len(rows) == 9
    assert np.allclose(raster[:2, 16, 32], rgb_to_lab(np.array([1, 0, 0], np.float32))[1:], atol=1e-3)


def test_hint_outside_the_photograph():
    with pytest.raises(InputError, match="outside"):
        rasterize((Hint(400, 50, "#ff0000"),), (200, 400), (64, 128))


def test_correction_is_exact_at_the_hint_and_stops_at_edges():
    luminance = np.full((64, 64), 40, np.float32)
    luminance[:, 32:] = 80
    hint = Hint(24, 32, "#3050c0")
    corrected = correct_chroma(np.zeros((2, 64, 64), np.float32), luminance, (hint,), (64, 64))
    assert np.allclose(corrected[:, 32, 24], hint.chroma, atol=0.5)
    assert np.abs(corrected[:, :, 32:]).max() < 0.5


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_hints_act_in_a_real_photograph(colorizer, photographs, name):
    """The color near the point is what was asked for; far away, little changes."""
    pixels = photographs[name]
    y, x = pixels.shape[0] // 2, pixels.shape[1] // 2
    luminance = rgb_to_lab(pixels.astype(np.float32) / 255)[..., 0]
    y, x = max(((y + dy, x + dx) for dy in (-40, 0, 40) for dx in (-60, 0, 60)), key=lambda p: -abs(luminance[p] - 50))
    hint = Hint(x, y, "#2060c0")
    plain = rgb_to_lab(colorizer.colorize(pixels).astype(np.float32) / 255)
    hinted = rgb_to_lab(colorizer.colorize(pixels, hints=[hint]).astype(np.float32) / 255)
    near = hinted[y - 2 : y + 3, x - 2 : x + 3, 1:].mean(axis=(0, 1))
    before = plain[y - 2 : y + 3, x - 2 : x + 3, 1:].mean(axis=(0, 1))
    assert np.linalg.norm(near - hint.chroma) < 0.4 * np.linalg.norm(before - hint.chroma)
    change = np.linalg.norm(hinted[..., 1:] - plain[..., 1:], axis=-1)
    rows, columns = np.indices(change.shape)
    far = np.hypot(rows - y, columns - x) > 0.4 * min(change.shape)
    assert change[far].mean() < 0.35 * np.linalg.norm(near - before)
