"""Metadata of every kind, and a small photograph to put them into."""

import io
import struct

import numpy as np
from PIL import Image

from photochrom.photo.decoding import decode_photograph
from photochrom.photo.metadata import exif, ifd, xmp
from photochrom.photo.metadata.reading import read_metadata
from photochrom.photo.metadata.record import Metadata
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS

Y, X = np.mgrid[:96, :128]
GRAY = (128 + 60 * np.sin(X / 25) + 40 * np.cos(Y / 18)).astype(np.uint8)
WITH_METADATA = [name for name in FORMATS if name != "bmp"]


def field(record: int, number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


IPTC = field(1, 90, b"\x1b%G") + field(2, 0, b"\0\4") + field(2, 120, "Großmutter im Garten, 1931".encode())
IPTC += field(2, 80, "Foto Müller".encode()) + field(2, 25, b"garden") + field(2, 25, b"family")


def packet(properties: str) -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in xmp.NAMESPACES.items())
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{xmp.RDF}">'
        f'<rdf:Description rdf:about="" {spaces} {properties}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


TITLE = packet(
    'xmp:Label="two&#xA;lines"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">Haus</rdf:li></rdf:Alt></dc:title>'
)


def through(metadata: Metadata, first: str, second: str | None = None) -> Metadata:
    """What is left of metadata in a file of one format, or of one format that was made from another."""
    photograph = decode_photograph(Photograph(GRAY, metadata=metadata).encode(first))
    return photograph.metadata if second is None else read_metadata(photograph.encode(second))


def saved(format: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GRAY).save(buffer, format, **options)
    return buffer.getvalue()


def block_with_maker_note(orientation: int = 1, order: str = "<") -> bytes:
    """An EXIF block with tags that few libraries know, a maker's note, and a thumbnail at its end."""
    entries = [
        ifd.short(0x0112, orientation, order),
        ifd.Entry(0x013C, 2, 8, b"Old Mac\0"),  # HostComputer
        ifd.short(0x4746, 4, order),  # Rating
        ifd.Entry(0xC4A5, 7, 6, b"PrintI"),
    ]
    inner = {
        ifd.EXIF_IFD: [
            ifd.Entry(0x927C, 7, 40, b"Maker's note that points to places......"),
            ifd.short(0xA001, 0xFFFF, order),
            ifd.short(0xA002, 128, order),
            ifd.short(0xA003, 96, order),
        ],
        ifd.INTEROP_IFD: [ifd.Entry(1, 2, 4, b"R03\0")],
        ifd.GPS_IFD: [ifd.Entry(1, 2, 2, b"N\0")],
    }
    return exif.with_thumbnail(ifd.pack_block(entries, order, inner), saved("JPEG", quality=30))


def entries_of(block: bytes) -> tuple[dict[int, bytes], dict[int, dict[int, bytes]], str]:
    header = ifd.read_header(block)
    entries, _ = ifd.read_directory(block, header, header.first)
    inner = ifd.read_inner(block, header, entries)
    values = {tag: {entry.tag: entry.value for entry in each} for tag, each in inner.items()}
    return {entry.tag: entry.value for entry in entries}, values, header.order


REGIONS = """>
<mwg-rs:Regions xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" rdf:parseType="Resource">
<mwg-rs:AppliedToDimensions xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" stDim:w="128" stDim:h="96"/>
<mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Granny"><mwg-rs:Area
 xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" stArea:x="0.25" stArea:y="0.3" stArea:w="0.1" stArea:h="0.2"
 stArea:unit="normalized"/></rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
<MP:RegionInfo xmlns:MP="http://ns.microsoft.com/photo/1.2/" xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
 xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#" rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>
<rdf:li MPReg:Rectangle="0.2, 0.2, 0.1, 0.2"/></rdf:Bag></MPRI:Regions></MP:RegionInfo>
<acdsee-rs:Regions xmlns:acdsee-rs="http://ns.acdsee.com/regions/">x</acdsee-rs:Regions>"""
