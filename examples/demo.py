"""Color real photographs from scikit-image and put them on one contact sheet: gray | photochrom | truth.

Usage: python examples/demo.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from skimage import data

from photochrom import Colorizer, Photograph
from photochrom.photo.color import linear_to_rgb, luminance_of, rgb_to_linear
from photochrom.photo.resize import resize

ROW_HEIGHT = 320  # pixels, on the contact sheet


def take_color_away(rgb8: np.ndarray) -> np.ndarray:
    """The gray picture, uint8 (H, W), with the luminance of rgb8 (H, W, 3)."""
    y = rgb_to_linear(rgb8 / np.float32(255)) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return np.rint(linear_to_rgb(y) * 255).astype(np.uint8)


def as_tile(pixels: np.ndarray) -> np.ndarray:
    """A picture at the contact sheet's row height, uint8 (ROW_HEIGHT, W, 3)."""
    rgb = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    width = round(rgb.shape[1] * ROW_HEIGHT / rgb.shape[0])
    small = resize(np.moveaxis(rgb.astype(np.float32), -1, 0), ROW_HEIGHT, width)
    return np.moveaxis(np.rint(small), 0, -1).astype(np.uint8)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    colorizer = Colorizer()
    rows = []
    for name in ("camera", "astronaut", "chelsea", "coffee"):
        original = getattr(data, name)()
        truth = original if original.ndim == 3 else None  # the true colors of `camera` are unknown
        gray = original if truth is None else take_color_away(original)
        color = colorizer.colorize(gray)
        Photograph(gray).save(folder / f"{name}-gray.png")
        Photograph(color).save(folder / f"{name}-color.png")
        change = np.abs(luminance_of(color) - luminance_of(gray)).mean()
        print(f"{folder / name}-color.png  (luminance changed by {change:.2f} of 100 on average)")
        rows.append([as_tile(p) for p in (gray, color, np.full_like(gray, 255) if truth is None else truth)])
    width = max(row[0].shape[1] for row in rows)
    padded = [[np.pad(t, ((0, 0), (0, width - t.shape[1]), (0, 0)), constant_values=255) for t in row] for row in rows]
    Photograph(np.concatenate([np.concatenate(row, axis=1) for row in padded])).save(folder / "contact-sheet.png")
    print(f"The contact sheet, gray | photochrom | truth, is {folder / 'contact-sheet.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
