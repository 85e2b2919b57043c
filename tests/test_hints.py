"""Hints: how they are read, placed and pooled, and that colors follow them."""

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


# Where a hint is given (y, x), another part of the same thing, and another thing.
OBJECTS = {
    "astronaut": ((400, 150), np.s_[330:380, 60:100], np.s_[80:120, 205:245]),  # the suit, its arm, the face
    "chelsea": ((150, 225), np.s_[180:230, 70:120], np.s_[10:60, 400:440]),  # the cat's forehead, its cheek, the wall
    "coffee": ((60, 480), np.s_[350:390, 450:560], np.s_[330:350, 200:330]),  # the table, its other end, the saucer
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("color", ["#2060c0", "#b03020"])
def test_hints_spread_over_their_object(colorizer, photographs, name, color):
    """The place gets the hint's color, other parts of the same thing get half of it, other things get nothing."""
    pixels = photographs[name]
    (y, x), same_thing, other_thing = OBJECTS[name]
    hint = Hint(x, y, color)
    plain = rgb_to_lab(colorizer.colorize(pixels).astype(np.float32) / 255)
    hinted = rgb_to_lab(colorizer.colorize(pixels, hints=[hint]).astype(np.float32) / 255)
    near = np.s_[y - 2 : y + 3, x - 2 : x + 3, 1:]
    found, before = (lab[near].mean(axis=(0, 1)) for lab in (hinted, plain))
    assert np.linalg.norm(found - hint.chroma) < 0.4 * np.linalg.norm(before - hint.chroma)
    change = np.linalg.norm(hinted[..., 1:] - plain[..., 1:], axis=-1) / np.linalg.norm(found - before)
    assert change[same_thing].mean() > 0.5
    assert change[other_thing].mean() < 0.1
