"""Names, formats, ranges and defaults: every number and name that a user may choose, written down once.

Only the standard library is imported here, so that the command line can read it without waiting for anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Format:
    """A file format that photographs are written in.

    suffixes: of its files, the usual one first. deep: it holds 16 bits per channel. alpha: it holds transparency.
    """

    suffixes: tuple[str, ...]
    deep: bool = False
    alpha: bool = False


FORMATS = {
    "jpeg": Format((".jpg", ".jpeg", ".jpe", ".jfif")),
    "png": Format((".png",), deep=True, alpha=True),
    "webp": Format((".webp",), alpha=True),
    "tiff": Format((".tif", ".tiff"), deep=True, alpha=True),
    "bmp": Format((".bmp",)),
    "avif": Format((".avif",), alpha=True),
}
READABLE_SUFFIXES = frozenset(s for f in FORMATS.values() for s in f.suffixes) | {".heic", ".heif", ".gif"}


@dataclass(frozen=True)
class Range:
    """The values that a setting may have: from low to high, both included; high None for no bound."""

    low: float
    high: float | None
    default: float

    def __contains__(self, value: float) -> bool:
        return value >= self.low and (self.high is None or value <= self.high)


# How a photograph is colored
STRENGTH = Range(0, 10, 1.0)  # multiplies the chroma
VARIANTS = Range(1, 99, 1)  # colorings of one photograph
WORKING_SIZE = Range(32, 1024, 256)  # pixels: the short side of the picture that the network sees
DEFAULT_MODEL = "default"

# How it is written
QUALITY = Range(1, 100, 95)  # of lossy formats
COLOR_SUFFIX = "-color"  # of the file name, where an output stands beside its input

# What is taken
MAX_PIXELS = 250_000_000  # larger declared sizes are taken for an attack or a mistake, unless told otherwise
MEGAPIXEL_MEMORY = 14  # MB of memory for each million pixels that are colored
JOBS = Range(1, 64, 1)  # photographs in work at a time


@dataclass(frozen=True)
class Limits:
    """Everything that bounds a server's memory and time; each is an option of `photochrom serve`.

    A photograph in work takes up to MEGAPIXEL_MEMORY, so memory is about workers x pixels x 14 bytes, plus the
    model. What waits is on disk.
    """

    body: int = 100_000_000  # bytes of a request
    pixels: int = 100_000_000  # of a photograph
    queue: int = 64  # requests waiting or in work; more are refused
    workers: int = 2  # photographs in work at a time: each is in memory, decoded
    seconds: float = 120.0  # a request may upload, wait and work
    variants: int = 8  # colorings of one request
    jobs: int = 64  # waiting or finished jobs that are kept
    keep: float = 3600.0  # seconds a finished job or an untouched page is kept


PORT = 7878  # of the server

# What an archive does with files that crash or hang
TRIES = 3
TRY_SECONDS = 300.0


def format_of(path: Path) -> str | None:
    """The format that a file's name stands for, if it can be written."""
    return next((name for name, f in FORMATS.items() if path.suffix.lower() in f.suffixes), None)


def written_suffixes() -> list[str]:
    """The usual suffix of every format."""
    return [f.suffixes[0] for f in FORMATS.values()]


NOT_ALBUMS = {"__MACOSX", "@eaDir"}  # folders that systems put beside photographs, with thumbnails and leftovers


def is_photograph(name: str) -> bool:
    """Whether a file of a folder or archive is one of its photographs, by its name below it.

    The one rule for albums, archives and training: a readable suffix, and nothing hidden on the way (`._x.jpg` and
    `.thumbnails/` are other programs' files).
    """
    path = PurePosixPath(name.replace("\\", "/"))
    own = all(not part.startswith(".") and part not in NOT_ALBUMS for part in path.parts)
    return own and path.suffix.lower() in READABLE_SUFFIXES
