"""Color one photograph in several ways: as it is, with other seeds, with hints, fainter, and as 16 bits.

Usage: python examples/colorize_in_python.py old.jpg FOLDER
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import photochrom
from photochrom import Colorizer, Hint, PhotochromError, read_photograph


def main(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    # The shortest way. Metadata, size and bit depth stay.
    photochrom.colorize(path).save(folder / f"color{path.suffix}")

    # For many pictures: load the model once. Arrays in, arrays out.
    colorizer = Colorizer()
    photograph = read_photograph(path)
    gray = photograph.pixels  # (H, W) or (H, W, 3), uint8 or uint16

    # Other plausible colorings: a seed selects the noise that the network gets.
    for seed in (1, 2, 3):
        pixels = colorizer.colorize(gray, seed=seed)
        replace(photograph, pixels=pixels).save(folder / f"seed-{seed}.png")

    # A color at a place: here blue in the middle of the picture.
    height, width = gray.shape[:2]
    pixels = colorizer.colorize(gray, hints=[Hint(width / 2, height / 2, "#2244aa")])
    replace(photograph, pixels=pixels).save(folder / "hinted.png")

    # Several strengths without running the network again: predict once, apply often.
    (coloring,) = colorizer.predict([gray])
    for strength in (0.5, 1.0, 1.5):
        pixels = colorizer.apply(gray, coloring, strength)
        replace(photograph, pixels=pixels).save(folder / f"strength-{strength}.png")

    # 16 bits in, 16 bits out. The luminance stays, only color is added.
    if gray.dtype == np.uint8:
        deep = gray.astype(np.uint16) * 257
        replace(photograph, pixels=colorizer.colorize(deep), alpha=None).save(folder / "deep.png")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except PhotochromError as error:  # everything that a user can get wrong, as one line
        sys.exit(str(error))
