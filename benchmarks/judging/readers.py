"""Readings of a picture by readers other than photochrom's.

Pillow reads everything first, with ImageCms for ICC profiles. tifffile with imagecodecs is the second opinion on TIFF,
djxl on JPEG XL, and ImageMagick on everything, if they are installed.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from judging.kinds import jp2_profile, png_chunk, sniff
from judging.pixels import SURE, Reading, by_numbers, reduced, to_srgb
from judging.tiff import MOST_PIXELS, by_tifffile

SECONDS = 20  # for ImageMagick
DJXL = shutil.which("djxl")
MAGICK = shutil.which("magick") or shutil.which("convert")
COMPLAINTS = re.compile(
    r"corrupt|premature|truncat|bad |invalid|missing|not enough|crc|insufficient|unexpected|error", re.I
)
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")

Image.MAX_IMAGE_PIXELS = None
with suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()


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
        profile, gamma, chromaticity = (image.info.get(k) for k in ("icc_profile", "gamma", "chromaticity"))
        if name == "JPEG2000" and not profile:
            profile = jp2_profile(data)
        with suppress(SyntaxError):  # EXIF that can't be read turns nothing
            image = ImageOps.exif_transpose(image)
        if name == "PNG" and png_chunk(data, b"cICP") not in (None, b"\1\15\0\1"):
            raise ValueError("cICP, which Pillow ignores")
        if name != "PNG" or profile or "srgb" in image.info or png_chunk(data, b"cICP"):
            gamma = None
    rgb, alpha, tolerance = to_srgb(image, profile)
    if gamma and 0.01 < gamma < 10:
        rgb = by_numbers(rgb, gamma, chromaticity)
    return reduced("Pillow", rgb, alpha, frames, tolerance)


def by_imagemagick(data: bytes, page: int = 0) -> Reading:
    """ImageMagick's reading. Raises ValueError with its complaints."""
    if not MAGICK:
        raise ValueError("ImageMagick is not installed")
    with tempfile.NamedTemporaryFile(suffix=".icc") as profile, tempfile.NamedTemporaryFile() as source:
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
        raise ValueError(" ".join(complaints.split())[:2000] or "nothing")
    image = Image.open(io.BytesIO(done.stdout))
    image.load()
    rgb, alpha, _ = to_srgb(image, None)
    return reduced("ImageMagick", rgb, alpha, 1, SURE * 2)


def by_djxl(data: bytes, page: int = 0) -> Reading:
    """The reading of djxl (JPEG XL's reference decoder), whose PNG has the picture's ICC profile. Raises any error."""
    if not DJXL or page:
        raise ValueError("djxl is not installed, or knows no frames")
    with tempfile.NamedTemporaryFile(suffix=".jxl") as source, tempfile.NamedTemporaryFile(suffix=".png") as target:
        source.write(data)
        source.flush()
        subprocess.run([DJXL, source.name, target.name], capture_output=True, timeout=SECONDS, check=True)
        return replace(by_pillow(Path(target.name).read_bytes()), by="djxl")


def readings(data: bytes, page: int = 0, *, quick: bool = False) -> Iterator[Reading | str]:
    """The readings of all readers that open a file, or why one does not. quick: without ImageMagick."""
    kind = sniff(data)
    readers: list[Callable[[bytes, int], Reading]] = [by_pillow]
    readers += [by_tifffile] if "TIFF" in kind else [by_djxl] if kind == "JPEG XL" else []
    for reader in readers if quick else [*readers, by_imagemagick]:
        try:
            yield reader(data, page)
        except Exception as error:  # readers raise many kinds of errors
            yield f"{reader.__name__[3:]}: {type(error).__name__}: {str(error)[:2000]}"


def camera_preview(data: bytes) -> Reading | None:
    """The largest JPEG inside a raw file, as it lies there."""
    best: Reading | None = None
    for match in re.finditer(rb"\xff\xd8\xff[\xdb\xe0\xe1\xc4]", data):
        with suppress(Exception):
            found = by_pillow(data[match.start() :])
            if min(found.size) >= 64 and (best is None or found.size > best.size):
                best = found
    return best
