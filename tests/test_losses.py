"""The losses: values worked out by hand, and gradients."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from photochrom.evaluation import metrics
from photochrom.networks.ciede2000 import color_difference
from photochrom.networks.losses import (
    ADVERSARIAL_LOSSES,
    classification_loss,
    color_weights,
    dullness_loss,
    edge_loss,
    pixel_loss,
    smooth_pixel_loss,
    worst_loss,
)


def test_pixel_losses_by_hand():
    fake, real = torch.full((1, 2, 2, 2), 11.0), torch.zeros(1, 2, 2, 2)
    assert pixel_loss(fake, real) == pytest.approx(0.1)
    assert smooth_pixel_loss(fake, real) == pytest.approx(0.1 - 0.03 / 2)
    assert smooth_pixel_loss(fake / 11, real) == pytest.approx((1 / 110) ** 2 / 2 / 0.03)


def test_the_difference_that_trains_is_the_one_that_is_reported():
    source = torch.Generator().manual_seed(0)
    real = 60 * torch.randn(1, 2, 40, 40, generator=source) * torch.rand(1, 1, 40, 40, generator=source) ** 3
    fake = (real + 20 * torch.randn(1, 2, 40, 40, generator=source)).requires_grad_()
    as_lab = [np.moveaxis(np.concatenate([np.full((1, 40, 40), 50), x.detach()[0]]), 0, -1) for x in (fake, real)]
    difference = color_difference(fake, real)
    off = np.abs(difference.detach().numpy()[0] - metrics.delta_e(*as_lab))
    assert off.max() < 0.1 and off.mean() < 0.002
    difference.mean().backward()
    assert fake.grad.isfinite().all()


@pytest.mark.parametrize("value", [0.0, 30.0])
def test_differences_of_gray_and_of_equals_have_derivatives(value):
    real = torch.full((1, 2, 4, 4), value)
    for start in (real, torch.zeros_like(real)):
        fake = start.clone().requires_grad_()
        color_difference(fake, real).mean().backward()
        assert fake.grad.isfinite().all()


def test_edge_loss_by_hand():
    """A step of 10 in a: one of 7 differences across, one of 3 where pooled by 2, one of 1 by 4; none down."""
    fake, real = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    fake[:, 0, :, 4:] = 10.0
    across = (10 / 7 + 10 / 3 + 10 / 1) / 6
    assert edge_loss(fake, real) == pytest.approx(across, abs=0.1)
    assert edge_loss(fake, fake) == pytest.approx(0.1)  # rounded at 0
    assert edge_loss(fake + 20, fake) == pytest.approx(0.1)  # a tint has no edges


def test_worst_loss_is_the_mean_of_each_pictures_worst_tenth():
    """Of a hundred cells the ten worst, wherever they are; each picture has its own."""
    differences = torch.stack([torch.arange(100.0), torch.zeros(100)]).reshape(2, 10, 10)
    differences[1, 4, 2] = 50
    differences = differences.flip(2).requires_grad_()
    loss = worst_loss(differences)
    assert loss.item() == pytest.approx((94.5 + 5.0) / 2)
    loss.backward()
    assert (differences.grad > 0).sum(dim=(1, 2)).tolist() == [10, 10]
    assert worst_loss(torch.tensor([[[3.0, 1.0]]])).item() == 3  # never fewer than one cell


def test_dullness_loss_counts_what_is_missing_only():
    real = torch.zeros(2, 2, 16, 16)
    real[:, 0, :8] = 20.0
    fake = torch.stack([real[0] / 2, real[1] * 2])
    assert dullness_loss(fake, real) == pytest.approx(10 / 4, abs=0.01)  # a half of one picture of two


def test_a_glaring_stripe_does_not_make_up_for_a_dull_picture():
    real = torch.zeros(1, 2, 56, 56)
    real[:, 1, :28], real[:, 0, 28:] = -15.0, 15.0
    dull = real / 2
    striped = dull.clone()
    striped[:, 1, :1] = -60.0
    share_of_rows = 1 / 56
    expected = (1 - share_of_rows) * dullness_loss(dull, real).item()
    assert dullness_loss(striped, real) == pytest.approx(expected, rel=1e-3)


def test_classification_loss_by_hand():
    log_probabilities = torch.log(torch.tensor([[[[0.5, 0.3, 0.2]]]]))
    corners, corner_weights = torch.tensor([[[[0, 1, 2, 2]]]]), torch.tensor([[[[0.5, 0.5, 0.0, 0.0]]]])
    expected = -0.5 * np.log(0.5) - 0.5 * np.log(0.3)
    assert classification_loss(log_probabilities, corners, corner_weights, torch.ones(3)) == pytest.approx(expected)


def test_rare_colors_weigh_more_and_the_mean_weight_is_one():
    frequencies = torch.tensor([0.9, 0.09, 0.01])
    weights = color_weights(frequencies)
    assert weights[0] < weights[1] < weights[2] and (weights * frequencies).sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_adversarial_losses_pull_the_right_way(name):
    discriminator_loss, generator_loss = ADVERSARIAL_LOSSES[name]
    real, fake = torch.full((1, 1, 3, 3), 0.5, requires_grad=True), torch.full((1, 1, 3, 3), 0.5, requires_grad=True)
    discriminator_loss(real, fake).backward()
    assert (real.grad < 0).all() and (fake.grad > 0).all()
    fake.grad = None
    generator_loss(fake).backward()
    assert (fake.grad < 0).all()
