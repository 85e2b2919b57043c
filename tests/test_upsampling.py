"""Chroma follows the photograph's edges."""

import numpy as np
import pytest

from photochrom.photo.color import rgb_to_lab
from photochrom.photo.resize import resize
from photochrom.photo.upsampling import enlarge_along_edges, guide_chroma


@pytest.mark.parametrize("shape", [(64, 48), (17, 200), (100, 100)])
def test_resize_agrees_with_pytorch(shape):
    torch = pytest.importorskip("torch")
    planes = np.random.default_rng(0).random((2, 90, 70), dtype=np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(planes)[None], shape, mode="bilinear", antialias=True, align_corners=False
    )[0].numpy()
    assert np.abs(resize(planes, *shape) - expected).max() < 1e-5


def two_tones(height, width, edge, angle=0.0):
    """L 40 to the left of an edge, 70 to the right."""
    rows, columns = np.mgrid[:height, :width]
    return np.where(columns + angle * rows < edge, 40, 70).astype(np.float32)


def colored(luminance):
    """Two-tone luminance with two-tone chroma that was enlarged from the network's 64 x 64, as for a photograph."""
    small = resize(luminance, 256, 256)
    coarse = resize(np.where(luminance < 55, 40, -30)[None].astype(np.float32), 64, 64)
    chroma = enlarge_along_edges(np.concatenate([coarse, -coarse]), small)
    return guide_chroma(chroma, small).rows(luminance, 0, len(luminance))[0]


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_color_edge_stays_within_2_pixels_of_the_luminance_edge(size, angle):
    luminance = two_tones(size, size, 0.6 * size, angle)
    is_left = colored(luminance) > 5
    for row in range(0, size, size // 8):
        wanted = int(np.argmax(luminance[row] > 55))
        assert abs(int(np.argmin(is_left[row])) - wanted) <= 2


def test_no_halo_beside_the_edge():
    result = colored(two_tones(1024, 1024, 600))
    assert result.max() < 42 and result.min() > -32  # no overshoot
    assert np.abs(result[:, 560:598] - 40).max() < 3 and np.abs(result[:, 602:640] + 30).max() < 3  # no fading


def test_flat_luminance_leaves_chroma_as_it_is():
    chroma = np.full((2, 64, 64), 25, np.float32)
    result = guide_chroma(chroma, np.full((64, 64), 50, np.float32)).rows(np.full((256, 256), 50, np.float32), 0, 256)
    assert np.allclose(result, 25, atol=1e-3)


def test_strips_join_without_a_seam(loud, photographs):
    coloring = loud.predict([photographs["coffee"]])[0]
    luminance = rgb_to_lab(photographs["coffee"].astype(np.float32) / 255)[..., 0]
    guided = coloring.guided()
    whole = guided.rows(luminance, 0, len(luminance))
    parts = [guided.rows(luminance[r : r + 37], r, len(luminance)) for r in range(0, len(luminance), 37)]
    assert np.allclose(np.concatenate(parts, axis=1), whole, atol=1e-4)
