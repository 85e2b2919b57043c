"""A picture of a file that is about to be decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from photochrom.photo.formats.faults import Damaged
from photochrom.photo.vips import pyvips

CheckSize = Callable[[int, int], None]  # is told width and height before pixels are decoded; raises InputError


def _cannot() -> pyvips.Image:
    raise Damaged("a part of it can't be decoded")


@dataclass(frozen=True)
class Picture:
    """How a file's picture is decoded.

    load: opens it; its pixels may be decoded later, when they are needed, and raise pyvips.Error then. again: what
    is tried if that fails, while no other thread works with libvips; it raises Damaged with the true reason, or returns
    a picture that can be trusted. verify: is run beside the decoding and raises Damaged. format: the output's, a name
    from settings.FORMATS. notes: what of the file isn't taken along, each in words. plain: libvips' general loader
    would read the same.
    """

    load: Callable[[], pyvips.Image]
    format: str
    again: Callable[[], pyvips.Image] = _cannot
    verify: Callable[[], None] | None = None
    notes: tuple[str, ...] = ()
    plain: bool = True
