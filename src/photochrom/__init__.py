"""photochrom colorizes black-and-white photographs.

import photochrom
photochrom.colorize("old.jpg").save("new.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Colorizer",
    "DeviceError",
    "EncodingError",
    "Hint",
    "InputError",
    "MissingExtra",
    "OutputError",
    "PhotochromError",
    "Photograph",
    "TooLargeError",
    "TrainingError",
    "UnsupportedError",
    "WeightsError",
    "__version__",
    "colorize",
    "read_photograph",
]

if TYPE_CHECKING:
    from photochrom.album import colorize
    from photochrom.errors import (
        DeviceError,
        EncodingError,
        InputError,
        MissingExtra,
        OutputError,
        PhotochromError,
        TooLargeError,
        TrainingError,
        UnsupportedError,
        WeightsError,
    )
    from photochrom.inference.colorizer import Colorizer
    from photochrom.photo.decoding import read_photograph
    from photochrom.photo.hints import Hint
    from photochrom.photo.photograph import Photograph

_HOMES = {
    "Colorizer": "photochrom.inference.colorizer",
    "Hint": "photochrom.photo.hints",
    "Photograph": "photochrom.photo.photograph",
    "colorize": "photochrom.album",
    "read_photograph": "photochrom.photo.decoding",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used, so that `photochrom --help` answers at once."""
    if name not in __all__:
        raise AttributeError(f"module 'photochrom' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "photochrom.errors")), name)


def __dir__() -> list[str]:
    """The public names alone, whatever else was imported."""
    return sorted(__all__)
