"""What metadata says that stops being true when a photograph is turned upright, converted to sRGB and colored."""

from __future__ import annotations

from dataclasses import replace

from photochrom.photo.metadata import exif, iptc, xmp
from photochrom.photo.metadata.marking import NAMES
from photochrom.photo.metadata.record import Metadata
from photochrom.photo.metadata.regions import turn_regions
from photochrom.photo.metadata.xmp import Node

UNREADABLE_EXIF = "EXIF that can't be read"
UNREADABLE_XMP = "XMP that can't be read"
GOOGLE = "http://ns.google.com/photos/"
# Namespaces that only speak of other pictures and films in the file, and what to call those.
PAYLOADS = {
    GOOGLE + "1.0/container/": "what else was in the file (a gain map or a short film)",
    GOOGLE + "1.0/depthmap/": "the depth map",
    GOOGLE + "1.0/image/": "the picture before its background was blurred",
    GOOGLE + "1.0/focus/": "the depth map",
    GOOGLE + "1.0/audio/": "the sound",
    GOOGLE + "dd/1.0/device/": "the depth map",
    "http://ns.adobe.com/hdr-gain-map/1.0/": "the gain map",
    "http://ns.apple.com/HDRGainMap/1.0/": "the gain map",
    "http://ns.apple.com/pixeldatainfo/1.0/": "the gain map",
    "http://ns.apple.com/depthdata/1.0/": "the depth map",
}
CAMERA = GOOGLE + "1.0/camera/"
FILM = ("MotionPhoto", "MicroVideo")  # beginnings of names in CAMERA
# Properties by prefix: of the stored pixels, of the gray picture, of the packet itself.
STALE = {
    "tiff": {"Orientation", "PhotometricInterpretation", "SamplesPerPixel", "BitsPerSample", "Compression"},
    "exif": {"ColorSpace", "PixelXDimension", "PixelYDimension"},
    "photoshop": {"ColorMode", "ICCProfile"},
    "xmp": {"Thumbnails"},
    "xmpNote": {"HasExtendedXMP"},
    "crs": {"ConvertToGrayscale", "Treatment"},
    "dc": {"format"},
}
STALE["photochrom"] = set(NAMES) - {"SourceType"}  # how the source was made, if it was colored before
STALE["tiff"] |= {"ImageWidth", "ImageLength", "YCbCrSubSampling", "YCbCrPositioning"}


def made_true(metadata: Metadata, orientation: int) -> Metadata:
    """The metadata of the photograph turned upright by `orientation` (EXIF's 1..8), in sRGB and in color.

    What had to go and may be missed is named in `left_out`.
    """
    left_out = list(metadata.left_out)
    turned = orientation >= 5
    block, thumbnail = metadata.exif, False
    if block and exif.is_readable(block):
        block, thumbnail = exif.made_true(block, orientation)
    if block and not exif.is_readable(block):  # also if its parts overlapped, so that changing one damaged another
        block, thumbnail = b"", False
        left_out.append(UNREADABLE_EXIF)
    packet = metadata.xmp
    if packet.strip(b"\0 \r\n\t"):
        document = xmp.parse(packet)
        if document is None:
            packet = b""
            left_out.append(UNREADABLE_XMP)
        else:
            changed, gone = make_xmp_true(document, orientation)
            left_out += gone
            packet = xmp.pack(document) if changed else packet
    resolution = metadata.resolution or exif.resolution_of(metadata.exif)
    return replace(
        metadata,
        exif=block,
        iptc=iptc.made_true(metadata.iptc, turned),
        xmp=packet,
        photoshop=iptc.turned_resources(metadata.photoshop) if turned else metadata.photoshop,
        resolution=resolution.turned() if resolution and turned else resolution,
        thumbnail=thumbnail,
        left_out=tuple(dict.fromkeys(left_out)),
    )


def make_xmp_true(document: Node, orientation: int) -> tuple[bool, list[str]]:
    """Change a document; whether it was changed, and what had to go and may be missed."""
    stale = {(xmp.NAMESPACES[prefix], name) for prefix, names in STALE.items() for name in names}
    gone: list[str] = []
    changed = False
    for _, node in list(xmp.properties(document)):
        namespace, name = node.namespaceURI, node.localName
        is_film = namespace == CAMERA and name.startswith(FILM)
        if (namespace, name) in stale or namespace in PAYLOADS or is_film:
            xmp.remove(node)
            changed = True
            payload = "the short film of a motion photo" if is_film else PAYLOADS.get(namespace)
            gone += [payload] if payload else []
    if orientation != 1:
        turned, dropped = turn_regions(document, orientation)
        changed = changed or turned
        gone += dropped
    if any("short film of" in each for each in gone):  # the container's list says the same
        gone = [each for each in gone if each != PAYLOADS[GOOGLE + "1.0/container/"]]
    return changed, list(dict.fromkeys(gone))
