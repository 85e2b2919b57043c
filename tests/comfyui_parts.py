"""Where the nodes for ComfyUI are, masks for them, and the colors of what they make."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from photochrom.photo.color import rgb_to_lab

FOLDER = Path(__file__).parents[1] / "integrations" / "comfyui"


def chroma_of(picture):
    return np.moveaxis(rgb_to_lab(np.asarray(picture))[..., 1:], -1, 0)


def painted(shape, boxes):
    mask = torch.zeros(shape)
    for top, bottom, left, right in boxes:
        mask[..., top:bottom, left:right] = 1
    return mask
