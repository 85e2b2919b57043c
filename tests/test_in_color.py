"""Which photographs are in color already: old ones of every tint are not, and color photographs are."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from photochrom import Photograph
from photochrom.coloring import Request, admit
from photochrom.errors import InColorError
from photochrom.photo.in_color import is_in_color

COLOR = ("astronaut", "chelsea", "coffee", "rocket")
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])  # of image editors
PAPER, INK = np.array([0.97, 0.90, 0.70]), np.array([0.25, 0.17, 0.10])  # of a faded and yellowed print


def as_jpeg(rgb: np.ndarray, quality: int = 85) -> np.ndarray:
    """What a scanner would have written: (H, W, 3) in [0, 1] to uint8, with a JPEG's artifacts of color."""
    file = io.BytesIO()
    Image.fromarray((np.clip(rgb, 0, 1) * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def old(kind: str, rgb: np.ndarray) -> np.ndarray:
    """A photograph as an old print of a kind, in [0, 1]."""
    gray = (rgb @ [0.299, 0.587, 0.114] / 255)[..., None]  # (H, W, 1)
    height, width = gray.shape[:2]
    x = np.linspace(0, 1, width)[:, None]
    if kind == "sepia":
        return rgb / 255 @ SEPIA.T
    if kind == "yellowed":
        return INK + gray * (PAPER - INK)
    if kind == "unevenly yellowed":
        return (INK + gray * (PAPER - INK)) * (1 - x * [0, 0.05, 0.2])
    if kind == "magenta":
        return np.array([0.45, 0.25, 0.30]) + gray * [0.55, 0.60, 0.55]
    if kind == "cyanotype":
        dark, middle, light = np.array([[0.03, 0.15, 0.35], [0.25, 0.5, 0.72], [0.93, 0.96, 0.98]])
        return np.where(gray < 0.5, dark + (middle - dark) * 2 * gray, middle + (light - middle) * (2 * gray - 1))
    if kind == "noisy":
        return gray + np.random.default_rng(0).normal(0, 0.06, rgb.shape)
    if kind == "fringed":
        return np.dstack([np.roll(gray[..., 0], 1, 1), gray[..., 0], np.roll(gray[..., 0], -1, 1)])
    assert kind == "stamped"
    stamped = np.repeat(gray, 3, axis=2)
    stamped[-height // 10 :, : width // 4] = [0.7, 0.1, 0.1]  # 2.5 % of the print
    return stamped


KINDS = ("sepia", "yellowed", "unevenly yellowed", "magenta", "cyanotype", "noisy", "fringed", "stamped")


@pytest.mark.parametrize("name", COLOR)
def test_color_photographs_are_in_color(name):
    rgb = getattr(data, name)()
    assert is_in_color(rgb) and is_in_color(as_jpeg(rgb / 255, 20)) and is_in_color(rgb[::8, ::8])
    assert is_in_color(rgb.astype(np.uint16) * 257) and is_in_color((rgb / 255).astype(np.float32))
    dull = rgb.mean(axis=2, keepdims=True) * 0.5 + rgb * 0.5
    assert is_in_color(dull.astype(np.uint8))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COLOR)
def test_old_prints_are_not(name, kind):
    print_ = as_jpeg(old(kind, getattr(data, name)()))
    assert not is_in_color(print_) and not is_in_color(print_.astype(np.uint16) * 257)


def test_gray_of_every_shape():
    for shape in ((8, 8), (8, 700), (2000, 30)):
        gray = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        assert not is_in_color(gray) and not is_in_color(np.repeat(gray[..., None], 3, axis=2))
    assert not is_in_color(np.full((40, 40, 3), 200, np.uint8))
    assert not is_in_color(np.full((40, 40, 3), (200, 150, 90), np.uint8))  # one flat tint


def test_any_page_in_color_counts(rgb, gray):
    pages = Photograph(gray, format="tiff", pages=(Photograph(rgb, format="tiff"),)).encode()
    assert len(admit(pages, "x", Request())[0].pages) == 1
    with pytest.raises(InColorError, match=r"x is in color already.*--recolor"):
        admit(pages, "x", Request(recolor=False))
    assert admit(Photograph(gray).encode(), "x", Request(recolor=False))[0].pixels.ndim == 2
