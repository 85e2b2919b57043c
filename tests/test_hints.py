"""Hints: how they are read, placed and pooled, and that colors follow them."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image
from skimage import data, measure

from photochrom.errors import InputError
from photochrom.photo.color import lab_to_rgb, rgb_to_lab
from photochrom.photo.drawing import area_mask, stroke_mask
from photochrom.photo.hint_agreement import agree, believed
from photochrom.photo.hint_bounds import coverage, free_reach
from photochrom.photo.hints import (
    MAX_HINTS,
    Hint,
    check_hints,
    correct_chroma,
    parse_hint,
    parse_hint_file,
    rasterize,
    read_hints,
)
from photochrom.photo.metadata.mark import hints_text


def test_parse_hint():
    assert parse_hint("12,34.5,#A0b1c2") == Hint(12, 34.5, "#A0b1c2")
    assert parse_hint("12,34.5,#A0b1c2,20") == Hint(12, 34.5, "#A0b1c2", radius=20)


@pytest.mark.parametrize("radius", ["0", "-1", "nan", "inf"])
def test_a_radius_is_above_0(radius):
    with pytest.raises(InputError, match="radius"):
        parse_hint(f"1,2,#123456,{radius}")


def test_hint_files_hold_points_discs_strokes_and_areas():
    hints = (
        Hint(1, 2, "#112233"),
        Hint(3, 4, "#112233", radius=5.5),
        Hint(1, 1, "#445566", path=((9, 1), (9, 9))),
        Hint(1, 1, "#445566", radius=3, path=((9, 1),)),
        Hint(1, 1, "#778899", path=((9, 1), (9, 9)), filled=True),
    )
    text = f'{{"size": [20, 10], "hints": {hints_text(hints)}}}'
    assert parse_hint_file(text, "text").for_size(20, 10) == hints
    larger = parse_hint_file(text, "text").for_size(40, 20)
    assert larger[3] == Hint(2, 2, "#445566", radius=6, path=((18, 2),))
    assert [sorted(h) for h in json.loads(text)["hints"]] == [
        ["color", "x", "y"],
        ["color", "radius", "x", "y"],
        ["color", "stroke"],
        ["color", "radius", "stroke"],
        ["area", "color"],
    ]


@pytest.mark.parametrize(
    "place",
    [
        '"area": [[1, 1], [2, 2]]',
        '"stroke": []',
        '"stroke": [[1]]',
        '"stroke": [[1, 2, 3]]',
        '"stroke": 3',
        '"stroke": ["12", "34"]',
        '"stroke": [["1", "2"]]',
        '"area": "", "x": 1, "y": 2',
        '"x": "1", "y": 2',
        '"x": true, "y": 2',
        '"x": 1, "y": 2, "radius": "3"',
        '"x": 1, "y": 2, "radius": true',
    ],
)
def test_broken_hints_are_named_with_their_file_and_number(place):
    good = '{"x": 1, "y": 2, "color": "#112233"}'
    with pytest.raises(InputError, match=r"^old.json, hint 2: .*(at least three|this is not a hint|are numbers)"):
        parse_hint_file(f'{{"hints": [{good}, {{{place}, "color": "#112233"}}]}}', "old.json")


@pytest.mark.parametrize("color", [json.dumps("#" * 100_000), "1", "null", "[[]]"])
def test_a_wrong_color_is_named_with_its_file_and_number_and_not_at_length(color):
    with pytest.raises(InputError, match=r"^old.json, hint 1: a hint's color is written #rrggbb, not ") as refused:
        parse_hint_file(f'{{"hints": [{{"x": 1, "y": 2, "color": {color}}}]}}', "old.json")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("size", ["[1e999, 1e999]", "[0, 10]", "[NaN, 10]", "[10, -1]"])
def test_a_size_that_no_picture_has(size):
    with pytest.raises(InputError, match="a size that no picture has"):
        parse_hint_file(f'{{"size": {size}, "hints": []}}', "old.json")


def test_a_hint_with_a_radius_colors_its_disc_and_nothing_else(colorizer, photographs):
    pixels = photographs["coffee"]
    hint = Hint(366, 277, "#3070d0", radius=40)
    plain, hinted = colorizer.predict_one(pixels), colorizer.predict_one(pixels, hints=[hint])
    scale = plain.luminance.shape[0] / pixels.shape[0]
    y, x = np.mgrid[: plain.luminance.shape[0], : plain.luminance.shape[1]] / scale
    distance = np.hypot(x - 366, y - 277)
    assert np.array_equal(hinted.chroma[:, distance > 46], plain.chroma[:, distance > 46])
    inside = hinted.chroma[:, distance < 34]
    assert np.abs(inside - hint.chroma[:, None]).max() < 0.1


def test_strokes_and_areas_cover_what_they_are_drawn_on():
    stroke = Hint(20, 20, "#112233", radius=10, path=((180, 20),))
    covered = coverage(stroke, (100, 200), (100, 200))
    assert covered[20, 20:180].min() > 0.99 and covered[:7].max() < 0.01 and covered[33:].max() < 0.01
    area = Hint(20, 20, "#112233", path=((180, 20), (180, 80), (20, 80)), filled=True)
    covered = coverage(area, (100, 200), (50, 100))
    assert covered[12:38, 12:88].min() > 0.99 and covered.mean() == pytest.approx(0.48, abs=0.02)


def test_the_largest_radius_covers_everything():
    """Without a warning of NumPy, which is an error in tests."""
    for radius in (300, 1e300, 10**300):
        assert coverage(Hint(5, 5, "#112233", radius), (100, 200), (25, 50)).min() == 1


LINES = {
    "a point": [(30, 20)],
    "the same point twice": [(30, 20), (30, 20)],
    "level": [(10, 20), (60, 20)],
    "back and forth": [(10.2, 8.7), (66.1, 41.3), (12.5, 9)],
    "beyond the border": [(-30, 10), (40, 30), (90, 80.3), (30, -20)],
    "a spiral of many points": [(40 + t / 60 * np.sin(t / 9), 25 + t / 60 * np.cos(t / 9)) for t in range(1500)],
}


@pytest.mark.parametrize("name", LINES)
def test_strokes_and_areas_are_what_geometry_says(name):
    points, radius = np.array(LINES[name], float), 6.3
    pixels = np.stack(np.meshgrid(np.arange(80) + 0.5, np.arange(50) + 0.5), axis=-1)
    near = np.zeros((50, 80), bool)
    for start, end in zip(points, [*points[1:], points[-1]], strict=True):
        along = (pixels - start) @ (end - start) / max((end - start) @ (end - start), 1e-9)
        nearest = start + np.clip(along, 0, 1)[..., None] * (end - start)
        near |= np.hypot(*np.moveaxis(pixels - nearest, -1, 0)) < radius
    assert np.array_equal(stroke_mask(points, radius, 50, 80), near)
    middles, image = pixels.reshape(-1, 2), area_mask(points, 50, 80)
    assert np.mean(measure.points_in_poly(middles, points).reshape(50, 80) == image) > 0.999


def test_free_hints_stop_where_the_luminance_does():
    luminance = np.full((80, 80), 40, np.float32)
    luminance[:, 40:] = 75  # another thing
    luminance[20:30, :40] += np.random.default_rng(0).uniform(-1, 1, (10, 40)).astype(np.float32)  # texture
    reach = free_reach(luminance, [(60, 10)])
    assert reach[5:75, 4:34].min() > 0.8 and reach[:, 46:].max() < 0.05


SMALL_THINGS = json.loads((Path(__file__).parent / "small_things.json").read_text())


def picture(name):
    """A picture of our dependencies, uint8 (H, W) or (H, W, 3)."""
    if name == "grace_hopper":
        return np.asarray(Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB"))
    return getattr(data, name)()


@pytest.mark.parametrize("thing", SMALL_THINGS, ids=lambda thing: f"{thing['picture']}-{thing['name']}")
def test_hints_on_small_things_leave_the_rest_alone(colorizer, thing):
    """Chroma outside a polygon drawn by hand changes by at most a tenth of what it changes inside."""
    pixels = picture(thing["picture"])
    plain = colorizer.predict_one(pixels)
    change = np.hypot(*(colorizer.predict_one(pixels, hints=[Hint(*thing["hint"])]).chroma - plain.chroma))
    (x, y), *path = thing["polygon"]
    outline = Hint(x, y, "#000000", path=tuple(map(tuple, path)), filled=True)
    covered = coverage(outline, pixels.shape[:2], change.shape)
    inside, outside = change[covered > 0.9].mean(), change[covered < 0.01].mean()
    assert inside > 2 and outside < 0.1 * inside


NO_HINTS = ["", "1,2", "1,2,red", "1,2,#12345", "x,2,#123456", "1,2,#123456,x", "1,2,#123456,3,4"]


@pytest.mark.parametrize("text", NO_HINTS)
def test_parse_hint_says_the_form(text):
    with pytest.raises(InputError, match="#rrggbb"):
        parse_hint(text)


def test_hint_file_scales_to_the_photograph(tmp_path):
    path = tmp_path / "hints.json"
    path.write_text(json.dumps({"size": [100, 50], "hints": [{"x": 10, "y": 20, "color": "#ff0000"}]}))
    assert read_hints(path).for_size(400, 200) == (Hint(40, 80, "#ff0000"),)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"hints": [{"x": 1}]}', '{"hints": [3]}', '{"hints": 3}', '{"hints": {}}', '{"hints": ""}'),
        *(f'{{"hints": [], "size": {size}}}' for size in ("5", '"42"', '["4", "2"]', "[4, 2, 1]", "[]", "false")),
        f'{{"hints": [], "size": [1{400 * "0"}, 1]}}',
    ],
)
def test_broken_hint_file(tmp_path, content):
    path = tmp_path / "hints.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a hint"):
        read_hints(path)


def test_rasterize_marks_the_place_with_the_color():
    raster = rasterize((Hint(100, 50, "#ff0000"),), (200, 400), (64, 128))
    rows, columns = np.nonzero(raster[2])
    assert rows.mean() == pytest.approx(16) and columns.mean() == pytest.approx(32) and len(rows) == 9
    assert np.allclose(raster[:2, 16, 32], rgb_to_lab(np.array([1, 0, 0], np.float32))[1:], atol=1e-3)


def test_hint_outside_the_photograph():
    with pytest.raises(InputError, match="outside"):
        rasterize((Hint(400, 50, "#ff0000"),), (200, 400), (64, 128))


def test_a_photograph_has_at_most_1000_hints_wherever_they_come_from(gray, loud):
    """The mark of an output with more could not be read again."""
    hints = [Hint(1, 2, "#ff0000")] * MAX_HINTS
    assert check_hints(hints) == tuple(hints)
    with pytest.raises(InputError, match="a photograph has 1001 hints, more than the limit of 1000"):
        loud.colorize(gray, hints=[*hints, hints[0]])


def test_correction_is_exact_at_the_hint_and_stops_at_edges():
    luminance = np.full((64, 64), 40, np.float32)
    luminance[:, 32:] = 80
    hint = Hint(24, 32, "#3050c0")
    corrected = correct_chroma(np.zeros((2, 64, 64), np.float32), luminance, (hint,), (64, 64))
    assert np.allclose(corrected[:, 32, 24], hint.chroma, atol=0.5)
    assert np.abs(corrected[:, :, 32:]).max() < 0.5


def agreed(hints, plain, luminance):
    """What hints change together in what is predicted."""
    return agree(plain[None], plain, luminance, tuple(hints), luminance.shape)[0] - plain


@pytest.fixture
def dark_and_light():
    """The prediction of a picture, all of one chroma, and its luminance: dark on the left, light on the right."""
    luminance = np.full((64, 64), 20, np.float32)
    luminance[:, 32:] = 85
    return np.full((2, 64, 64), 8, np.float32), luminance


def asking_for(chroma, luminance, x, y):
    rgb = lab_to_rgb(np.array([[[luminance[y, x], *chroma]]], np.float32))[0, 0].clip(0, 1)
    return Hint(x, y, "#" + bytes((255 * rgb).round().astype(np.uint8)).hex())


def test_several_hints_tell_of_places_that_look_alike(dark_and_light):
    """All dark places are warmer than predicted, and the light ones are as predicted."""
    plain, luminance = dark_and_light
    dark = [asking_for((16, 14), luminance, x, y) for x, y in ((4, 5), (20, 30), (12, 60))]
    light = [asking_for((8, 8), luminance, x, y) for x, y in ((40, 8), (60, 50), (50, 25))]
    change = agreed(dark + light, plain, luminance)
    assert np.allclose(change[:, :, :32].mean(axis=(1, 2)), (8, 6), atol=1.5)
    assert np.abs(change[:, :, 32:].mean(axis=(1, 2))).max() < 1.5
    assert not agreed(dark[:1], plain, luminance).any()  # one hint is about its own thing


def test_a_hint_that_asks_for_another_color_has_no_say_in_the_rest(dark_and_light):
    plain, luminance = dark_and_light
    usual = [asking_for((8, 8), luminance, x, y) for x, y in ((4, 5), (20, 30), (12, 60))]
    blue = asking_for((10, -70), luminance, 25, 10)
    assert np.abs(agreed([*usual, blue], plain, luminance)).max() < 2
    assert np.allclose(believed(np.array([[0, 0], [30, 0], [0, 90]])), (2 / 3, 2 / 3 / np.e, 0), atol=1e-4)


# Where a hint is given (y, x), another part of the same thing, and another thing.
OBJECTS = {
    "astronaut": ((400, 150), np.s_[330:380, 60:100], np.s_[80:120, 205:245]),  # the suit, its arm, the face
    "chelsea": ((150, 225), np.s_[180:230, 70:120], np.s_[10:60, 400:440]),  # the cat's forehead, its cheek, the wall
    "coffee": ((60, 480), np.s_[350:390, 450:560], np.s_[330:350, 200:330]),  # the table, its other end, the saucer
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("color", ["#2060c0", "#b03020"])
def test_hints_spread_over_their_object(colorizer, photographs, name, color):
    """The place gets the hint's color, other parts of the same thing a third of it or more, other things nothing."""
    pixels = photographs[name]
    (y, x), same_thing, other_thing = OBJECTS[name]
    hint = Hint(x, y, color)
    plain = rgb_to_lab(colorizer.colorize(pixels).astype(np.float32) / 255)
    hinted = rgb_to_lab(colorizer.colorize(pixels, hints=[hint]).astype(np.float32) / 255)
    near = np.s_[y - 2 : y + 3, x - 2 : x + 3, 1:]
    found, before = (lab[near].mean(axis=(0, 1)) for lab in (hinted, plain))
    assert np.linalg.norm(found - hint.chroma) < 0.4 * np.linalg.norm(before - hint.chroma)
    change = np.linalg.norm(hinted[..., 1:] - plain[..., 1:], axis=-1) / np.linalg.norm(found - before)
    assert change[same_thing].mean() > 0.3  # the cat's cheek gets 0.35 of a blue; all others over 0.5
    assert change[other_thing].mean() < 0.1


@pytest.mark.parametrize(
    "content, message",
    [
        ({"sise": [3, 4], "hints": []}, "x.json has 'sise', which means nothing: did you mean size?"),
        ({"hints": [{"x": 1, "y": 2, "color": "#ff0000", "radus": 8}]}, "hint 1: it has 'radus', .*mean radius?"),
        ({"hints": [{"x": 1, "y": 2, "color": "#ff0000", "of": "me"}]}, "the names are x, y, color, radius, stroke"),
        ({"hints": [{"x": 1, "y": 2, "stroke": [[1, 2]], "color": "#ff0000"}]}, "it has two places"),
        ({"hints": [{"area": [[1, 2]], "stroke": [[1, 2]], "color": "#ff0000"}]}, "it has two places"),
    ],
)
def test_names_that_mean_nothing_are_not_ignored(content, message):
    """A hint whose radius was misspelled colored its whole thing."""
    with pytest.raises(InputError, match=message):
        parse_hint_file(json.dumps(content), "x.json")
