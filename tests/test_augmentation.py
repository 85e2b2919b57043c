"""Training photographs are varied as the configuration says."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from photochrom.training.augmentation import AugmentationConfig, degrade, make_batch, mix, random_hints


def test_batches_keep_luminance_and_chroma_together(photographs):
    torch.manual_seed(0)
    pictures = torch.from_numpy(np.stack([photographs["coffee"][:224, :224], photographs["chelsea"][:224, :224]]))
    batch = make_batch(pictures, 64, 4, AugmentationConfig(degraded=0, hinted=1.0))
    assert batch.luminance.shape == (2, 1, 64, 64) and batch.real_chroma.shape == (2, 2, 16, 16)
    assert batch.luminance.min() >= 0 and batch.luminance.max() <= 100
    marked = batch.hints[:, 2:] > 0
    assert marked.any(dim=(1, 2, 3)).all()
    assert not batch.hints[:, :2][(~marked).expand(-1, 2, -1, -1)].any()


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
