"""Sidecars: XMP files beside photographs, made true for their color versions."""

from __future__ import annotations

from collections.abc import Callable

from photochrom.photo.metadata import xmp
from photochrom.photo.metadata.reading import read_metadata, turned_by
from photochrom.photo.metadata.regions import drop_regions, has_regions
from photochrom.photo.metadata.stale import make_xmp_true


def true_sidecar(content: bytes, read_photograph: Callable[[], bytes], *, resized: bool = False) -> bytes:
    """What stays true of a sidecar's content beside the color version; content that isn't XMP stays as it is.

    read_photograph: gives the content of the photograph's file. It is only called for regions, which are turned with
    the pixels. resized: the color version has another size than the upright photograph, so regions are dropped.
    """
    document = xmp.parse(content) if content.strip(b"\0 \r\n\t") else None
    if document is None:
        return content
    orientation, dropped = 1, resized and drop_regions(document)
    if has_regions(document):
        photograph = read_photograph()
        orientation = turned_by(photograph, read_metadata(photograph))
    changed, _ = make_xmp_true(document, orientation)
    return xmp.pack(document) if changed or dropped else content
