"""Names, formats, ranges and defaults of everything that a user may choose, each written once; the cores that are ours.

Nothing but the standard library and our errors is imported here, so that the command line can read it at once.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from numbers import Integral, Rational, Real
from pathlib import PurePath
from typing import Any

from photochrom.errors import InputError, brief


def usable_cores() -> int:
    """How many cores this process may use: containers, job schedulers and `taskset` may leave it only some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limited_cores() -> int:
    """The same, but 0 where they are all of the machine's: ONNX Runtime heeds no limit, and knows best without one."""
    return 0 if usable_cores() == os.cpu_count() else usable_cores()


@dataclass(frozen=True)
class Format:
    """A file format that photographs are written in.

    label: its name for people. suffixes: of its files, the usual one first. deep: it can hold 16 bits per channel.
    alpha: it can hold transparency. lossy: it has a quality. max_side: pixels, the largest width and height.
    """

    label: str
    suffixes: tuple[str, ...]
    deep: bool = False
    alpha: bool = False
    lossy: bool = False
    max_side: int = 65535


# What else a new format needs is in CONTRIBUTING.md.
FORMATS = {
    "jpeg": Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), lossy=True, max_side=65500),
    "png": Format("PNG", (".png",), deep=True, alpha=True),
    "webp": Format("WebP", (".webp",), alpha=True, lossy=True, max_side=16383),
    "tiff": Format("TIFF", (".tif", ".tiff"), deep=True, alpha=True),
    "bmp": Format("BMP", (".bmp",)),
    "avif": Format("AVIF", (".avif",), alpha=True, lossy=True),
    "heic": Format("HEIC", (".heic", ".heif", ".hif"), alpha=True, lossy=True),
}
FORMAT_LABELS = ", ".join(f.label for f in FORMATS.values())
LOSSY_LABELS = ", ".join(f.label for f in FORMATS.values() if f.lossy)
# Other files that are read. Cameras' raw files, JPEG XL and JPEG XR need an extra.
READ_ONLY_SUFFIXES = {
    ".gif", ".pbm", ".pgm", ".pnm", ".ppm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jxl", ".jxr", ".wdp",
    ".dng", ".arw", ".cr2", ".cr3", ".crw", ".erf", ".mrw", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw", ".x3f",
}  # fmt: skip
READABLE_SUFFIXES = frozenset(s for f in FORMATS.values() for s in f.suffixes) | READ_ONLY_SUFFIXES


@dataclass(frozen=True)
class Range:
    """The values that a setting may have: from low to high, both included. whole: whole numbers only."""

    low: float
    high: float
    default: float
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def check(self, value: float, name: str) -> None:
        """Raises InputError, with the setting's name, for what is no number and for a value out of range."""
        if not is_number(value, whole=self.whole):
            kind = "a whole number" if self.whole else "a number"
            raise InputError(f"the {name} is {kind} from {self.low:g} to {self.high:g}, not {brief(value)}")
        if value not in self:
            raise InputError(f"the {name} is {self.low:g} to {self.high:g}, not {float(value):g}")


def is_number(value: Any, *, whole: bool = False) -> bool:
    """Whether a value is a number, of Python or NumPy, that a float can hold; True and False are none."""
    if type(value) is float:  # the most frequent, of thousands of points
        return not whole
    is_kind = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    is_exact = isinstance(value, Rational)  # and so of any size
    return is_kind and (not is_exact or -sys.float_info.max <= value <= sys.float_info.max)


def plain(number: Any) -> Any:
    """A number of any type as an int or a float, because JSON knows no others; anything else as it is."""
    if type(number) is float or not is_number(number):
        return number
    return int(number) if isinstance(number, Integral) else float(number)


# How a photograph is colored
STRENGTH = Range(0, 10, 1.0)  # multiplies the chroma
WARMTH = Range(-1, 1, 0.0)  # white balance of the colors: from blue to yellow
MAX_SEED = 2**53 - 1  # JSON's numbers are exact up to here
VARIANTS = Range(1, 99, 1, whole=True)  # colorings of one photograph
WORKING_SIZE = Range(32, 1024, 256, whole=True)  # pixels: the short side of the picture that the network sees
DEFAULT_MODEL = "default"
AUTO, CPU = "auto", "cpu"
DEVICES = (AUTO, CPU, "cuda", "tensorrt", "rocm", "migraphx", "directml", "openvino", "coreml")  # where it runs

# How it is written
QUALITY = Range(1, 100, 95, whole=True)  # of lossy formats
COLOR_SUFFIX = "-color"  # of the file name, where an output stands beside its input
COMPARED_SUFFIX = "-before-after"  # the same, of an output that shows both

# What is accepted
MAX_PIXELS = 250_000_000  # a photograph that declares more is probably an attack or a mistake
MEGAPIXEL_DISK = 20  # MB in temporary files for each million pixels that are colored, if they are many; at most
MAX_HINTS = 1000  # of a photograph; each takes milliseconds
JOBS = Range(1, 64, 1, whole=True)  # photographs that are colored at the same time


@dataclass(frozen=True)
class Limits:
    """The limits of a server's memory and time; each is an option of `photochrom serve`.

    Photographs that wait are on disk, and so are the pixels of large ones in work (photo/spool.py).
    """

    body: int = 100_000_000  # bytes per request
    pixels: int = 100_000_000  # per photograph
    queue: int = 64  # requests waiting or in work; more are refused
    workers: int = 2  # photographs that are colored, and so in memory, at the same time
    seconds: float = 120.0  # per request, for upload, waiting and work
    variants: int = 8  # colorings per request
    jobs: int = 64  # that wait, work or are finished
    keep: float = 3600.0  # seconds a finished job is kept


# How colorizers are compared
PROTOCOL_NAMES = ("default", "val5k", "val50k")  # photographs of evaluation/protocols.py

PORT = 7878  # of the server

# How often an archive tries a file that crashes or hangs, and how long each time
TRIES = 3
TRY_SECONDS = 300.0


def format_of(path: PurePath) -> str | None:
    """The format of a path's suffix, or None if photochrom can't write it."""
    return next((name for name, f in FORMATS.items() if path.suffix.lower() in f.suffixes), None)


def written_suffixes() -> list[str]:
    """The usual suffix of every format."""
    return [f.suffixes[0] for f in FORMATS.values()]


# Folders that systems and other programs put beside photographs, with thumbnails, deleted pictures and data; in lower
# case. Hidden ones (.thumbnails, .dtrash, .@__thumb and so on) need no name here.
FOREIGN_FOLDERS = frozenset(
    {"__macosx", "lost+found", "_photochrom"}
    | {"@eadir", "#recycle", "#snapshot", "@tmp", "@synoeastream"}  # Synology
    | {"@recycle", "@recycly", "@recently-snapshot", "@__thumb"}  # QNAP
    | {"$recycle.bin", "recycler", "system volume information"}  # Windows
)
FOREIGN_SUFFIXES = (".lrdata", "@synoeastream", "@synoresource")  # previews of Lightroom, data of Synology


def is_foreign(part: str) -> bool:
    """Whether a file or folder of this name is hidden, or belongs to a system or another program."""
    name = part.lower()
    return name.startswith(".") or name in FOREIGN_FOLDERS or name.endswith(FOREIGN_SUFFIXES)
