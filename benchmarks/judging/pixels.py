"""Pixels of any mode and depth as sRGB of 8 bits, for comparison."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from skimage.color import lab2rgb

SIDE = 256  # pixels: the longer side of the pictures that are compared
SURE, UNSURE = 1.5, 20.0  # L: how far a reading may be from another; unsure: CMYK without a profile has no one answer
SRGB_CHROMATICITY = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x and y of white, red, green and blue
Array = NDArray[Any]


@dataclass(frozen=True)
class Reading:
    """What a reader sees. rgb: uint8 (H, W, 3), upright sRGB; alpha: (H, W) or None; size: before it was reduced.

    lightness: L (H, W), reduced from that of all pixels: dots of pure colors, reduced as sRGB, have another L.
    frames: of an animation, or pages that are pictures of their own. tolerance: how far L may be from another reading.
    """

    by: str
    rgb: Array
    alpha: Array | None
    size: tuple[int, int]
    lightness: Array
    frames: int = 1
    tolerance: float = SURE


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, Image.Image | None, float]:
    """RGB, alpha and tolerance of a picture of any mode, by its ICC profile if that fits."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif "transparency" in image.info and image.mode in ("L", "RGB", "1"):
        image = image.convert("RGBA")
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(deep_to_8(np.asarray(image)))
    elif image.mode in ("1", "YCbCr", "HSV", "RGBX", "La", "RGBa"):
        image = image.convert({"1": "L", "La": "LA", "RGBa": "RGBA"}.get(image.mode, "RGB"))
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha:
        image = image.convert(image.mode[:-1]) if image.mode == "RGBA" else image.getchannel("L")
    if image.mode == "LAB":
        values = np.asarray(image).astype(np.float64)
        lab = np.stack([values[..., 0] / 2.55, *(values[..., i].astype(np.uint8).view(np.int8) for i in (1, 2))], -1)
        return Image.fromarray(lab_to_8(lab)), alpha, SURE
    tolerance = UNSURE if image.mode == "CMYK" else SURE
    if profile and tells_colors(profile):
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
            made = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=flags,
            )
            assert made is not None
            return made, alpha, SURE * 2
    return image.convert("RGB"), alpha, tolerance


def tells_colors(profile: bytes) -> bool:
    """Whether red, green and blue are different colors by a profile; true of one that isn't of RGB."""
    primaries = Image.fromarray(np.eye(3, dtype=np.uint8)[None] * np.uint8(255))
    with suppress(ImageCms.PyCMSError, OSError, ValueError):
        source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        seen = ImageCms.profileToProfile(primaries, source, srgb, outputMode="RGB")
        return seen is None or len(np.unique(np.asarray(seen)[0], axis=0)) == 3
    return True


def reduced(by: str, rgb: Image.Image, alpha: Image.Image | None, frames: int, tolerance: float) -> Reading:
    """A reading at the size at which pictures are compared."""
    share = min(1.0, SIDE / max(rgb.size))
    small = (max(1, round(rgb.width * share)), max(1, round(rgb.height * share)))
    box = Image.Resampling.BOX
    shades = None if alpha is None else np.asarray(alpha.resize(small, box))
    if shades is not None and shades.min() == 255:
        shades = None
    lightness = np.asarray(Image.fromarray(lightness_of(np.asarray(rgb))).resize(small, box))
    return Reading(by, np.asarray(rgb.resize(small, box)), shades, rgb.size, lightness, frames, tolerance)


def lightness_of(rgb: Array) -> Array:
    """CIELAB's L (H, W), float32, of 8-bit sRGB (H, W, 3)."""
    values = np.arange(256) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)
    y = sum(linear[rgb[..., n]] * np.float32(share) for n, share in enumerate((0.212671, 0.715160, 0.072169)))
    return np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * np.float32(24389 / 27))


def difference(one: Reading, other: Reading) -> str:
    """How two readings differ, in words; nothing if they don't."""
    if one.size != other.size:
        return "size {} x {} instead of {} x {}".format(*one.size, *other.size)
    seen = np.ones(one.rgb.shape[:2], bool)
    if other.alpha is not None:
        seen = other.alpha > 250
        alpha = 255 if one.alpha is None else one.alpha.astype(float)
        off = np.abs(alpha - other.alpha.astype(float)).mean() / 255
        if one.alpha is not None and off > 0.02:
            return f"alpha off by {off:.2f}"
    elif one.alpha is not None and other.by != "ImageMagick":  # which may leave alpha out
        return f"transparency where {other.by} sees none"
    if not seen.any():
        return ""
    off = np.abs(one.lightness - other.lightness)[seen]
    worst = float(np.quantile(off, 0.99))
    tolerance = max(one.tolerance, other.tolerance)
    if off.mean() > tolerance or worst > 6 * tolerance:
        bias = float((one.lightness - other.lightness)[seen].mean())
        return f"L off by {off.mean():.1f} (mean {bias:+.1f}, worst hundredth {worst:.0f}; {other.by})"
    return ""


def likeness(one: Reading, other: Reading) -> float:
    """The correlation of two pictures' luminance at 32 x 32, in whichever quarter turn is best."""
    small = [
        np.asarray(Image.fromarray(reading.rgb).convert("L").resize((32, 32), Image.Resampling.BOX)).astype(float)
        for reading in (one, other)
    ]
    return float(max(np.corrcoef(np.rot90(small[0], turn).ravel(), small[1].ravel())[0, 1] for turn in range(4)))


def deep_to_8(values: Array) -> Array:
    """Numbers of any depth as 8 bits; floating-point numbers are 0..1."""
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < -0.01 or values.max() > 1.01:
            raise ValueError("floating-point numbers outside 0..1")
        return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    if values.dtype == np.int32:  # Pillow's mode I: 16 bits
        return np.round(np.clip(values, 0, 65535) / 257).astype(np.uint8)
    return np.round(values / (np.iinfo(values.dtype).max / 255)).astype(np.uint8)


def lab_to_8(lab: Array) -> Array:
    """CIELAB, D50, as sRGB of 8 bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(np.round(lab2rgb(lab, illuminant="D65") * 255), np.uint8)


def by_numbers(rgb: Image.Image, gamma: float, chromaticity: tuple[float, ...] | None) -> Image.Image:
    """sRGB of a PNG's numbers by its gAMA and cHRM (x and y of white, red, green and blue)."""
    values = np.asarray(rgb) / 255.0
    linear = values ** (1 / gamma)
    if abs(gamma / 0.45455 - 1) < 0.05:  # sRGB's own curve is meant
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    if chromaticity and all(y > 0 for y in chromaticity[1::2]):
        linear = linear @ (np.linalg.inv(to_xyz(SRGB_CHROMATICITY)) @ adapted(chromaticity)).T
    linear = np.clip(linear, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return Image.fromarray(np.round(curved * 255).astype(np.uint8))


def to_xyz(chromaticity: tuple[float, ...]) -> Array:
    """The matrix (3, 3) from linear RGB to XYZ."""
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in zip(*[iter(chromaticity)] * 2, strict=True))
    columns = np.stack(primaries, axis=1)
    return columns * np.linalg.solve(columns, white)


def adapted(chromaticity: tuple[float, ...]) -> Array:
    """The matrix from linear RGB to XYZ, with white moved to D65 (Bradford)."""
    to_cones = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    white, wanted = (to_cones @ to_xyz(c).sum(axis=1) for c in (chromaticity, SRGB_CHROMATICITY))
    return np.linalg.inv(to_cones) @ np.diag(wanted / white) @ to_cones @ to_xyz(chromaticity)
