"""Readings of a picture's luminance by readers other than photochrom's, for benchmarks/corpus.py.

Pillow reads everything first, with ImageCms for ICC profiles. tifffile with imagecodecs is the second opinion on TIFF,
ImageMagick, if it is installed, on everything else.
"""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from skimage.color import lab2rgb, rgb2lab

SIDE = 256  # pixels: the longer side of the pictures that are compared
SURE, UNSURE = 1.5, 20.0  # L: how far a reading may be from another; unsure: CMYK without a profile has no one answer
SECONDS = 20  # for ImageMagick
MOST_PIXELS = 120_000_000  # larger pictures are not judged
MAGICK = shutil.which("magick") or shutil.which("convert")
COMPLAINTS = re.compile(
    r"corrupt|premature|truncat|bad |invalid|missing|not enough|crc|insufficient|unexpected|error", re.I
)
TURNS = dict(zip(range(2, 9), (Image.Transpose(n) for n in (0, 3, 1, 5, 4, 6, 2)), strict=True))  # by orientation
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
Array = NDArray[Any]

Image.MAX_IMAGE_PIXELS = None
with suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()


@dataclass(frozen=True)
class Reading:
    """What a reader sees. rgb: uint8 (H, W, 3), upright sRGB; alpha: (H, W) or None; size: before it was reduced.

    frames: of an animation, or pages that are pictures of their own. tolerance: how far L may be from another reading.
    """

    by: str
    rgb: Array
    alpha: Array | None
    size: tuple[int, int]
    frames: int = 1
    tolerance: float = SURE


def by_pillow(data: bytes, page: int = 0) -> Reading:
    """Pillow's reading. Raises any error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        frames = getattr(image, "n_frames", 1) if image.format in (*ANIMATED, "TIFF") else 1
        if image.width * image.height > MOST_PIXELS:
            raise MemoryError("too large to judge")
        if image.format == "EPS":
            raise UnidentifiedImageError("EPS is a program")
        if page:
            image.seek(page)
        image.load()
        name = image.format
        profile, gamma = image.info.get("icc_profile"), image.info.get("gamma")
        image = ImageOps.exif_transpose(image)
        if name == "PNG" and png_chunk(data, b"cICP") not in (None, b"\1\15\0\1"):
            raise ValueError("cICP, which Pillow ignores")
        if name != "PNG" or profile or "srgb" in image.info or png_chunk(data, b"cICP"):
            gamma = None
    rgb, alpha, tolerance = to_srgb(image, profile)
    if gamma and 0.01 < gamma < 10 and abs(gamma - 0.45455) > 0.01:
        rgb = rgb.point([round(255 * linear_to_srgb((v / 255) ** (1 / gamma))) for v in range(256)] * 3)
    return reduced("Pillow", rgb, alpha, frames, tolerance)


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
    if profile:
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


def by_tifffile(data: bytes, page: int = 0) -> Reading:
    """tifffile's reading of the picture of a TIFF that is not a smaller version of another. Raises any error."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        pages = whole_pages(opened)
        chosen = pages[page]
        if chosen.imagewidth * chosen.imagelength > MOST_PIXELS:
            raise MemoryError("too large to judge")
        values = chosen.asarray()
        tags = {tag.code: tag.value for tag in chosen.tags}
        if "S" in chosen.axes and chosen.axes.index("S") == 0:
            values = np.moveaxis(values, 0, -1)
        photometric, extra = int(chosen.photometric), tuple(chosen.extrasamples)
        bits = chosen.bitspersample
    values, alpha = split_alpha(values, extra)
    image, tolerance = tiff_to_8(values, photometric, bits if isinstance(bits, int) else bits[0], tags)
    rgb, _, by_profile = to_srgb(image, tags.get(34675))
    alpha_image = None if alpha is None else Image.fromarray(deep_to_8(alpha))
    turn = TURNS.get(tags.get(274, 1))
    if turn is not None:
        rgb, alpha_image = rgb.transpose(turn), alpha_image and alpha_image.transpose(turn)
    return reduced("tifffile", rgb, alpha_image, len(pages), max(tolerance, by_profile))


def whole_pages(opened: Any) -> list[Any]:
    """The pages of a TIFF that are not a smaller version or a mask of another, those in SubIFDs included."""
    every = [page for first in opened.pages for page in (first, *(first.pages or ()))]
    whole = [page for page in every if not int(page.subfiletype or 0) & 5]
    return whole or every[:1]


def split_alpha(values: Array, extra: tuple[Any, ...]) -> tuple[Array, Array | None]:
    """The channels of color, and the first extra one that is alpha."""
    if not extra or values.ndim != 3:
        return values, None
    colors = values.shape[-1] - len(extra)
    alpha = next((values[..., colors + i] for i, kind in enumerate(extra) if int(kind) in (1, 2)), None)
    return values[..., 0] if colors == 1 else values[..., :colors], alpha


def tiff_to_8(values: Array, photometric: int, bits: int, tags: dict[int, Any]) -> tuple[Image.Image, float]:
    """A TIFF page's numbers as a picture of 8 bits, by its PhotometricInterpretation."""
    if photometric == 3:
        colors = np.asarray(tags[320]).reshape(3, -1).T
        return Image.fromarray((colors[values] >> 8 if colors.max() > 255 else colors[values]).astype(np.uint8)), SURE
    if photometric in (8, 9) and values.dtype == np.uint8:
        chroma = values[..., 1:].view(np.int8) if photometric == 8 else values[..., 1:].astype(float) - 128
        return Image.fromarray(lab_to_8(np.dstack([values[..., 0] / 2.55, chroma]))), SURE
    if values.dtype.kind == "u" and 1 < bits < 32 and bits not in (8, 16):
        values = values / (2.0**bits - 1)
    eight = deep_to_8(values)
    if photometric == 0:
        eight = 255 - eight
    if photometric == 5:
        return Image.fromarray(eight, "CMYK"), UNSURE
    if photometric == 6 and tags.get(259) != 7:
        return Image.fromarray(eight, "YCbCr").convert("RGB"), SURE * 2
    if photometric not in (0, 1, 2, 6) or (eight.ndim == 3 and eight.shape[-1] != 3):
        raise ValueError(f"photometric interpretation {photometric}")
    return Image.fromarray(eight), SURE


def by_imagemagick(data: bytes, page: int = 0) -> Reading:
    """ImageMagick's reading. Raises ValueError with its complaints."""
    if not MAGICK:
        raise ValueError("ImageMagick is not installed")
    with tempfile.NamedTemporaryFile() as profile, tempfile.NamedTemporaryFile() as source:
        profile.write(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        profile.flush()
        source.write(data)
        source.flush()
        limits = ["-limit", "memory", "1GiB", "-limit", "map", "1GiB", "-limit", "disk", "0", "-limit", "thread", "1"]
        command = [
            MAGICK,
            *limits,
            f"{source.name}[{page}]",
            "-auto-orient",
            "-intent",
            "Relative",
            "-black-point-compensation",
            "-profile",
            profile.name,
            "-strip",
            "-colorspace",
            "sRGB",
            "-depth",
            "8",
            "png:-",
        ]
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    complaints = done.stderr.decode("utf-8", "replace")
    if done.returncode or not done.stdout or COMPLAINTS.search(complaints):
        raise ValueError(complaints.strip().splitlines()[0] if complaints.strip() else "nothing")
    image = Image.open(io.BytesIO(done.stdout))
    image.load()
    rgb, alpha, _ = to_srgb(image, None)
    return reduced("ImageMagick", rgb, alpha, 1, SURE * 2)


def by_imagecodecs(data: bytes, page: int = 0) -> Reading:
    """imagecodecs' reading of JPEG XL and JPEG XR. Raises any error."""
    import imagecodecs

    decode: Callable[[bytes], Array] = (
        imagecodecs.jpegxl_decode if sniff(data) == "JPEG XL" else imagecodecs.jpegxr_decode
    )
    values = decode(data)
    if values.ndim == 4:
        values = values[page]
    alpha = None
    if values.ndim == 3 and values.shape[-1] in (2, 4):
        values, alpha = values[..., :-1].squeeze(), values[..., -1]
    rgb, _, _ = to_srgb(Image.fromarray(deep_to_8(values.squeeze())), None)
    return reduced("imagecodecs", rgb, None if alpha is None else Image.fromarray(deep_to_8(alpha)), 1, SURE * 2)


def readings(data: bytes, page: int = 0, *, quick: bool = False) -> Iterator[Reading | str]:
    """The readings of all readers that open a file, or why one does not. quick: without ImageMagick."""
    kind = sniff(data)
    readers: list[Callable[[bytes, int], Reading]] = [by_pillow]
    readers += [by_tifffile] if "TIFF" in kind else [by_imagecodecs] if kind in ("JPEG XL", "JPEG XR") else []
    for reader in readers if quick else [*readers, by_imagemagick]:
        try:
            yield reader(data, page)
        except Exception as error:  # readers raise many kinds of errors
            yield f"{reader.__name__[3:]}: {type(error).__name__}: {str(error)[:100]}"


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
    elif one.alpha is not None:
        return f"transparency where {other.by} sees none"
    if not seen.any():
        return ""
    lightness, other_lightness = (rgb2lab(reading.rgb)[..., 0] for reading in (one, other))
    off = np.abs(lightness - other_lightness)[seen]
    worst = float(np.quantile(off, 0.99))
    tolerance = max(one.tolerance, other.tolerance)
    if off.mean() > tolerance or worst > 6 * tolerance:
        bias = float((lightness - other_lightness)[seen].mean())
        return f"L off by {off.mean():.1f} (mean {bias:+.1f}, worst hundredth {worst:.0f}; {other.by})"
    return ""


def reduced(by: str, rgb: Image.Image, alpha: Image.Image | None, frames: int, tolerance: float) -> Reading:
    """A reading at the size at which pictures are compared."""
    share = min(1.0, SIDE / max(rgb.size))
    small = (max(1, round(rgb.width * share)), max(1, round(rgb.height * share)))
    box = Image.Resampling.BOX
    shades = None if alpha is None else np.asarray(alpha.resize(small, box))
    if shades is not None and shades.min() == 255:
        shades = None
    return Reading(by, np.asarray(rgb.resize(small, box)), shades, rgb.size, frames, tolerance)


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


def linear_to_srgb(value: float) -> float:
    """sRGB's transfer curve."""
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


def png_chunk(data: bytes, name: bytes) -> bytes | None:
    """The content of a PNG's first chunk of a name."""
    place = 8
    while place + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        if kind == name and zlib.crc32(data[place + 4 : place + 8 + length]) is not None:
            return data[place + 8 : place + 8 + length]
        place += 12 + length
    return None


MAGIC: tuple[tuple[str, str], ...] = (
    ("JPEG", r"\xff\xd8\xff"),
    ("PNG", r"\x89PNG"),
    ("GIF", r"GIF8"),
    ("BMP", r"BM"),
    ("WebP", r"RIFF....WEBP"),
    ("BigTIFF", r"(II\x2b\0|MM\0\x2b)"),
    ("TIFF", r"(II\x2a\0|MM\0\x2a)"),
    ("PSD", r"8BPS"),
    ("PDF", r"%PDF"),
    ("AVIF", r"....ftyp(avi[fs]|.{4,24}avi[fs])"),
    ("HEIC", r"....ftyp(he|hev|mif1|msf1)"),
    ("CR3", r"....ftypcrx"),
    ("JPEG 2000", r"(\0\0\0\x0cjP  |\xff\x4f\xff\x51)"),
    ("JPEG XL", r"(\xff\x0a|\0\0\0\x0cJXL )"),
    ("JPEG XR", r"II\xbc"),
    ("OpenEXR", r"\x76\x2f\x31\x01"),
    ("FITS", r"SIMPLE "),
    ("PNM", r"P[1-7]\s"),
    ("SVG", r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg"),
    ("DDS", r"DDS "),
    ("QOI", r"qoif"),
    ("EPS", r"%!PS"),
    ("ICO", r"\0\0[\1\2]\0"),
    ("RAW", r"(IIRO|IIRS|MMOR|IIU\0|FUJIFILM|FOVb|\0MRM|II\x1a\0\0\0HEAPCCDR)"),
)


def sniff(data: bytes) -> str:
    """The format that a file's first bytes name."""
    start = data[:1024].decode("latin-1")
    return next((name for name, magic in MAGIC if re.match(magic, start, re.S)), "other")
