"""Readings of a picture by readers other than photochrom's.

Pillow reads everything first, with ImageCms for ICC profiles. tifffile with imagecodecs is the second opinion on TIFF,
imagecodecs on JPEG 2000, djxl on JPEG XL, and ImageMagick on everything, if they are installed.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from judging.kinds import jp2_channels, jp2_profile, png_chunk, sniff
from judging.pixels import SURE, Reading, by_numbers, reduced, to_srgb
from judging.tiff import MOST_PAGES, MOST_PIXELS, by_tifffile

SECONDS = 120  # for ImageMagick, on a busy machine
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
with suppress(ImportError):
    import pillow_jxl  # noqa: F401  (registers JPEG XL; djxl 0.7 misreads 9 and 10 bits)


def by_pillow(data: bytes, page: int = 0) -> Reading:
    """Pillow's reading. Raises any error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        frames = getattr(image, "n_frames", 1) if image.format in ANIMATED else pages_of(image)
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
        if name in ("AVIF", "HEIF"):  # a box turns these; Pillow would obey XMP, too
            image.info.pop("xmp", None)
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


def pages_of(image: Image.Image) -> int:
    """How many pages of a TIFF aren't smaller versions or masks of others; 1 for other formats."""
    if not isinstance(image, TiffImageFile):
        return 1
    first, own = image.tell(), 0
    for page in range(min(image.n_frames, MOST_PAGES)):
        image.seek(page)
        own += not image.tag_v2.get(254, 0) & 0b101
    image.seek(first)
    return max(1, own)


def page_size(data: bytes, page: int) -> tuple[int, int] | None:
    """The size of a page of a TIFF; None if Pillow can't tell it."""
    with suppress(Exception), Image.open(io.BytesIO(data)) as image:
        image.seek(page)
        return image.size
    return None


def by_imagemagick(data: bytes, page: int = 0) -> Reading:
    """ImageMagick's reading. Raises ValueError with its complaints."""
    if not MAGICK:
        raise ValueError("ImageMagick is not installed")
    if jp2_channels(data) > 4:
        raise ValueError("ImageMagick takes black for transparency in CMYK with transparency")
    own_profile = (jp2_profile(data) if sniff(data) == "JPEG 2000" else None) or b""
    with ExitStack() as stack:
        profile, own, source = (
            stack.enter_context(tempfile.NamedTemporaryFile(suffix=s)) for s in (".icc", ".icc", "")
        )
        profile.write(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        own.write(own_profile)
        source.write(data)
        for file in (profile, own, source):
            file.flush()
        limits = ["-limit", "memory", "1GiB", "-limit", "map", "1GiB", "-limit", "disk", "0", "-limit", "thread", "1"]
        command = [
            MAGICK,
            *limits,
            f"{source.name}[{page}]",
            "-auto-orient",
            "-intent",
            "Relative",
            "-black-point-compensation",
            *(["-profile", own.name] if own_profile else []),  # which it ignores in some JPEG 2000
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


def by_imagecodecs(data: bytes, page: int = 0) -> Reading:
    """The reading of the bare codestream of a JPEG 2000 of 8 bits, with the file's profile. Raises any error."""
    import imagecodecs

    if page or re.search(rb"pclr|cdef..(\x00.\x00\x00){1}\x00[^\x01]", data[:5000], re.S):
        raise ValueError("a palette, or channels in another order")
    values = imagecodecs.jpeg2k_decode(data[data.index(b"\xff\x4f\xff\x51") :])
    space = re.search(rb"colr\x01..\x00\x00\x00(.)", data[:5000], re.S)
    channels, profile = 1 if values.ndim == 2 else values.shape[2], jp2_profile(data)
    if values.dtype != np.uint8 or (space and not profile and space[1] not in b"\x0c\x10\x11"):
        raise ValueError("more than 8 bits, or other colors")
    if channels == 5 and space and space[1] == b"\x0c":
        ink, shades = Image.fromarray(np.ascontiguousarray(values[..., :4]), "CMYK"), Image.fromarray(values[..., 4])
        rgb, _, tolerance = to_srgb(ink, profile)
        return reduced("imagecodecs", rgb, shades, 1, tolerance)
    rgb, alpha, tolerance = to_srgb(Image.fromarray(values), profile)
    return reduced("imagecodecs", rgb, alpha, 1, tolerance)


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
    others = {"TIFF": by_tifffile, "BigTIFF": by_tifffile, "JPEG XL": by_djxl, "JPEG 2000": by_imagecodecs}
    readers += [others[kind]] if kind in others else []
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
