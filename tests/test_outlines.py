"""The outlines of what is painted in a mask, from which ComfyUI's nodes make hints."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

SOURCE = Path(__file__).parents[1] / "integrations" / "comfyui" / "outlines.py"

pytestmark = pytest.mark.skipif(not SOURCE.exists(), reason="not in a source distribution")


def outlines(painted):
    specification = importlib.util.spec_from_file_location("outlines", SOURCE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.outlines(painted)


@pytest.mark.parametrize(
    "shape, corners",
    [
        (["#"], [[(0, 0), (1, 0), (1, 1), (0, 1)]]),
        (["##", "#."], [[(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]]),
        (["###", "#.#", "###"], [[(0, 0), (3, 0), (3, 3), (0, 3)]]),
        (["#.#"], [[(0, 0), (1, 0), (1, 1), (0, 1)], [(2, 0), (3, 0), (3, 1), (2, 1)]]),
        (["..", ".."], []),
    ],
)
def test_outlines(shape, corners):
    found = outlines(np.array([[pixel == "#" for pixel in row] for row in shape]))
    assert sorted(sorted(loop) for loop in found) == sorted(sorted(loop) for loop in corners)


@pytest.mark.parametrize("level", [-0.5, 0.0, 0.5])
def test_outlines_of_any_shape_enclose_it(level):
    """Filled again by Pillow, the outlines are the mask without its holes, as SciPy fills them."""
    ndimage = pytest.importorskip("scipy.ndimage")
    noise = ndimage.gaussian_filter(np.random.default_rng(5).standard_normal((90, 120)), 4)
    mask = noise > level * noise.std()
    canvas = Image.new("L", (8 * mask.shape[1], 8 * mask.shape[0]))  # large, because Pillow draws the edges themselves
    for loop in outlines(mask):
        ImageDraw.Draw(canvas).polygon([(8 * x, 8 * y) for x, y in loop], fill=1)
    filled = np.asarray(canvas)[4::8, 4::8].astype(bool)
    assert 0.2 < mask.mean() < 0.8 and np.array_equal(filled, ndimage.binary_fill_holes(mask))
