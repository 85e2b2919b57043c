"""What tests share: real photographs from scikit-image, and a model that isn't the point."""

from __future__ import annotations

import os
from pathlib import Path

# As the command line has it, whose outputs are compared to the last of 16 bits; before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from skimage import data

from photochrom.inference.colorizer import Colorizer
from photochrom.inference.model import ModelInfo
from photochrom.photo.photograph import Photograph

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee")


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Real color photographs, uint8 (H, W, 3)."""
    return {name: getattr(data, name)() for name in PHOTOGRAPHS}


@pytest.fixture(scope="session")
def cat(photographs) -> bytes:
    """A black-and-white JPEG of 451 x 300 pixels."""
    return Photograph(photographs["chelsea"][..., 1]).encode("jpeg")


@pytest.fixture(scope="session")
def colorizer() -> Colorizer:
    """The Colorizer with the bundled weights."""
    return Colorizer()


class LoudBackend:
    """A fake model with strong colors everywhere: warm where it is light, cold where it is dark."""

    info = ModelInfo("fake", 32, 4, {})

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def predict(self, luminance, hints, noise):
        self.seen.append(luminance.shape)
        assert luminance.shape[2] % 32 == 0 and luminance.shape[3] % 32 == 0
        assert luminance.dtype == hints.dtype == noise.dtype == np.float32
        small = luminance[:, :, ::4, ::4]
        warm = np.where(small > 50, 60, -60) + 10 * noise.sum(axis=1)[:, None, None, None]
        return np.concatenate([warm, warm / 2], axis=1).astype(np.float32)


@pytest.fixture
def loud() -> Colorizer:
    return Colorizer(LoudBackend())


@pytest.fixture(scope="session")
def training_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve small color photographs, cut from scikit-image's."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("photographs")
    for name in PHOTOGRAPHS:
        picture = Image.fromarray(getattr(data, name)())
        for number in range(4):
            left, top = 60 * number, 20 * number
            picture.crop((left, top, left + 200, top + 180)).save(folder / f"{name}-{number}.jpg")
    return folder
