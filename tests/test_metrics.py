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
    colorfulness,
    delta_e,
    psnr,
    skin_difference,
    skin_mask,
    ssim,
)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    truth = data.coffee()[:96, :128]
    noise = np.random.default_rng(0).normal(0, 12, truth.shape)
    return np.clip(truth + noise, 0, 255).astype(np.uint8), truth


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
    gray = np.full((8, 8, 3), 0.4, np.float32)
    assert colorfulness(gray) == 0
    half = gray.copy()
    half[:4] = [1, 0, 0]
    rg, yb = [255, 0], [127.5, 0]  # by hand: |R - G| and |(R + G) / 2 - B| of the two halves
    expected = np.hypot(np.std(rg), np.std(yb)) + 0.3 * np.hypot(np.mean(rg), np.mean(yb))
    assert colorfulness(half) == pytest.approx(expected, rel=1e-6)


def test_bootstrap_interval_holds_the_mean():
    values = np.random.default_rng(2).normal(5, 1, 400).astype(np.float32)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high and high - low == pytest.approx(4 * values.std() / 20, rel=0.15)


def test_bootstrap_interval_agrees_with_scipy():
    source = np.random.default_rng(3)
    one, other = source.gamma(2, 3, 300), source.gamma(5, 2, 300)
    found = bootstrap_interval(one, other)
    expected = scipy.stats.bootstrap(
        (one, other), lambda x, y: x.mean() / y.mean(), paired=True, method="percentile", vectorized=False, rng=1
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
