"""photochrom colorizes black-and-white photographs.

import photochrom
photochrom.colorize("old.jpg").save("new.jpg")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# The libraries underneath report to their makers unless told not to before they are imported: ONNX Runtime since
# 1.29 (events and a device identifier, to Microsoft), Ray (usage statistics). Photographs' business is nobody's.
os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0"}
# What is wrong with a file we say ourselves; libvips' warnings would go to standard error beside it.
os.environ.setdefault("VIPS_WARNING", "0")

__version__ = "0.1.0"
__all__ = ["Colorizer", "Hint", "PhotochromError", "Photograph", "__version__", "colorize", "read_photograph"]

if TYPE_CHECKING:
    from photochrom.album import colorize
    from photochrom.errors import PhotochromError
    from photochrom.inference.colorizer import Colorizer
    from photochrom.photo.files import Photograph, read_photograph
    from photochrom.photo.hints import Hint

_HOMES = {
    "Colorizer": "photochrom.inference.colorizer",
    "Hint": "photochrom.photo.hints",
    "Photograph": "photochrom.photo.files",
    "PhotochromError": "photochrom.errors",
    "colorize": "photochrom.album",
    "read_photograph": "photochrom.photo.files",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that `photochrom --help` answers at once."""
    if name not in _HOMES:
        raise AttributeError(f"module 'photochrom' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
