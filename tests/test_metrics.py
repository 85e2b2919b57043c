"""Every metric against an independent implementation, or against what is known by hand."""

import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import scipy.stats
from skimage import color as oracle
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from photochrom.evaluation.distances import frechet_distance, kernel_distance
from photochrom.evaluation.metrics import (
    bootstrap_interval,
    colorful_pixels,
    delta_e,
    estimate,
    left_gray,
    psnr,
    skin_difference,
    skin_mask,
    ssim,
    variance_along_one_axis,
    wrong_skin,
)
from photochrom.evaluation.patchiness import one_color_regions, region_spread
from photochrom.photo.color import colorfulness


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    truth = data.coffee()[:96, :128]
    noise = np.random.default_rng(0).normal(0, 12, truth.shape)
    return np.clip(truth + noise, 0, 255).astype(np.uint8), truth


def test_variance_along_one_axis():
    source = np.random.default_rng(0)
    mean, one, other = source.normal(size=(3, 2, 8, 8))
    turned = other - one * (one * other).sum() / (one * one).sum()
    turned *= np.linalg.norm(one) / np.linalg.norm(turned)  # as long, and at a right angle
    assert variance_along_one_axis([mean + x * one for x in (-2, 0.5, 1, 7)]) == pytest.approx(1)
    around = [mean + 3 * np.cos(angle) * one + np.sin(angle) * turned for angle in np.arange(8) * np.pi / 4]
    assert variance_along_one_axis(around) == pytest.approx(9 / 10)  # an ellipse three times as long as wide
    assert variance_along_one_axis([mean, mean]) == variance_along_one_axis([mean]) == 1


def test_delta_e_agrees_with_scikit_image():
    source = np.random.default_rng(1)
    lab1 = (source.random((4000, 3)) * [100, 200, 200] - [0, 100, 100]).astype(np.float32)
    lab2 = (lab1 + source.normal(0, 15, lab1.shape)).astype(np.float32)
    lab2[:100, 1:] = 0  # no chroma, no hue
    assert np.abs(delta_e(lab1, lab2) - oracle.deltaE_ciede2000(lab1, lab2)).max() < 1e-3


def test_delta_e_of_the_papers_table():
    """Rows 1, 7, 17 and 25 of Sharma, Wu & Dalal 2005, table 1."""
    lab1 = np.array([[50, 2.6772, -79.7751], [50, 0, 0], [50, 2.5, 0], [60.2574, -34.0099, 36.2677]], np.float32)
    lab2 = np.array([[50, 0, -82.7485], [50, -1, 2], [73, 25, -18], [60.4626, -34.1751, 39.4387]], np.float32)
    assert np.allclose(delta_e(lab1, lab2), [2.0425, 2.3669, 27.1492, 1.2644], atol=2e-4)


def test_colorfulness():
    """Worked out by hand."""
    gray = np.full((8, 8, 3), 0.4, np.float32)
    assert colorfulness(gray) == 0
    half_red = gray.copy()
    half_red[:4] = [1, 0, 0]
    # |R - G| is 255 or 0: mean and deviation 127.5. |(R + G) / 2 - B| is 127.5 or 0: both 63.75.
    # Their root of squares is 127.5 * sqrt(1.25) = 142.5493, of deviations and of means: 1.3 * 142.5493.
    assert colorfulness(half_red) == pytest.approx(185.3141, abs=1e-3)
    blue_and_yellow = np.zeros((8, 8, 3), np.float32)
    blue_and_yellow[:4], blue_and_yellow[4:] = [0, 0, 1], [1, 1, 0]
    # |(R + G) / 2 - B| is 255 everywhere, so nothing deviates: 0.3 * 255. Signed, it would be 255.
    assert colorfulness(blue_and_yellow) == pytest.approx(76.5, abs=1e-3)


def test_bootstrap_interval_holds_the_mean():
    values = np.random.default_rng(2).normal(5, 1, 400).astype(np.float32)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high and high - low == pytest.approx(4 * values.std() / 20, rel=0.15)


def test_bootstrap_interval_agrees_with_scipy():
    source = np.random.default_rng(3)
    one, other = source.gamma(2, 3, 300), source.gamma(5, 2, 300)
    found = bootstrap_interval(one, other)
    expected = scipy.stats.bootstrap(
        (one, other), lambda x, y, axis: x.mean(axis) / y.mean(axis), paired=True, method="percentile", rng=1
    ).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), abs=0.01)
    assert np.isnan(bootstrap_interval(np.array([np.nan]))).all()


def test_psnr_agrees_with_scikit_image(pair):
    assert psnr(*pair) == pytest.approx(peak_signal_noise_ratio(pair[1], pair[0]), rel=1e-9)
    assert psnr(pair[1], pair[1]) == 100


def test_ssim_agrees_with_the_papers_formula(pair):
    def by_formula(x, y):
        def mean(z):
            return scipy.ndimage.gaussian_filter(z, 1.5, truncate=3.5)

        mx, my = mean(x), mean(y)
        vx, vy, covariance = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        values = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        return values[5:-5, 5:-5].mean()

    one, other = (p.astype(np.float64) for p in pair)
    assert ssim(*pair) == pytest.approx(np.mean([by_formula(one[..., i], other[..., i]) for i in range(3)]), abs=1e-4)


def test_frechet_distance_agrees_with_the_matrix_root():
    source = np.random.default_rng(4)
    one, other = source.normal(0, 1, (200, 12)), source.normal(0.5, 2, (200, 12)) @ source.normal(0, 1, (12, 12))
    c1, c2 = np.cov(one.T), np.cov(other.T)
    root = scipy.linalg.sqrtm(c1 @ c2).real
    expected = np.square(one.mean(0) - other.mean(0)).sum() + np.trace(c1 + c2 - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_agrees_with_the_double_sum():
    source = np.random.default_rng(5)
    one, other = source.normal(0, 1, (9, 4)), source.normal(1, 1, (9, 4))

    def k(x, y):
        return (x @ y / 4 + 1) ** 3

    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    expected = np.mean([k(one[i], one[j]) + k(other[i], other[j]) - 2 * k(one[i], other[j]) for i, j in pairs])
    assert kernel_distance(one, other)[0] == pytest.approx(1000 * expected, rel=1e-9)


def test_kernel_distance_doesnt_depend_on_how_many():
    source = np.random.default_rng(6)
    truth = source.normal(0, 1, (1600, 8))
    colored = truth + source.normal(0.3, 0.2, truth.shape)  # paired, as colorings and truths are
    large, (few, spread) = kernel_distance(colored, truth)[0], kernel_distance(colored[:200], truth[:200])
    assert abs(few - large) < 4 * spread and large > 10 * kernel_distance(truth[:200], truth[:200])[0]


def test_features_recognize_a_cat():
    """Ours up to the features, the package's own classifier behind them: wrong scaling or padding would show."""
    pytest.importorskip("torch")
    from photochrom.evaluation.features import FeatureNetwork
    from photochrom.networks.encoder import read_pretrained

    tensors = read_pretrained("lite0")
    cat = data.chelsea()[:300, 80:380]
    scores = tensors["_fc.weight"].numpy() @ FeatureNetwork().read(cat[None])[0] + tensors["_fc.bias"].numpy()
    assert scores.argmax() in range(281, 286)  # ImageNet's domestic cats


def test_skin_is_found_on_a_face():
    astronaut = data.astronaut()
    mask = skin_mask(astronaut)
    assert mask[90:140, 195:235].mean() > 0.8  # the face
    assert mask[300:420, 330:420].mean() < 0.5  # the suit's side
    assert not skin_mask(np.full((4, 4, 3), 128, np.uint8)).any()


def test_skin_difference_by_hand():
    true_chroma = np.stack([np.full((10, 10), 12.0), np.full((10, 10), 16.0)])
    skin = np.zeros((10, 10), bool)
    skin[:3] = True
    turn = np.radians(25)
    turned = np.stack([12 * np.cos(turn) - 16 * np.sin(turn), 12 * np.sin(turn) + 16 * np.cos(turn)])
    chroma = np.broadcast_to(0.5 * turned[:, None, None], true_chroma.shape)
    assert skin_difference(chroma, true_chroma, skin) == pytest.approx((25, 0.5))
    assert np.isnan(skin_difference(chroma, true_chroma, skin & False)).all()
    hue, ratio = skin_difference(0 * chroma, true_chroma, skin)
    assert np.isnan(hue) and ratio == 0


def test_left_gray_by_hand():
    true_chroma = np.zeros((2, 10, 10))
    true_chroma[0, :4], true_chroma[1, 4] = 20.5, 20.0  # 40 colorful pixels; 20 exactly isn't over 20
    chroma = np.zeros_like(true_chroma)
    chroma[1, 0], chroma[1, 1], chroma[:, 2:4] = 4.9, 5.0, -8.0  # 10 of them under 5
    assert colorful_pixels(true_chroma).sum() == 40
    assert left_gray(chroma, true_chroma) == pytest.approx(10 / 40)
    assert np.isnan(left_gray(chroma, chroma))


def test_wrong_skin_by_hand():
    """Over 40 degrees either way; gray skin is not of a wrong color, and without skin there is no answer."""
    hue, chroma = np.array([40.1, -179, 40, 0, np.nan, np.nan]), np.array([1, 0.2, 1, 1, 0, np.nan])
    assert np.array_equal(wrong_skin(hue, chroma), [1, 1, 0, 0, 0, np.nan], equal_nan=True)


def test_estimate_by_hand():
    values, over = np.array([1.0, 2.0, np.nan]), np.array([2.0, 4.0, 100.0])
    assert estimate([values]).value == 1.5
    assert estimate([values], [over]) == pytest.approx((0.5, 0.5, 0.5))
    assert estimate([values, over], [values, values]) == pytest.approx((2, 2, 2))
    assert np.isnan(estimate([values], [0 * over])).all() and np.isnan(estimate([values * np.nan])).all()


def test_estimate_where_one_photograph_of_ten_counts():
    """A third of the draws miss it, and are left out."""
    over = np.zeros(10)
    over[3] = 0.5
    assert estimate([over / 4], [over]) == pytest.approx((0.25, 0.25, 0.25))


@pytest.fixture
def shirt() -> np.ndarray:
    """A red shirt whose a rises in 16 steps of 0.5 about 40: a variance of 0.25 * (16 * 16 - 1) / 12 = 5.3125."""
    a = np.broadcast_to(40 + 0.5 * (np.arange(16) - 7.5), (16, 16))
    return np.stack([a, np.zeros((16, 16))]).repeat(4, axis=1).repeat(4, axis=2)


def test_spread_within_a_region_by_hand(shirt):
    regions = one_color_regions(shirt)
    assert regions.shape == (16, 16) and (regions == 1).all()
    assert region_spread(shirt, regions) == pytest.approx((np.sqrt(5.3125), np.sqrt(1605.3125)))
    assert region_spread(0.4 * shirt, regions) == pytest.approx((0.4 * np.sqrt(5.3125), 0.4 * np.sqrt(1605.3125)))
    assert region_spread(1e-3 * shirt, regions) == (0, 0)  # gray but for rounding
    plain = np.zeros_like(shirt)
    plain[1] = 30  # another color, but the same everywhere
    assert region_spread(plain, regions) == pytest.approx((0, 30))
    half = shirt.copy()
    half[:, 32:] = 0  # the mean of a is 20, the mean of its square 802.65625: a variance of 402.65625
    assert region_spread(half, regions) == pytest.approx((np.sqrt(402.65625), np.sqrt(802.65625)))
    two_hues = np.zeros_like(shirt)
    two_hues[0, :32], two_hues[1, 32:] = 40, 40  # a and b have a variance of 400 each
    assert region_spread(two_hues, regions) == pytest.approx((np.sqrt(800), 40))


def test_spread_is_measured_within_things_only():
    """The colors of two things may differ, and where they meet the colors may mix."""
    truth = np.zeros((2, 64, 64))
    truth[0, :, :32], truth[1, :, 32:] = 40, 40
    regions = one_color_regions(truth)
    assert (regions == np.repeat([1, 0, 2], [7, 2, 7])).all()  # the two columns where they meet are left out
    mixed = truth.copy()
    mixed[:, :, 28:36] = 20
    assert region_spread(truth, regions) == region_spread(mixed, regions) == (0, 40)
    half_of_the_first = truth.copy()
    half_of_the_first[:, :32, :32] = 0  # its spread is 20, the other thing's 0
    assert region_spread(half_of_the_first, regions) == pytest.approx((10, np.sqrt(1200)))


def test_regions_are_of_one_color_and_not_small():
    ramp = np.stack([np.broadcast_to(np.linspace(0, 60, 64), (64, 64)), np.zeros((64, 64))])  # a spread of 17
    noise = 60 * np.random.default_rng(7).standard_normal((2, 16, 16)).repeat(4, axis=1).repeat(4, axis=2)
    for truth in (ramp, noise):
        regions = one_color_regions(truth)
        assert not regions.any() and np.isnan(region_spread(truth, regions)).all()
    dot = np.zeros((2, 256, 256))
    dot[0, 100:112, 100:112] = 50  # 9 cells of 4096
    assert set(np.unique(one_color_regions(dot))) == {0, 1}


def test_a_photograph_colored_on_one_half_is_patchy():
    """Its noise, shades and edges spread less than that."""
    truth = np.moveaxis(oracle.rgb2lab(data.coffee()[:256, 150:406])[..., 1:], -1, 0)
    regions = one_color_regions(truth)
    assert (regions > 0).mean() > 0.3
    half = truth.copy()
    half[:, :, :128] = 0
    spread, strength = region_spread(half, regions)
    true_spread, true_strength = region_spread(truth, regions)
    assert spread / strength > 1.5 * true_spread / true_strength
