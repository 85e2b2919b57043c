"""Photographs in files: reading, writing, and what travels along with the pixels.

libvips (through pyvips) does the work: unlike Pillow it reads and writes 16-bit color, converts ICC profiles
without an 8-bit step, keeps metadata by itself and streams files of 100 megapixels. Pillow handles BMP,
which libvips' binary wheel leaves out.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from photochrom.errors import InputError, OutputError, TooLargeError
from photochrom.photo.color import PixelArray

# pyvips would run Python inside libvips' warnings. Garbage collected there may close a damaged file, which warns in its
# turn, and GLib aborts a process that warns while it warns: two of 20,000 damaged files killed theirs so.
pyvips._remove_log_handler()

DEFAULT_QUALITY = 95  # for lossy formats
MIN_SIDE = 8  # pixels: there is nothing to recognize in less
MAX_ASPECT = 100.0  # longer strips shrink to nothing at the network's size
MAX_PIXELS = 250_000_000  # declared sizes above it are taken for an attack or a mistake, unless told otherwise
FORMATS = {  # name: suffixes, the first one being the usual
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp",),
    "avif": (".avif",),
}
READABLE_SUFFIXES = frozenset(s for suffixes in FORMATS.values() for s in suffixes) | {".heic", ".heif", ".gif"}
DEEP_FORMATS = {"png", "tiff"}  # those that hold 16 bits
ALPHA_FORMATS = {"png", "webp", "tiff", "avif"}
FULL_DISK = 1_000_000  # bytes: with fewer left, a failed write is taken for want of space
UMASK = os.umask(0)  # reading it means setting it: once, before there are threads
os.umask(UMASK)
NEW_FILE_MODE = 0o666 & ~UMASK
LOADER_FORMATS = {"jpegload": "jpeg", "pngload": "png", "webpload": "webp", "tiffload": "tiff", "heifload": "avif"}
KEPT_METADATA = ("exif-", "xmp-", "iptc-", "png-comment", "resolution-unit", "image-description")
STALE_METADATA = {"exif-ifd0-Orientation", "exif-ifd1-Orientation", "jpeg-thumbnail-data"}


@dataclass(frozen=True)
class Photograph:
    """An upright photograph in sRGB.

    pixels: (H, W) gray or (H, W, 3), uint8 or uint16. alpha: (H, W) of the same type, or None. format: a name
    from FORMATS. metadata: libvips' header fields; resolution: pixels per mm, horizontally and vertically.
    """

    pixels: PixelArray
    alpha: PixelArray | None = None
    format: str = "png"
    metadata: dict[str, tuple[int, Any]] = field(default_factory=dict)
    resolution: tuple[float, float] = (1.0, 1.0)

    def save(self, path: str | Path, *, quality: int = DEFAULT_QUALITY) -> None:
        """Write to a file, in the format of its suffix. Raises OutputError."""
        write_photograph(self, Path(path), quality=quality)


def read_photograph(path: str | Path, max_pixels: int = MAX_PIXELS) -> Photograph:
    """Read a photograph from a file. Raises InputError with one line that says what is wrong.

    max_pixels: larger ones raise TooLargeError before they are decoded. Coloring takes about 14 bytes a pixel.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a photograph")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    return decode_photograph(data, str(path), max_pixels)


def decode_photograph(data: bytes, name: str = "the photograph", max_pixels: int = MAX_PIXELS) -> Photograph:
    """Decode an encoded photograph; `name` is for messages. Raises InputError."""
    if not data:
        raise InputError(f"{name} is empty")
    try:
        image, format_name = _open(data, name, max_pixels)
        _check_size(image.width, image.height, name, max_pixels)
        image = image.autorot()
        metadata = {k: (image.get_typeof(k), image.get(k)) for k in image.get_fields() if _is_kept(k)}
        resolution = (image.xres, image.yres)
        pixels, alpha = _to_srgb(image, name)
    except pyvips.Error as error:
        raise InputError(f"{name} {_diagnosis(data, error)}") from error
    return Photograph(pixels, alpha, format_name, metadata, resolution)


def write_photograph(
    photograph: Photograph, path: Path, format_name: str | None = None, quality: int = DEFAULT_QUALITY
) -> None:
    """Write a photograph, whole or not at all: to a temporary name first, then renamed.

    The format is `format_name`, else the one of path's suffix, else the photograph's own. Raises
    OutputError.
    """
    format_name = format_name or format_of(path) or photograph.format
    temporary = None
    try:
        handle, temporary_name = tempfile.mkstemp(
            suffix=FORMATS[format_name][0], prefix=".photochrom-", dir=path.parent
        )
        os.close(handle)
        temporary = Path(temporary_name)
        _encode(photograph, format_name, quality, temporary)
        os.chmod(temporary, NEW_FILE_MODE)
        os.replace(temporary, path)
    except (OSError, pyvips.Error) as error:
        raise OutputError(f"cannot write {path}: {_reason(error, path.parent)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def encode_photograph(photograph: Photograph, format_name: str | None = None, quality: int = DEFAULT_QUALITY) -> bytes:
    """The bytes of a photograph's file, in its own format unless told otherwise. Raises OutputError."""
    format_name = format_name or photograph.format
    with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
        path = Path(folder) / ("photograph" + FORMATS[format_name][0])
        write_photograph(photograph, path, format_name, quality)
        return path.read_bytes()


def format_of(path: Path) -> str | None:
    """The format that a file name's suffix stands for, if we write it."""
    suffix = path.suffix.lower()
    return next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)


def _open(data: bytes, name: str, max_pixels: int) -> tuple[pyvips.Image, str]:
    if data[:2] == b"BM":
        return _open_bmp(data, name, max_pixels), "bmp"
    # Truncated files fail instead of coming out half gray.
    image = pyvips.Image.new_from_buffer(data, "", fail_on="truncated")
    loader = image.get("vips-loader").removesuffix("_buffer")
    if loader == "tiffload":
        _check_tiff_is_whole(data)
    return image, LOADER_FORMATS.get(loader, "png")


def _open_bmp(data: bytes, name: str, max_pixels: int) -> pyvips.Image:
    from PIL.BmpImagePlugin import BmpImageFile

    try:
        with closing(BmpImageFile(io.BytesIO(data))) as opened:
            _check_size(opened.width, opened.height, name, max_pixels)
            mode = opened.mode if opened.mode in ("L", "RGBA") else "RGB"
            return pyvips.Image.new_from_array(
                np.asarray(opened.convert(mode)), interpretation="b-w" if mode == "L" else "srgb"
            )
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise pyvips.Error(f"BMP: {error}") from error


def _check_tiff_is_whole(data: bytes) -> None:
    """libtiff fills what a cut-off file lacks with guesses; look whether every strip is there."""
    from PIL.TiffImagePlugin import TiffImageFile

    try:
        with closing(TiffImageFile(io.BytesIO(data))) as opened:
            tags = opened.tag_v2
            ends = [
                offset + length
                for starts, lengths in ((273, 279), (324, 325))  # strips, tiles
                for offset, length in zip(tags.get(starts, ()), tags.get(lengths, ()), strict=False)
            ]
    except Exception:  # Pillow raises many kinds
        return  # a kind that only libtiff knows
    if ends and max(ends) > len(data):
        raise pyvips.Error("TIFF: the file ends before its picture does")


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width * height > max_pixels:
        limit = f"more than the limit of {max_pixels / 1e6:g} million: raise max-pixels if you trust the file"
        raise TooLargeError(f"{name} declares {width} x {height} pixels, {limit}")
    if min(width, height) < MIN_SIDE:
        raise InputError(f"{name} is {width} x {height} pixels: too small, each side needs at least {MIN_SIDE}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InputError(f"{name} is {width} x {height} pixels: too long and narrow, cut it into parts first")


def _to_srgb(image: pyvips.Image, name: str) -> tuple[PixelArray, PixelArray | None]:
    """Pixels and alpha as upright sRGB or gray arrays of 8 or 16 bits."""
    if image.format in ("float", "double"):
        image = _float_to_16_bits(image, name)
    elif image.format not in ("uchar", "ushort"):
        raise InputError(f"{name} has pixels of type {image.format}, which is not a photograph's")
    deep = image.format == "ushort"
    alpha = None
    if image.hasalpha():
        alpha = _to_array(image[image.bands - 1], deep)
        image = image[: image.bands - 1] if image.bands > 2 else image[0]
    cmyk = image.interpretation == "cmyk" or image.bands == 4
    if image.get_typeof("icc-profile-data") or cmyk:
        # Without relative intent and black point compensation, scanner profiles turn black into gray.
        profile = {"input_profile": "cmyk"} if cmyk else {}
        with suppress(pyvips.Error):  # a broken profile: take the numbers as sRGB, as browsers do
            converted = image.icc_transform("srgb", embedded=True, depth=16 if deep else 8, **profile)
            image = converted.copy_memory()
    if image.bands >= 3:
        target = "rgb16" if deep else "srgb"
        image = image if image.interpretation in ("srgb", "rgb16", "rgb", "multiband") else image.colourspace(target)
        return _to_array(image[:3], deep), alpha
    return _to_array(image[0], deep), alpha


def _float_to_16_bits(image: pyvips.Image, name: str) -> pyvips.Image:
    values = image.numpy()
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds numbers that are not finite (NaN or infinity)")
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"{name} holds floating-point numbers outside 0..1: rescale it first")
    array = np.round(values * 65535).astype(np.uint16)
    gray = array.ndim == 2 or array.shape[2] < 3
    return pyvips.Image.new_from_array(array, interpretation="grey16" if gray else "rgb16")


def _to_array(image: pyvips.Image, deep: bool) -> PixelArray:
    array = image.numpy()
    kind = np.uint16 if deep else np.uint8
    return array if array.dtype == kind else array.astype(kind)


def _encode(photograph: Photograph, format_name: str, quality: int, path: Path) -> None:
    pixels, alpha = photograph.pixels, photograph.alpha
    if format_name not in DEEP_FORMATS and pixels.dtype == np.uint16:
        pixels, alpha = _to_8_bits(pixels), None if alpha is None else _to_8_bits(alpha)
    deep = pixels.dtype == np.uint16
    if format_name == "bmp":
        from PIL import Image

        Image.fromarray(pixels).save(path, "BMP")
        return
    if alpha is not None and format_name in ALPHA_FORMATS:
        channels = pixels if pixels.ndim == 3 else pixels[..., None]
        pixels = np.concatenate([channels, alpha[..., None]], axis=2)
    color = pixels.ndim == 3 and pixels.shape[2] >= 3
    interpretation = ("rgb16" if deep else "srgb") if color else ("grey16" if deep else "b-w")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels), interpretation=interpretation)
    image = image.copy(xres=photograph.resolution[0], yres=photograph.resolution[1])
    for key, (kind, value) in photograph.metadata.items():
        image.set_type(kind, key, value)
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)  # reading has turned it upright
    options: dict[str, Any] = {"profile": "srgb"} if color else {}
    if format_name == "jpeg":
        options |= {"Q": quality, "subsample_mode": "off", "optimize_coding": True}
    elif format_name == "webp":
        options |= {"Q": quality, "smart_subsample": True}
    elif format_name == "avif":
        options |= {"Q": quality, "compression": "av1", "subsample_mode": "off"}
    elif format_name == "tiff":
        options |= {"compression": "deflate", "predictor": "horizontal"}
    image.write_to_file(os.fsencode(path), **options)  # a name need not be UTF-8


def _to_8_bits(values: PixelArray) -> NDArray[np.uint8]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _is_kept(key: str) -> bool:
    return key.startswith(KEPT_METADATA) and key not in STALE_METADATA


def _diagnosis(data: bytes, error: pyvips.Error) -> str:
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "is a web page, not a photograph: download the picture itself"
    if "not in a known format" in str(error):
        return "is not a photograph in a format this program reads (JPEG, PNG, WebP, TIFF, BMP, AVIF)"
    return f"is damaged or incomplete ({_first_line(error)})"


def _reason(error: OSError | pyvips.Error, folder: Path) -> str:
    """Why writing failed."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    if shutil.disk_usage(folder).free < FULL_DISK:
        return "no space left on device"  # libvips only says that there was an error
    return _first_line(error)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0] if lines else "unknown reason"
