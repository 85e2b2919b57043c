"""Old photographs as the network sees them: damage is removed, pictures without damage stay the same."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from photochrom.evaluation.historic import scratched
from photochrom.photo.color import luminance_of
from photochrom.photo.freshening import freshen, grain_of, median_of_nine, remove_specks, spread_tones


def test_the_median_is_scipys(photographs):
    luminance = luminance_of(photographs["astronaut"])
    assert np.array_equal(median_of_nine(luminance), median_filter(luminance, 3, mode="nearest"))


@pytest.mark.parametrize("deviation", [0.5, 2.0, 8.0])
def test_grain_is_measured(deviation):
    slope = np.linspace(10, 90, 200, dtype=np.float32)[None].repeat(150, axis=0)
    noise = np.random.default_rng(0).normal(0, deviation, slope.shape).astype(np.float32)
    assert grain_of(slope + noise) == pytest.approx(deviation, rel=0.05)


def test_scratches_and_dust_go(photographs):
    clean = luminance_of(photographs["chelsea"][:256, :256])
    gray = (clean / 100).astype(np.float32)
    damaged = (100 * scratched(gray, 2, np.random.default_rng(0))).astype(np.float32)
    harm = np.abs(damaged - clean) > 25
    assert harm.sum() > 500
    left = np.abs(remove_specks(damaged) - clean) > 25
    assert left.sum() < 0.15 * harm.sum()


def test_fresh_pictures_stay(photographs):
    for rgb8 in photographs.values():
        luminance = luminance_of(rgb8)
        assert (remove_specks(luminance) != luminance).mean() < 0.02
    flat = np.full((8, 300), 40, np.float32)
    assert np.array_equal(freshen(flat), spread_tones(flat))


@pytest.mark.parametrize("low, high", [(0, 100), (12, 90)])
def test_tones_of_fresh_pictures_stay(low, high):
    luminance = np.linspace(low, high, 10_000, dtype=np.float32).reshape(100, 100)
    assert spread_tones(luminance) is luminance


def test_tones_of_an_empty_picture_do_not_become_a_picture():
    noise = np.random.default_rng(0).normal(50, 0.5, (64, 64)).astype(np.float32)
    assert spread_tones(noise).std() < 2.5


@pytest.mark.parametrize("low, high", [(30, 60), (0, 20), (80, 100)])
def test_tones_of_faded_pictures_are_spread(low, high):
    spread = spread_tones(np.linspace(low, high, 10_000, dtype=np.float32).reshape(100, 100))
    assert 74 < np.subtract(*np.percentile(spread, (99, 1))) <= 75.1 and spread.min() >= 0 and spread.max() <= 100
    assert (np.diff(spread.ravel()) >= 0).all()
