"""What metadata says about places in a picture, when the picture is cropped or becomes a part of a larger one."""

from __future__ import annotations

from dataclasses import replace

from photochrom.photo.metadata import exif, xmp
from photochrom.photo.metadata.record import Metadata
from photochrom.photo.metadata.regions import drop_regions

REGIONS = "marked regions, whose places are no longer true"
GUIDES = "paths, guides and slices of Photoshop, whose places are no longer true"
PLACES = {1032, 1050, 2999, *range(2000, 2999)}  # of Photoshop's resources: guides, slices, clipping path, paths


def resized(metadata: Metadata, width: int, height: int, left: int = 0, top: int = 0) -> Metadata:
    """The metadata of a picture of another size, whose pixel (left, top) was is now at (0, 0).

    Sizes and the camera's subject are corrected. What marks other places is dropped, and named in `left_out`.
    """
    block = metadata.exif
    if block and exif.is_readable(block):
        block = exif.resized(block, width, height, left, top)
    packet, gone = metadata.xmp, []
    document = xmp.parse(packet) if packet.strip(b"\0 \r\n\t") else None
    if document is not None and drop_regions(document):
        packet = xmp.pack(document)
        gone.append(REGIONS)
    resources = tuple(each for each in metadata.photoshop if each.number not in PLACES)
    if len(resources) < len(metadata.photoshop):
        gone.append(GUIDES)
    left_out = tuple(dict.fromkeys((*metadata.left_out, *gone)))
    return replace(metadata, exif=block, xmp=packet, photoshop=resources, left_out=left_out)
