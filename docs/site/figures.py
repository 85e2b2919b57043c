"""The figures of the documentation, drawn by the live code from the photographs of scikit-image and Matplotlib.

Usage: python docs/site/figures.py FOLDER       (MkDocs draws them by itself)
       python docs/site/figures.py --readme     (writes README's picture, docs/contact-sheet.jpg: `make pictures`)
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from skimage import data

from photochrom import Colorizer, Hint
from photochrom.photo.color import lab_to_rgb, luminance_of, rgb_to_lab
from photochrom.photo.joining import join

FIGURES: dict[str, Callable[[Colorizer], Figure]] = {}
CAPTION = {"fontsize": 9}
README = Path(__file__).parents[1] / "contact-sheet.jpg"
PROUD = ("camera", "chelsea", "rocket", "coffee")  # of README's picture
SUCCESSES = ("camera", "chelsea", "rocket", "grass")
FAILURES = ("astronaut", "motorcycle", "grace hopper", "moon")
# Hints for pictures that come out wrong, in pixels: colors that somebody who was there would remember.
SUIT = tuple(Hint(x, y, "#d0603a") for x, y in ((150, 330), (310, 330), (110, 440), (200, 480)))
CUP = tuple(Hint(x, y, "#a02a10") for x, y in ((120, 270), (320, 365), (440, 290)))
TABLE = tuple(Hint(x, y, "#a8703c") for x, y in ((560, 180), (40, 340)))
REPAIRS = {"astronaut": (SUIT[:1], SUIT), "coffee": (CUP[:1], (*CUP, *TABLE))}


def figure(draw: Callable[[Colorizer], Figure]) -> Callable[[Colorizer], Figure]:
    """Put a figure into the list."""
    FIGURES[draw.__name__.replace("_", "-") + ".jpg"] = draw
    return draw


def draw_all() -> dict[str, bytes]:
    """Every figure as a JPEG."""
    colorizer, drawn = Colorizer(), {}
    for name, draw in FIGURES.items():
        buffer = io.BytesIO()
        made = draw(colorizer)
        made.savefig(buffer, format="jpeg", dpi=100, bbox_inches="tight", pil_kwargs={"quality": 85})
        plt.close(made)
        drawn[name] = buffer.getvalue()
    return drawn


@cache
def photographs() -> dict[str, np.ndarray]:
    """All photographs of scenes that come with packages which we depend on, uint8: (H, W), or (H, W, 3) in color."""
    names = ("camera", "chelsea", "rocket", "coffee", "astronaut", "grass", "gravel", "brick", "coins", "moon")
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    with Image.open(hopper) as picture:
        others = {"grace hopper": np.asarray(picture.convert("RGB")), "motorcycle": data.stereo_motorcycle()[0]}
    return {name: getattr(data, name)() for name in names} | others


def grays() -> dict[str, np.ndarray]:
    """The same without their colors, uint8 (H, W)."""
    return {name: gray_of(p) if p.ndim == 3 else p for name, p in photographs().items()}


def compared(names: tuple[str, ...], colorizer: Colorizer) -> list[tuple[str, np.ndarray]]:
    """Gray, colored and true pictures one after the other, with captions."""
    pictures = []
    for name in names:
        gray, truth = grays()[name], photographs()[name]
        pictures += [(name, gray), ("photochrom", colorizer.colorize(gray))]
        pictures.append(
            ("truth", truth) if truth.ndim == 3 else ("truth: not known", np.full((*gray.shape, 3), 255, np.uint8))
        )
    return pictures


def readme_picture(colorizer: Colorizer) -> bytes:
    """Two rows of two photographs, each gray and colored, as a JPEG."""
    tiles = []
    for name in PROUD:
        gray = grays()[name]
        for picture in (gray, colorizer.colorize(gray)):
            image = Image.fromarray(picture).convert("RGB")
            side = min(image.width, image.height * 4 // 3), min(image.height, image.width * 3 // 4)
            left, top = (image.width - side[0]) // 2, (image.height - side[1]) // 3
            part = image.crop((left, top, left + side[0], top + side[1])).resize((480, 360), Image.Resampling.LANCZOS)
            tiles.append(np.pad(np.asarray(part), ((4, 4), (4, 4), (0, 0)), constant_values=255))
    rows = [np.concatenate(tiles[i : i + 4], axis=1) for i in (0, 4)]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def gray_of(rgb8: np.ndarray) -> np.ndarray:
    """The gray picture of the same luminance, uint8 (H, W)."""
    luminance = luminance_of(rgb8)
    neutral = join(luminance, np.zeros((2, *luminance.shape), np.float32))
    return np.rint(neutral[..., 0] * 255).astype(np.uint8)


def row(pictures: list[tuple[str, np.ndarray]], height: float = 2.4, columns: int = 0) -> Figure:
    """Pictures side by side, each under its caption."""
    columns = columns or len(pictures)
    rows = -(-len(pictures) // columns)
    made, axes = plt.subplots(rows, columns, figsize=(height * 1.25 * columns, height * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (caption, picture) in zip(axes.flat, pictures, strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255 if picture.dtype == np.uint8 else 1)
        axis.set_title(caption, **CAPTION)
    made.tight_layout(pad=0.4)
    return made


@figure
def gallery(colorizer: Colorizer) -> Figure:
    """The photographs whose true colors are known."""
    return row(compared(tuple(n for n, p in photographs().items() if p.ndim == 3), colorizer), columns=6)


@figure
def gallery_gray(colorizer: Colorizer) -> Figure:
    """The photographs that never had colors."""
    pictures = []
    for name, picture in photographs().items():
        if picture.ndim == 2:
            pictures += [(name, picture), ("photochrom", colorizer.colorize(picture))]
    return row(pictures, columns=4)


@figure
def successes(colorizer: Colorizer) -> Figure:
    return row(compared(SUCCESSES, colorizer), columns=6)


@figure
def failures(colorizer: Colorizer) -> Figure:
    return row(compared(FAILURES, colorizer), columns=6)


@figure
def repairs(colorizer: Colorizer) -> Figure:
    """Failures, and what one hint and several hints make of them."""
    pictures, marks = [], []
    for name, (one, several) in REPAIRS.items():
        gray = grays()[name]
        pictures += [("no hint", colorizer.colorize(gray)), ("one hint", colorizer.colorize(gray, hints=one))]
        pictures += [(f"{len(several)} hints", colorizer.colorize(gray, hints=several)), ("truth", photographs()[name])]
        marks += [(), one, several, ()]
    made = row(pictures, columns=4)
    for axis, hints in zip(made.axes, marks, strict=True):
        axis.scatter([h.x for h in hints], [h.y for h in hints], s=14, c="white", edgecolors="black")
    return made


@figure
def lab_channels(colorizer: Colorizer) -> Figure:
    rgb8 = data.astronaut()
    lab = rgb_to_lab(rgb8.astype(np.float32) / 255)
    middle = np.full(lab.shape[:2], 65.0, np.float32)
    only = [lab_to_rgb(np.stack([middle, *pair], axis=-1)).clip(0, 1) for pair in
            ((lab[..., 1], 0 * middle), (0 * middle, lab[..., 2]))]  # fmt: skip
    return row([("photograph", rgb8), ("L: all the detail", lab[..., 0] / 100), ("a: green to red", only[0]),
                ("b: blue to yellow", only[1])])  # fmt: skip


@figure
def coarse_chroma(colorizer: Colorizer) -> Figure:
    """What the network says is small; the edges of the light make the rest."""
    gray = grays()["coffee"]
    (coloring,) = colorizer.predict([gray])
    flat = np.full(coloring.luminance.shape, 65.0, np.float32)
    rgb = lab_to_rgb(np.stack([flat, *coloring.chroma], axis=-1)).clip(0, 1)
    size = f"{coloring.luminance.shape[1]} x {coloring.luminance.shape[0]}"
    return row(
        [
            ("luminance, full size", gray),
            (f"chroma, {size}", rgb),
            ("joined, full size", colorizer.apply(gray, coloring)),
        ]
    )


@figure
def noise(colorizer: Colorizer) -> Figure:
    pictures = []
    for name in ("coffee", "astronaut"):
        gray = grays()[name]
        pictures.append(("the likeliest", colorizer.colorize(gray)))
        pictures += [(f"seed {seed}", colorizer.colorize(gray, seed=seed)) for seed in (1, 4, 6, 7)]
    return row(pictures, columns=5)


@figure
def hints(colorizer: Colorizer) -> Figure:
    gray = grays()["coffee"]
    places = [(120, 270), (320, 365), (440, 290)]
    pictures = [("no hint", colorizer.colorize(gray))]
    for color in ("#a03010", "#2050a0"):
        pictures.append(
            (f"three hints: {color}", colorizer.colorize(gray, hints=[Hint(x, y, color) for x, y in places]))
        )
    made = row(pictures)
    for axis in made.axes[1:]:
        axis.scatter(*zip(*places, strict=True), s=14, c="white", edgecolors="black")
    return made


@figure
def strength(colorizer: Colorizer) -> Figure:
    gray = grays()["chelsea"]
    (coloring,) = colorizer.predict([gray])
    return row([(f"--strength {s}", colorizer.apply(gray, coloring, s)) for s in (0.0, 0.5, 1.0, 1.5, 2.0)])


@figure
def warmth(colorizer: Colorizer) -> Figure:
    gray = grays()["camera"]
    (coloring,) = colorizer.predict([gray])
    return row([(f"--warmth {w:g}", colorizer.apply(gray, coloring, warmth=w)) for w in (-1, -0.5, 0, 0.5, 1)])


@figure
def gamut(colorizer: Colorizer) -> Figure:
    """Wanted chroma that sRGB can't show is lowered at constant luminance and hue."""
    lightness, hue = np.meshgrid(np.linspace(2, 98, 180), np.linspace(0, 2 * np.pi, 240), indexing="ij")
    chroma = 90 * np.stack([np.cos(hue), np.sin(hue)])
    clipped = lab_to_rgb(np.stack([lightness, *chroma], axis=-1).astype(np.float32)).clip(0, 1)
    joined = join(lightness.astype(np.float32), chroma.astype(np.float32))
    errors = [np.abs(rgb_to_lab(rgb)[..., 0] - lightness).mean() for rgb in (clipped, joined)]
    return row([(f"clipped: L is wrong by {errors[0]:.1f}", clipped), (f"ours: by {errors[1]:.2f}", joined)], height=3)


@figure
def patch_scores(colorizer: Colorizer) -> Figure:
    """Where each score of the PatchGAN looks: its receptive field, found by asking which inputs change it."""
    import torch

    from photochrom.networks.discriminator import DiscriminatorConfig, PatchGAN

    presets = {
        "default": DiscriminatorConfig(layers=2, norm="spectral"),
        "pix2pix": DiscriminatorConfig(layers=3, norm="instance"),
    }
    made, axes = plt.subplots(1, len(presets), figsize=(6.4, 3))
    for axis, (name, config) in zip(axes, presets.items(), strict=True):
        torch.manual_seed(0)
        patch_gan = PatchGAN(config).eval()
        for module in patch_gan.modules():
            if isinstance(module, torch.nn.InstanceNorm2d):  # it looks at the whole picture
                module.forward = lambda x: x
        luminance, chroma = torch.zeros(1, 1, 128, 128), torch.randn(1, 2, 128, 128, requires_grad=True)
        scores = patch_gan(luminance, chroma)
        scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
        seen = chroma.grad[0].abs().sum(0).numpy() > 0
        side = int(seen.any(axis=0).sum())
        axis.imshow(seen, cmap="gray_r")
        axis.set_title(f"{name}: one score sees {side} x {side} of 128", **CAPTION)
        axis.axis("off")
    made.tight_layout(pad=0.4)
    return made


if __name__ == "__main__":
    if sys.argv[1:] == ["--readme"]:
        README.write_bytes(readme_picture(Colorizer()))
        sys.exit()
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in draw_all().items():
        (folder / name).write_bytes(content)
