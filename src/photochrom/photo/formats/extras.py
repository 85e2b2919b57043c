"""Libraries of the optional extras `formats` and `heic`, imported when a file needs them."""

from __future__ import annotations

import warnings
from types import ModuleType

from photochrom.photo.formats.faults import needs_extra


def imagecodecs(kind: str) -> ModuleType:
    """imagecodecs. Raises Unsupported, for a picture of this kind, if it isn't installed."""
    try:
        import imagecodecs as module
    except ImportError as error:
        raise needs_extra(kind) from error
    return module


def rawpy(kind: str) -> ModuleType:
    """rawpy, for cameras' raw files. Raises Unsupported, for a picture of this kind, if it isn't installed."""
    try:
        import rawpy as module
    except ImportError as error:
        raise needs_extra(kind) from error
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rawpy(\.|$)")  # what it says, we say better
    return module


def jpeg_xl_plugin() -> ModuleType:
    """pillow-jxl-plugin, which tells a JPEG XL's size and color profile. Raises Unsupported if it isn't installed."""
    try:
        from pillow_jxl import JpegXLImagePlugin as module
    except ImportError as error:
        raise needs_extra("JPEG XL") from error
    return module


def pillow_heif() -> ModuleType:
    """pillow-heif. Raises Unsupported if it isn't installed."""
    try:
        import pillow_heif as module
    except ImportError as error:
        raise needs_extra("HEIC", "heic") from error
    return module
