"""Color against scikit-image, NumPy against PyTorch, and luminance that stays."""

import numpy as np
import pytest
from skimage import color as oracle

from photochrom.photo.color import lab_to_linear_rgb, lab_to_rgb, luminance_of, rgb_to_lab
from photochrom.photo.joining import join


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).random((64, 48, 3), dtype=np.float32)


def test_rgb_to_lab_agrees_with_scikit_image(rgb):
    assert np.abs(rgb_to_lab(rgb) - oracle.rgb2lab(rgb.astype(np.float64))).max() < 1e-3


def test_known_colors():
    corners = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0]], np.float32)
    expected = np.array([[0, 0, 0], [100, 0, 0], [53.24, 80.09, 67.20]])  # Lindbloom's calculator, D65
    assert np.allclose(rgb_to_lab(corners), expected, atol=0.02)


def test_round_trip(rgb):
    assert np.abs(lab_to_rgb(rgb_to_lab(rgb)) - rgb).max() < 1e-4


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("gray", [False, True])
def test_luminance_of_every_kind_of_pixels(rgb, kind, gray):
    picture = rgb[..., 0] if gray else rgb
    pixels = picture if kind == np.float32 else (picture * np.iinfo(kind).max).round().astype(kind)
    as_color = np.repeat(picture[..., None], 3, axis=2) if gray else picture
    expected = oracle.rgb2lab(as_color.astype(np.float64))[..., 0]
    assert np.abs(luminance_of(pixels) - expected).max() < (0.3 if kind == np.uint8 else 0.01)


def test_torch_agrees_with_numpy_both_ways(rgb):
    torch = pytest.importorskip("torch")
    from photochrom.networks import lab as differentiable

    planes = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    lab = differentiable.rgb_to_lab(planes)
    assert np.abs(lab[0].permute(1, 2, 0).numpy() - rgb_to_lab(rgb)).max() < 1e-3
    assert (differentiable.lab_to_rgb(lab) - planes).abs().max() < 1e-3


def test_torch_gradients_are_right_and_finite_even_at_black():
    torch = pytest.importorskip("torch")
    from photochrom.networks import lab as differentiable

    special = torch.tensor([0.0, 1e-6, 0.04045, 0.5, 1.0], dtype=torch.float64)
    rgb = torch.cartesian_prod(special, special, special).t()[None, :, :, None].requires_grad_()
    for function in (differentiable.rgb_to_lab, differentiable.lab_to_rgb):
        function(rgb * (100 if function is differentiable.lab_to_rgb else 1)).sum().backward()
        assert rgb.grad is not None and torch.isfinite(rgb.grad).all()
        rgb.grad = None
    smooth = (0.1 + 0.8 * torch.rand(1, 3, 2, 2, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(differentiable.rgb_to_lab, smooth)


@pytest.mark.parametrize("chroma", [(0, 0), (20, 30), (90, -90), (-120, 120), (0, -110)])
def test_join_keeps_luminance_and_hue_in_8_bits(chroma):
    luminance = np.tile(np.linspace(0, 100, 512, dtype=np.float32), (8, 1))
    planes = np.broadcast_to(np.array(chroma, np.float32)[:, None, None], (2, *luminance.shape))
    rgb = join(luminance, planes)
    assert rgb.min() >= 0 and rgb.max() <= 1
    shown = rgb_to_lab(np.rint(rgb * 255).astype(np.float32) / 255)
    error = np.abs(shown[..., 0] - luminance)
    assert error.mean() <= 0.3 and np.percentile(error, 99.9) <= 1.0
    exact = rgb_to_lab(rgb)[:, 100:400]
    wanted = np.arctan2(chroma[1], chroma[0])
    turned = np.angle(np.exp(1j * (np.arctan2(exact[..., 2], exact[..., 1]) - wanted)))
    colored = np.hypot(exact[..., 1], exact[..., 2]) > 5
    assert np.abs(turned[colored]).max(initial=0) < 0.02


def test_join_leaves_displayable_colors_alone(rgb):
    lab = rgb_to_lab(rgb)
    assert np.abs(join(lab[..., 0], np.moveaxis(lab[..., 1:], -1, 0)) - rgb).max() < 2e-3


def test_colors_that_cannot_be_shown_get_the_most_chroma_that_can():
    rng = np.random.default_rng(0)
    luminance = rng.uniform(0, 97, 20_000).astype(np.float32)  # above, yellow loses all of it within 3 L
    angle, amount = rng.uniform(0, 2 * np.pi, luminance.size), rng.uniform(0, 120, luminance.size)
    chroma = (np.stack([np.cos(angle), np.sin(angle)]) * amount).astype(np.float32)
    share = np.zeros_like(luminance)
    for step in 0.5 ** np.arange(1, 20):
        rgb = lab_to_linear_rgb(luminance, *(chroma * (share + step).astype(np.float32)))
        share += step * ((rgb >= 0) & (rgb <= 1)).all(0)
    shown = rgb_to_lab(join(luminance[None], chroma[:, None]))[0]
    missing = amount * share - np.hypot(shown[:, 1], shown[:, 2])
    assert abs(missing.mean()) < 0.05
    assert (np.percentile(np.abs(missing), (99, 99.9)) < (0.5, 1.5)).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_chroma_of_a_broken_network_is_no_error():
    planes = np.array([[[np.inf, np.nan, 1e38]], [[-np.inf, 0, -1e38]]], np.float32)
    assert join(np.full((1, 3), 50, np.float32), planes).shape == (1, 3, 3)


def test_black_stays_black_and_white_stays_white():
    planes = np.full((2, 1, 2), 50, np.float32)
    assert np.allclose(join(np.array([[0, 100]], np.float32), planes)[0], [[0] * 3, [1] * 3], atol=2e-3)
