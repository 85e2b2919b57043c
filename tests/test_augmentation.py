"""Training photographs are varied as the configuration says."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from photochrom.training.augmentation import (
    AugmentationConfig,
    degrade,
    find_things,
    make_batch,
    mix,
    random_crop,
    random_hints,
    recolor,
)


def test_batches_keep_luminance_and_chroma_together(photographs):
    torch.manual_seed(0)
    pictures = torch.from_numpy(np.stack([photographs["coffee"][:224, :224], photographs["chelsea"][:224, :224]]))
    batch = make_batch(pictures, 64, 4, AugmentationConfig(degraded=0, hinted=1.0))
    assert batch.luminance.shape == (2, 1, 64, 64) and batch.real_chroma.shape == (2, 2, 16, 16)
    assert batch.luminance.min() >= 0 and batch.luminance.max() <= 100
    marked = batch.hints[:, 2:] > 0
    assert marked.any(dim=(1, 2, 3)).all()
    assert not batch.hints[:, :2][(~marked).expand(-1, 2, -1, -1)].any()


def test_a_batch_takes_photographs_of_different_sizes(photographs):
    torch.manual_seed(0)
    coffee = torch.from_numpy(photographs["coffee"])
    batch = make_batch([coffee[:84, :84], coffee[:150, :225], coffee[:200, :140]], 64, 4, AugmentationConfig(hinted=0))
    assert batch.luminance.shape == (3, 1, 64, 64) and batch.real_chroma.shape == (3, 2, 16, 16)


def places(height, width):
    """A photograph that shows where it is: green is how far from the left, red how far from the top, in pixels."""
    photograph = torch.zeros(height, width, 3, dtype=torch.uint8)
    photograph[..., 0] = torch.arange(height)[:, None]
    photograph[..., 1] = torch.arange(width)
    return photograph


def corners(photograph, size, config, count=300):
    """Top, bottom, left and right, in pixels, of many random crops."""
    found = []
    for _ in range(count):
        rgb = 255 * random_crop(photograph, size, config)
        found.append([rgb[0].min(), rgb[0].max() + 1, rgb[1].min(), rgb[1].max() + 1])
    return np.array(found).T


def test_crops_are_taken_from_the_whole_of_a_photograph():
    torch.manual_seed(0)
    top, bottom, left, right = corners(places(120, 180), 64, AugmentationConfig(crop=(0.4, 1.0), stretch=1.3))
    assert top.min() < 2 and bottom.max() > 118 and left.min() < 2 and right.max() > 178
    tall, wide = bottom - top, right - left
    assert tall.max() > 110 and wide.max() > 120  # a stretched crop may be wider than the photograph is high
    assert tall.min() < 0.55 * 120 and tall.min() > 0.35 * 120
    stretch = tall / wide
    assert 1 / 1.4 < stretch.min() < 0.85 and 1.2 < stretch.max() < 1.4


def test_small_photographs_are_not_cropped_hard():
    """A crop of 84 pixels that is to have 128 must not be enlarged more than twice."""
    torch.manual_seed(0)
    top, bottom, left, right = corners(places(84, 84), 128, AugmentationConfig(crop=(0.4, 1.0), stretch=1.0))
    assert (bottom - top).min() > 61 and (right - left).min() > 61
    top, bottom, left, right = corners(places(40, 50), 128, AugmentationConfig(crop=(0.4, 1.0), stretch=1.0))
    assert (bottom - top).min() > 37  # smaller than that: as much as there is


def test_half_of_the_crops_are_mirrored():
    torch.manual_seed(0)
    mirrored = [
        bool((random_crop(places(64, 64), 64, AugmentationConfig())[1].diff(dim=1) < 0).any()) for _ in range(200)
    ]
    assert 70 < sum(mirrored) < 130


def test_unchanged_crops_are_the_photograph(photographs):
    rgb8 = torch.from_numpy(photographs["coffee"][:64, :64].copy())
    crop = random_crop(rgb8, 64, AugmentationConfig(crop=(1.0, 1.0), stretch=1.0))
    upright = crop if torch.allclose(crop, rgb8.permute(2, 0, 1) / 255, atol=1e-6) else crop.flip(-1)
    assert torch.allclose(upright, rgb8.permute(2, 0, 1) / 255, atol=1e-6)


@pytest.fixture
def square_on_gray():
    """Lab pictures (200, 3, 64, 64), each with a red square of 24 pixels on gray: 14 % of the area."""
    square = torch.zeros(64, 64)
    square[20:44, 20:44] = 1
    lab = torch.stack([50 + 0 * square, 60 * square, 30 * square])
    return lab.expand(200, -1, -1, -1).contiguous(), square


def test_things_end_where_the_color_does(square_on_gray):
    torch.manual_seed(0)
    lab, square = square_on_gray
    things, points = find_things(lab, 0.7)
    found = things.amax(dim=(1, 2, 3)) > 0
    assert 5 < found.sum() < 40  # most random places lie on the gray, which is too large for a thing
    assert torch.equal(points.amax(dim=(1, 2, 3)) > 0, found)
    for thing, dots in zip(things[found][:, 0], points[found][:, 0], strict=True):
        assert torch.equal(thing, square)
        assert 1 <= dots.sum() <= 4 and torch.equal(dots * thing, dots)
    assert not find_things(lab, 0.0)[0].any()


def test_light_and_shade_are_one_thing(square_on_gray):
    torch.manual_seed(0)
    lab, square = square_on_gray
    lab[:, 0, :, 32:] += 25  # half of the square, and of the gray around it, stands in the light
    things, _ = find_things(lab, 1.0)
    whole = [thing for thing in things[:, 0] if torch.equal(thing, square)]
    assert len(whole) > 5


def test_a_recolored_thing_has_the_color_of_its_hints_and_nothing_else_changes(square_on_gray):
    torch.manual_seed(0)
    lab, _ = square_on_gray
    things, points = find_things(lab, 1.0)
    chroma = recolor(lab[:, 1:], things)
    outside = (things == 0).expand_as(chroma)
    assert torch.equal(chroma[outside], lab[:, 1:][outside])
    found = things.amax(dim=(1, 2, 3)) > 0
    changes = (chroma - lab[:, 1:])[found].abs().amax(dim=(1, 2, 3))
    assert (changes > 5).float().mean() > 0.9
    hints = random_hints(chroma, 0.0, points)
    marked = (points > 0).expand(-1, 2, -1, -1)
    assert torch.allclose(hints[:, :2][marked], chroma[marked], atol=1e-3)


def test_mixed_photographs_are_two_photographs():
    torch.manual_seed(0)
    rgb = torch.arange(200.0).view(200, 1, 1, 1).expand(-1, 3, 32, 32)
    mixed = mix(rgb, 0.5)[:, 0]
    own, next_one = rgb[:, 0], rgb[:, 0].roll(1, dims=0)
    assert ((mixed == own) | (mixed == next_one)).all()
    pieces = (mixed != own).float().mean(dim=(1, 2))
    assert (pieces > 0).float().mean() == pytest.approx(0.5, abs=0.15)
    assert 0.3 < pieces.max() <= 0.5 + 2 / 32
    assert torch.equal(mix(rgb, 0), rgb)


def test_hints_are_mostly_few_and_often_none():
    torch.manual_seed(0)
    chroma = torch.ones(4000, 2, 16, 16)
    marks = random_hints(chroma, 0.5)[:, 2].flatten(1).sum(dim=1)
    assert (marks == 0).float().mean() == pytest.approx(0.5, abs=0.2)
    assert marks.median() < marks.max() / 4


def test_degraded_luminance_is_still_the_photograph(photographs):
    torch.manual_seed(0)
    rgb = (
        torch.from_numpy(photographs["astronaut"][:256, :256]).permute(2, 0, 1)[None].float().repeat(16, 1, 1, 1) / 255
    )
    old = degrade(rgb)
    assert old.shape == (16, 1, 256, 256) and old.min() >= 0 and old.max() <= 100
    flat = old.flatten(1)
    assert (flat[0] - flat[1]).abs().mean() > 1  # each is degraded in its own way
    true = rgb.mean(dim=1).flatten(1)
    likeness = [np.corrcoef(a.numpy(), b.numpy())[0, 1] for a, b in zip(flat, true, strict=True)]
    assert min(likeness) > 0.5 and np.mean(likeness) > 0.8
