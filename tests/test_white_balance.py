"""Warmth: the whites are those of daylight, luminance stays, gray stays gray at strength 0, hints are obeyed."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage.color import xyz2lab

import photochrom
from photochrom import Hint, cli
from photochrom.coloring import Look, look_of
from photochrom.errors import InputError
from photochrom.photo.color import luminance_of, rgb_to_lab
from photochrom.photo.joining import join
from photochrom.photo.marked import read_marked
from photochrom.photo.white_balance import daylight_white, kelvin_of, with_warmth


@pytest.mark.parametrize(
    "kelvin, x, y", [(5003, 0.3457, 0.3585), (5503, 0.3324, 0.3474), (6504, 0.3127, 0.3290), (7504, 0.2990, 0.3149)]
)
def test_daylight_has_the_published_chromaticities(kelvin, x, y):
    """D50, D55, D65 and D75 of CIE 15:2004."""
    white_x, white_z = daylight_white(kelvin)
    total = white_x + 1 + white_z
    assert (white_x / total, 1 / total) == pytest.approx((x, y), abs=2e-4)


def test_a_gray_place_takes_the_color_of_the_light():
    """scikit-image's Lab of the gray, lit by D50 instead of D65."""
    y = np.array([0.03, 0.18, 0.5, 1.0])
    lit = np.stack([y * 0.96422, y, y * 0.82521], axis=-1)
    expected = xyz2lab(lit, illuminant="D65")
    luminance = expected[:, 0].astype(np.float32)[None]
    warm = with_warmth(np.zeros((2, 1, 4), np.float32), luminance, 1.0)
    assert np.abs(warm[:, 0].T - expected[:, 1:]).max() < 0.15
    assert kelvin_of(0) == pytest.approx(6504) and 9200 < kelvin_of(-1) < 9400
    cold = with_warmth(np.zeros((2, 1, 4), np.float32), luminance, -1.0)
    assert (cold[1] < -5).all() and (warm[1] > 5).all()


@pytest.mark.parametrize("warmth", [-1, -0.3, 0.5, 1])
def test_luminance_stays(colorizer, photographs, warmth):
    gray = photographs["coffee"][..., 1]
    plain, warm = (colorizer.colorize(gray, warmth=w) for w in (0, warmth))
    error = np.abs(luminance_of(warm) - luminance_of(gray))
    assert error.mean() <= 0.3 and np.percentile(error, 99.9) <= 1
    shift = rgb_to_lab(warm / np.float32(255))[..., 2].mean() - rgb_to_lab(plain / np.float32(255))[..., 2].mean()
    assert np.sign(shift) == np.sign(warmth) and abs(shift) > 3 * abs(warmth)


def test_strength_zero_is_gray_and_black_and_white_stay(loud, gray):
    assert np.ptp(loud.colorize(gray, strength=0, warmth=1), axis=2).max() <= 1
    ends = np.repeat(np.array([[0], [255]], np.uint8), 64, axis=0).repeat(64, axis=1)
    warm = loud.colorize(ends, warmth=1)
    assert warm[0].max() == 0 and warm[-1].min() >= 254  # a display's white can't be brighter in any color


@pytest.mark.parametrize("radius", [None, 40])
def test_hints_stay_what_they_ask_for(colorizer, photographs, radius):
    gray = photographs["coffee"][..., 1]
    hint = Hint(300, 200, "#8a5a30", radius)
    plain, warm = (rgb_to_lab(colorizer.colorize(gray, hints=[hint], warmth=w) / np.float32(255)) for w in (0, -1))
    moved = np.hypot(*(np.moveaxis(warm - plain, -1, 0)[1:]))
    assert moved[200, 300] < 1 and moved[195:205, 295:305].max() < 2.5
    assert np.median(moved[:, 550:]) > 5  # the table's end is far from the hint


def test_a_true_hint_holds_its_place_too(colorizer, photographs):
    """One that asks for what is predicted anyway changes nothing, and yet it says what color the place has."""
    gray = photographs["coffee"][..., 1]
    rgb = colorizer.colorize(gray)[200, 300]
    hint = Hint(300, 200, "#" + bytes(rgb.tolist()).hex())
    warm = rgb_to_lab(colorizer.colorize(gray, hints=[hint], warmth=1)[200, 300] / np.float32(255))
    assert np.abs(warm - rgb_to_lab(rgb / np.float32(255))).max() < 2


def test_out_of_range(loud, gray):
    for wrong in (-1.01, 1.5, float("nan")):
        with pytest.raises(InputError, match="the warmth is -1 to 1, not"):
            loud.colorize(gray, warmth=wrong)
        with pytest.raises(InputError, match="warmth"):
            Look(warmth=wrong)


def test_on_the_command_line(tmp_path, gray):
    Image.fromarray(gray).save(tmp_path / "old.png")

    def run(*arguments):
        return CliRunner().invoke(cli.main, [str(a) for a in arguments])

    made = tmp_path / "warm.png"
    assert run("colorize", tmp_path / "old.png", "--warmth", "0.4", "-o", made).exit_code == 0
    expected = photochrom.colorize(tmp_path / "old.png", warmth=0.4)
    assert np.array_equal(np.asarray(Image.open(made)), expected.pixels)
    assert "warmth:              0.4" in run("info", made).output
    mark = read_marked(made).mark
    assert mark.warmth == 0.4 and look_of(mark).warmth == 0.4
    again = tmp_path / "again.png"
    assert run("colorize", tmp_path / "old.png", "--as", made, "-o", again).exit_code == 0
    assert again.read_bytes() == made.read_bytes()
    refused = run("colorize", tmp_path / "old.png", "--warmth", "2")
    assert refused.exit_code == 2 and "--warmth" in refused.output


def test_the_tint_joins_without_loss_in_the_gamut():
    luminance = np.full((1, 5), 60, np.float32)
    chroma = with_warmth(np.zeros((2, 1, 5), np.float32), luminance, 1.0)
    assert np.abs(rgb_to_lab(join(luminance, chroma))[0, :, 1:].T - chroma[:, 0]).max() < 0.1
