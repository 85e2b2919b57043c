"""Prints on desks and in scanners, made of scikit-image's photographs."""

from __future__ import annotations

import numpy as np
from PIL import Image

DESKS = ("wood", "dark bed", "white lid")


def desk(kind: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """What lies around a print, uint8 (H, W, 3): grained wood under falling light, a dark scanner, a white lid."""
    y, x = np.mgrid[:height, :width].astype(float)
    if kind == "wood":
        bent = x + 24 * np.sin(y / 140) + 16 * np.sin(x / 90 + 1)
        grain = np.sin(bent / 9) / 2 + np.sin(bent / 23 + 2) + 0.6 * np.sin(bent / 3.1)
        light = (1.08 - 0.3 * (x / width) * (y / height)) * (1 + 0.07 * grain)
        picture = np.array([150, 105, 66]) * light[..., None] + rng.normal(0, 4, (height, width, 1))
    elif kind == "dark bed":
        picture = (
            np.full((height, width, 3), 14.0) + rng.normal(0, 2.5, (height, width, 1)) + 6 * (x / width)[..., None]
        )
    else:
        picture = (
            np.full((height, width, 3), 243.0) - 8 * (y / height)[..., None] + rng.normal(0, 1.5, (height, width, 1))
        )
    return picture.clip(0, 255).astype(np.uint8)


def lay(
    photograph: np.ndarray, kind: str, angle: float = 0, border: float = 0, place: tuple[float, float] = (0.5, 0.5)
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """A print (H, W, 3) on a desk of 600 x 450 pixels; which pixels are its own, (450, 600); its width and height.

    angle: degrees. border: of white paper around it, in parts of its short side. place: 0 at the left and top, 1 at the
    right and bottom.
    """
    height, width = 450, 600
    gray = Image.fromarray(photograph).convert("L")
    scale = 0.68 * min(width / gray.width, height / gray.height)
    gray = gray.resize((round(gray.width * scale), round(gray.height * scale)))
    edge = round(border * min(gray.size))
    paper = Image.new("RGB", (gray.width + 2 * edge, gray.height + 2 * edge), (232, 228, 214))  # old paper is ivory
    paper.paste(gray, (edge, edge))
    mask = Image.new("L", paper.size, 255).rotate(angle, Image.Resampling.BICUBIC, expand=True)
    turned = paper.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    picture = Image.fromarray(desk(kind, height, width, np.random.default_rng(3)))
    corner = round(place[0] * (width - turned.width)), round(place[1] * (height - turned.height))
    picture.paste(turned, corner, mask)
    own = np.zeros((height, width), bool)
    own[corner[1] : corner[1] + mask.height, corner[0] : corner[0] + mask.width] = np.asarray(mask) > 200
    return np.asarray(picture), own, paper.size
