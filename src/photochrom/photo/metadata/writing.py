"""Writing metadata into a finished file that has none."""

from __future__ import annotations

import struct
from collections.abc import Callable

from photochrom.photo.metadata import crosswalk, iptc, isobmff, jpeg, png, tiff, webp, xmp
from photochrom.photo.metadata.exif import with_resolution, with_thumbnail
from photochrom.photo.metadata.ifd import Buffer
from photochrom.photo.metadata.marking import put_mark, sealed
from photochrom.photo.metadata.record import Blocks, Metadata, Text, decoded
from photochrom.photo.spool import joined, sha256_of
from photochrom.settings import FORMATS

PARTS: dict[str, Callable[[memoryview, Blocks], list[Buffer]]] = {
    "jpeg": jpeg.parts,
    "png": png.parts,
    "webp": webp.parts,
    "tiff": tiff.parts,
    "avif": isobmff.parts,
    "heic": isobmff.parts,
}
HOLDS_MARK = tuple(PARTS)  # in XMP
WITHOUT_THUMBNAIL = ("tiff", "bmp")  # a second directory of a TIFF would be a second page
HOLDS_IPTC = ("jpeg", "png", "tiff")
# Elsewhere it stands in the EXIF; in a JPEG there, too, if it is no whole number.
HOLDS_RESOLUTION = ("jpeg", "png", "tiff", "bmp")


def embed(content: Buffer, metadata: Metadata, format: str, thumbnail: bytes = b"") -> bytes:
    """The content of a file with metadata.

    content: a file without metadata, as the encoder made it. thumbnail: a small JPEG for the EXIF. `left_out` says
    what the format can't hold.
    """
    view = memoryview(content).cast("B")
    if format == "bmp":
        return joined(_bmp_parts(view, metadata))
    blocks = to_blocks(metadata, format)
    if (
        thumbnail
        and blocks.exif
        and not (format == "jpeg" and len(blocks.exif) + len(thumbnail) + 64 > jpeg.LARGEST_EXIF)
    ):
        blocks = blocks._replace(exif=with_thumbnail(blocks.exif, thumbnail))
    write = PARTS[format]
    if metadata.mark is None:
        return joined(write(view, blocks))
    digest = sha256_of(*write(view, blocks))
    return joined(write(view, blocks._replace(xmp=sealed(blocks.xmp, digest))))


def to_blocks(metadata: Metadata, format: str) -> Blocks:
    """Metadata in the form that a container takes."""
    exif = metadata.exif
    rounded = format == "jpeg" and metadata.resolution and not metadata.resolution.is_whole
    if metadata.resolution and (format not in HOLDS_RESOLUTION or rounded):
        exif = with_resolution(exif, metadata.resolution)
    holds_iptc = format in HOLDS_IPTC
    packed = iptc.pack_resources(b"" if format == "tiff" else metadata.iptc, metadata.photoshop)
    comments, texts = metadata.comments, metadata.texts
    if format == "png" and comments:
        texts += tuple(Text("Comment", decoded(comment.rstrip(b"\0"))) for comment in comments)
    if format == "jpeg" and texts:
        comments += tuple(text.text.encode() for text in texts if text.keyword == "Comment")
        texts = tuple(text for text in texts if text.keyword != "Comment")
    said = () if format == "png" else texts
    if format not in ("png", "jpeg"):
        said += tuple(Text("Comment", decoded(comment.rstrip(b"\0"))) for comment in comments)
    return Blocks(
        exif,
        _packet(metadata, b"" if holds_iptc else metadata.iptc, said),
        metadata.iptc if format == "tiff" else b"",
        packed if holds_iptc else b"",
        comments if format == "jpeg" else (),
        texts if format == "png" else (),
        metadata.resolution,
    )


def _packet(metadata: Metadata, said_in_iptc: bytes, texts: tuple[Text, ...]) -> bytes:
    """The XMP, with what the container can't say otherwise, and the mark."""
    document = xmp.parse(metadata.xmp)
    if document is None or not (said_in_iptc or texts or metadata.mark):
        return metadata.xmp
    xmp.add(document, crosswalk.missing(document, said_in_iptc, texts))
    if metadata.mark is not None:
        put_mark(document, metadata.mark)
    return xmp.pack(document)


def left_out(metadata: Metadata, format: str) -> tuple[str, ...]:
    """What a file of a format doesn't have of the metadata, each in words."""
    label = FORMATS[format].label
    lost = []
    if format == "bmp":
        named = {
            "EXIF": metadata.exif,
            "IPTC": metadata.iptc,
            "XMP": metadata.xmp,
            "comments": metadata.comments,
            "texts": metadata.texts,
            "the mark that its colors were made by AI": metadata.mark,
        }
        lost = [f"{name}, which {label} can't hold" for name, value in named.items() if value]
    document = xmp.parse(metadata.xmp) or xmp.parse(b"")
    if format not in ("bmp", *HOLDS_IPTC) and not crosswalk.says_all(document, metadata.iptc):
        lost.append(f"some IPTC fields, which {label} can't hold and for which its XMP has no place")
    if format not in HOLDS_IPTC and any(each.number not in iptc.TRIVIAL for each in metadata.photoshop):
        lost.append(f"Photoshop's resources (paths, guides), which {label} can't hold")
    if format == "jpeg" and len(metadata.exif) > jpeg.LARGEST_EXIF:
        lost.append("EXIF of more than 64 KB, which JPEG can't hold")
    return (*metadata.left_out, *lost)


def _bmp_parts(view: memoryview, metadata: Metadata) -> list[Buffer]:
    """A BMP with a resolution; 0 stands for none."""
    x, y = metadata.resolution.per("cm") if metadata.resolution and metadata.resolution.unit else (0.0, 0.0)
    values = struct.pack("<ii", *(round(value * 100) if value < 2e7 else 0 for value in (x, y)))
    return [view[:38], values, view[46:]]
