"""What the network sees of a small picture, and what is made of its answers."""

import numpy as np
import pytest

from photochrom.inference.colorizer import Colorizer
from photochrom.inference.model import ModelInfo
from photochrom.inference.views import GRAINY_VIEWS, HINT_VIEW, VIEWS, Seen, View, join_views
from photochrom.photo.hints import Hint
from photochrom.photo.resize import resize_matrix

SMALLER, LARGER = VIEWS


@pytest.mark.parametrize(
    "view, small, multiple, expected",
    [
        (SMALLER, (256, 256), 32, (224, 224)),
        (LARGER, (256, 256), 32, (288, 288)),
        (SMALLER, (256, 341), 32, (224, 288)),
        (LARGER, (341, 256), 32, (384, 288)),
        (SMALLER, (3, 5), 32, (32, 32)),
        (LARGER, (256, 341), 256, (256, 256)),  # the pix2pix preset's
        (HINT_VIEW, (256, 341), 32, (256, 352)),
    ],
)
def test_a_view_has_the_nearest_sides_that_the_network_takes(view, small, multiple, expected):
    assert view.shape(small, multiple) == expected


class Watching:
    """A fake model that writes down what it sees: the size, how light both sides are, and whether there are hints."""

    info = ModelInfo("fake", 32, 4, {})

    def __init__(self):
        self.sizes, self.sides, self.hinted = [], [], []

    def predict(self, luminance, hints, noise):
        self.sizes.append(luminance.shape[2:])
        self.sides.append((luminance[0, 0, :, :16].mean(), luminance[0, 0, :, -16:].mean()))
        self.hinted.append(bool(hints.any()))
        return np.zeros((len(luminance), 2, luminance.shape[2] // 4, luminance.shape[3] // 4), np.float32)


@pytest.fixture
def rising():
    """A gray picture (320, 320), dark at the left and light at the right."""
    return np.tile(np.linspace(20, 220, 320, dtype=np.uint8), (320, 1))


def test_the_network_sees_one_smaller_and_one_larger_view_that_is_mirrored(rising):
    model = Watching()
    Colorizer(model).colorize(rising)
    assert model.sizes == [(224, 224), (288, 288)] and not any(model.hinted)
    (left, right), (turned_left, turned_right) = model.sides
    assert left < right and turned_left > turned_right


def with_grain(pixels: np.ndarray, levels: float) -> np.ndarray:
    """A gray picture with noise of so many of 255 levels."""
    noise = np.random.default_rng(0).normal(0, levels, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def test_a_grainy_photograph_is_seen_smaller(rising):
    model = Watching()
    colorizer = Colorizer(model)
    fine, grainy = (with_grain(rising[:256, :256], levels) for levels in (4, 10))  # about 1.7 and 4.2 L units
    colorizer.predict([fine, grainy, fine])
    assert sorted(model.sizes) == [(192, 192), (224, 224), (256, 256), (288, 288)]  # alike ones go together


def test_the_grainy_views_differ_in_size_alone():
    """The pipeline's file has one list of what is mirrored for both."""
    assert [view.mirrored for view in GRAINY_VIEWS] == [view.mirrored for view in VIEWS]


def test_hints_are_told_in_a_view_of_their_own(rising):
    model = Watching()
    Colorizer(model).colorize(rising, hints=[Hint(150, 100, "#2040c0")])
    assert list(zip(model.sizes, model.hinted, strict=True)) == [
        ((224, 224), False),
        ((288, 288), False),
        ((256, 256), False),
        ((256, 256), True),
    ]


def test_frames_of_a_film_are_seen_at_one_size(rising):
    pytest.importorskip("av")
    from photochrom.video.coherence import Coherence
    from photochrom.video.colorize import FilmOptions, color_next

    model = Watching()
    colorizer, coherence = Colorizer(model), Coherence()
    for shift in (0, 160, 80):  # so far that the network must see each
        color_next(coherence, colorizer, np.roll(rising, shift, axis=1), FilmOptions(), ())
    assert model.sizes == [(256, 256)] * 4  # the first one also mirrored


def ramps(height: int, width: int) -> np.ndarray:
    """Chroma (2, height, width) that rises from left to right and from top to bottom of a picture of any size."""
    down, across = ((np.arange(side) + 0.5) / side for side in (height, width))
    return np.stack(np.broadcast_arrays(50 * across, 50 * down[:, None])).astype(np.float32)


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("small", [(256, 256), (250, 341), (333, 61)])
def test_answers_of_all_views_stand_where_they_belong(small, stride):
    shapes = [view.shape(small, 32) for view in (*VIEWS, HINT_VIEW)]
    seen = [Seen(ramps(height // stride, width // stride), (height, width)) for height, width in shapes]
    joined = join_views(seen, np.full(small, 50, np.float32))
    inner = np.s_[:, stride * 2 : -stride * 2, stride * 2 : -stride * 2]  # at the ends cells have neighbors on one side
    assert joined.shape == (2, *small)
    half_a_pixel = 0.5 * 50 / min(small)
    assert np.abs(joined - ramps(*small))[inner].max() < half_a_pixel


def test_a_mirrored_view_is_turned_back(loud):
    """The fake model's colors depend on the luminance alone: a mirrored view must say the same of each place."""
    pixels = np.repeat(np.array([[40, 200]], np.uint8), 128, axis=1).repeat(256, axis=0)  # dark beside light
    small = loud.small_luminance(pixels)
    plain, turned = (
        loud.predict_small([small], [(256, 256)], hints=[[]], views=[View(1, mirrored)])[0].chroma
        for mirrored in (False, True)
    )
    assert plain[0, 128, [64, 192]] == pytest.approx([-60, 60], abs=0.01)
    assert np.abs(plain - turned)[..., :120].max() < 0.1 and np.abs(plain - turned)[..., 136:].max() < 0.1


def test_a_matrix_may_reach_beyond_the_end():
    matrix = resize_matrix(10, 4, 3.0)  # the last output's center is at 10.5 of 10 inputs
    assert np.allclose(matrix.sum(axis=1), 1)
    assert np.argmax(matrix[-1]) == 9
