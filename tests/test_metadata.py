"""Metadata: what goes in comes out of every format, and what is no longer true goes."""

import io
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from photochrom.photo.decoding import decode_photograph
from photochrom.photo.metadata import exif, ifd, iptc, isobmff, jpeg, png, webp, xmp
from photochrom.photo.metadata.mark import Mark
from photochrom.photo.metadata.marking import is_unchanged
from photochrom.photo.metadata.reading import read_metadata, read_true_metadata
from photochrom.photo.metadata.record import Metadata, Resolution, Resource, Text
from photochrom.photo.metadata.writing import embed, left_out
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


# EXIF


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


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("first", WITH_METADATA)
@pytest.mark.parametrize("second", WITH_METADATA)
def test_every_tag_of_exif_comes_out(first, second, order):
    block = through(Metadata(block_with_maker_note(order=order)), first, second).exif
    values, inner, order = entries_of(block)
    assert values[0x013C] == b"Old Mac\0" and values[0x4746] == struct.pack(order + "H", 4)
    assert values[0xC4A5] == b"PrintI"
    assert inner[ifd.EXIF_IFD][0x927C] == b"Maker's note that points to places......"
    assert inner[ifd.GPS_IFD][1] == b"N\0"


@pytest.mark.parametrize("second", [name for name in WITH_METADATA if name != "tiff"])
def test_makers_notes_stay_where_they_are(second):
    """They point to places in the block, so they can be read only there."""
    before = block_with_maker_note()
    after = through(Metadata(before), "jpeg", second).exif
    assert after.index(b"Maker's note") == before.index(b"Maker's note")


def test_exif_speaks_of_the_upright_srgb_picture():
    data = saved("JPEG", exif=b"Exif\0\0" + block_with_maker_note(orientation=6))
    values, inner, _ = entries_of(read_true_metadata(data).exif)
    assert values[0x0112] == struct.pack("<H", 1)
    assert inner[ifd.EXIF_IFD][0xA001] == struct.pack("<H", 1)  # sRGB
    assert inner[ifd.EXIF_IFD][0xA002] == struct.pack("<H", 96)  # the sides are exchanged
    assert inner[ifd.INTEROP_IFD][1] == b"R98\0"


@pytest.mark.parametrize("second", WITH_METADATA)
def test_the_thumbnail_is_of_the_color_version(second):
    old = saved("JPEG", quality=30)
    resources = iptc.pack_resources(IPTC, []) + b"8BIM\x04\x0c\0\0" + struct.pack(">I", 28 + len(old)) + bytes(28) + old
    data = saved("JPEG", exif=b"Exif\0\0" + block_with_maker_note(orientation=6))
    data = data[:2] + struct.pack(">HH", 0xFFED, len(resources) + 16) + b"Photoshop 3.0\0" + resources + data[2:]
    photograph = decode_photograph(data)
    red = np.zeros((128, 96, 3), np.uint8) + np.array([200, 20, 20], np.uint8)
    content = replace(photograph, pixels=red).encode(second)
    assert old[300:500] not in content
    metadata = read_metadata(content)
    assert all(resource.number != 0x040C for resource in metadata.photoshop)
    header = ifd.read_header(metadata.exif)
    _, following = ifd.read_directory(metadata.exif, header, header.first)
    if second == "tiff":
        assert following == 0  # a second directory would be a second page
        return
    entries, _ = ifd.read_directory(metadata.exif, header, following)
    at, length = (ifd.number(ifd.find(entries, tag), header.order) for tag in (0x0201, 0x0202))
    assert at and length
    thumbnail = Image.open(io.BytesIO(metadata.exif[at : at + length]))
    assert thumbnail.size == (96, 128)
    assert np.abs(np.asarray(thumbnail).mean(axis=(0, 1)) - [200, 20, 20]).max() < 6


def test_no_thumbnail_is_made_where_there_was_none():
    block = ifd.pack_block([ifd.short(0x4746, 4, "<")], "<")
    assert through(Metadata(block, thumbnail=False), "jpeg").exif == block


def test_a_directory_behind_the_thumbnail_stays_whole():
    """Its last bytes are zeros, as those are that the thumbnail leaves."""
    first = 8 + 2 + 12 + 4
    second, small = first + 2 + 2 * 12 + 4, b"\xff\xd8thumbnail\xff\xd9"
    last = second + len(small) + 1
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, ifd.EXIF_IFD, 4, 1, last, first)
    block += struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, second, 0x0202, 4, 1, len(small), 0) + small + b"\0"
    block += struct.pack("<HHHIII", 1, 0x8827, 3, 1, 100, 0)  # ISO 100
    upright, had_thumbnail = exif.made_true(block, 1)
    assert had_thumbnail and small not in upright
    assert upright[last:] == block[last:]


def test_width_and_height_of_two_types_are_exchanged():
    entries = [ifd.short(0x0100, 640, "<"), ifd.Entry(0x0101, ifd.LONG, 1, struct.pack("<I", 480))]
    upright, _ = exif.made_true(ifd.pack_block(entries, "<"), 6)
    found, _ = ifd.read_directory(upright, ifd.read_header(upright), 8)
    assert [ifd.number(entry, "<") for entry in found] == [480, 640]


def test_a_resolution_that_differs_in_height_alone_replaces_another():
    block = exif.with_resolution(b"", Resolution(300, 150, "inch"))
    assert exif.resolution_of(exif.with_resolution(block, Resolution(300, 300, "inch"))) == Resolution(300, 300, "inch")


def test_exif_that_is_too_large_for_a_jpeg_is_named():
    photograph = Photograph(GRAY, metadata=Metadata(ifd.pack_block([ifd.Entry(0xC4A5, 7, 70_000, b"x" * 70_000)], "<")))
    assert photograph.left_out("jpeg") == ("EXIF of more than 64 KB, which JPEG can't hold",)
    assert read_metadata(photograph.encode("jpeg")).exif == b"" and photograph.left_out("png") == ()
    assert len(read_metadata(photograph.encode("png")).exif) > 70_000


# IPTC and Photoshop's resources


@pytest.mark.parametrize("first", ["jpeg", "png", "tiff"])
@pytest.mark.parametrize("second", ["jpeg", "png", "tiff"])
def test_iptc_comes_out_whole(first, second):
    path = Resource(2000, b"way", b"a path")
    metadata = through(Metadata(iptc=IPTC, photoshop=(path,)), first, second)
    assert metadata.iptc == IPTC and metadata.photoshop == (path,)


@pytest.mark.parametrize("second", [name for name in ("webp", "avif", "heic") if name in FORMATS])
def test_iptc_becomes_xmp_where_it_has_no_place(second):
    strange = field(2, 255, b"ours")
    photograph = Photograph(GRAY, metadata=Metadata(iptc=IPTC, xmp=TITLE))
    document = xmp.parse(read_metadata(photograph.encode(second)).xmp)
    assert xmp.value_of(document, "dc", "description") == "Großmutter im Garten, 1931"
    assert xmp.value_of(document, "dc", "creator") == "Foto Müller"
    assert xmp.value_of(document, "dc", "subject") == "gardenfamily"
    assert xmp.value_of(document, "dc", "title") == "Haus"
    assert photograph.left_out(second) == ()
    (lost,) = Photograph(GRAY, metadata=Metadata(iptc=IPTC + strange)).left_out(second)
    assert lost.startswith("some IPTC fields")
    other_title = Photograph(GRAY, metadata=Metadata(iptc=field(2, 5, b"Hof"), xmp=TITLE))
    assert other_title.left_out(second)[0].startswith("some IPTC fields")


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("swapped", [False, True])
def test_iptc_of_tiffs_that_call_it_numbers(byteorder, swapped):
    """Many programs store IPTC as 32-bit numbers; some swap its bytes, as the file's byte order wants it."""
    padded = IPTC + bytes(-len(IPTC) % 4)
    numbers = np.frombuffer(padded, ("<" if byteorder == ">" else ">") + "u4" if swapped else byteorder + "u4")
    buffer = io.BytesIO()
    extra = [(33723, 4, len(numbers), tuple(int(n) for n in numbers), True)]
    tifffile.imwrite(buffer, GRAY, photometric="minisblack", extratags=extra, byteorder=byteorder)
    photograph = decode_photograph(buffer.getvalue())
    assert photograph.metadata.iptc == IPTC
    assert read_metadata(photograph.encode("tiff")).iptc == IPTC


def test_previews_of_the_gray_picture_go_from_iptc():
    preview = field(2, 200, b"\0\1") + field(2, 202, b"JPEG of a gray picture")
    assert iptc.made_true(IPTC + preview + field(2, 131, b"L"), turned=True) == IPTC
    long = struct.pack(">BBBHI", 0x1C, 2, 120, 0x8004, 40_000) + b"x" * 40_000
    assert iptc.made_true(long, turned=False) == long


# XMP


@pytest.mark.parametrize("first", WITH_METADATA)
@pytest.mark.parametrize("second", WITH_METADATA)
def test_xmp_comes_out(first, second):
    document = xmp.parse(through(Metadata(xmp=TITLE), first, second).xmp)
    assert xmp.value_of(document, "dc", "title") == "Haus" and xmp.value_of(document, "xmp", "Label") == "two\nlines"


def test_xmp_that_is_too_deep_is_left_out_and_named():
    deep = packet("><tiff:Orientation>6</tiff:Orientation>" + "<dc:x>" * 5000 + "</dc:x>" * 5000)
    metadata = decode_photograph(Photograph(GRAY, metadata=Metadata(xmp=deep)).encode("png")).metadata
    assert metadata.xmp == b"" and metadata.left_out == ("XMP that can't be read",)


def test_xmp_whose_default_namespace_is_rdf_can_be_added_to():
    packet = f'<RDF xmlns="{xmp.RDF}"><Description><a xmlns="urn:a">Haus</a></Description></RDF>'.encode()
    mark = Mark("0", "m", "0", 256, 1.0, None, (), (128, 96), "1")
    read = read_metadata(Photograph(GRAY, metadata=Metadata(xmp=packet, mark=mark)).encode("png")).xmp
    document = xmp.parse(read)
    assert b">Haus<" in read and xmp.value_of(document, "photochrom", "SourceSHA256") == "1"
    assert "colorized" in xmp.value_of(document, "xmpMM", "History")


def test_large_xmp_of_a_jpeg_stands_in_segments_and_is_read_back():
    texts = "".join(f"<rdf:li>{n} {'x' * 100}</rdf:li>" for n in range(2000))
    large = packet(f'xmp:Label="a"><dc:subject><rdf:Bag>{texts}</rdf:Bag></dc:subject>')
    content = Photograph(GRAY, metadata=Metadata(xmp=large)).encode("jpeg")
    assert content.count(jpeg.EXTENSION) == 4
    document = xmp.parse(read_metadata(content).xmp)
    assert xmp.value_of(document, "dc", "subject").startswith("0 xxx")
    assert xmp.value_of(document, "dc", "subject").endswith("1999 " + "x" * 100)
    assert xmp.find(document, "xmpNote", "HasExtendedXMP") is None


STALE = (
    'tiff:Orientation="6" crs:ConvertToGrayscale="True" photoshop:ColorMode="1" exif:ColorSpace="65535" '
    'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" GCamera:BurstID="7" '
    'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" '
    'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" GDepth:Format="x">'
    '<Container:Directory xmlns:Container="http://ns.google.com/photos/1.0/container/"><rdf:Seq/></Container:Directory>'
    "<dc:title>Haus</dc:title>"
)


def test_xmp_that_is_no_longer_true_goes_and_payloads_are_named():
    metadata = read_true_metadata(Photograph(GRAY, metadata=Metadata(xmp=packet(STALE))).encode("jpeg"))
    for gone in (b"Orientation", b"Grayscale", b"ColorMode", b"ColorSpace", b"MotionPhoto", b"hdrgm:V", b"Directory"):
        assert gone not in metadata.xmp, gone
    assert b"BurstID" in metadata.xmp and b"Haus" in metadata.xmp
    assert set(metadata.left_out) == {"the gain map", "the depth map", "the short film of a motion photo"}


def test_further_pictures_and_signatures_of_a_jpeg_are_named():
    data = saved("JPEG")
    for marker, content in ((0xE2, b"MPF\0" + bytes(20)), (0xEB, b"JP\0\1" + bytes(12) + b"jumdc2pa")):
        data = data[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + data[2:]
    credentials, pictures = read_metadata(data).left_out
    assert credentials.startswith("content credentials") and pictures.startswith("further pictures")


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


@pytest.mark.parametrize(
    "orientation, area, rectangle",
    [
        (1, ("0.25", "0.3", "0.1", "0.2"), "0.2, 0.2, 0.1, 0.2"),
        (2, ("0.75", "0.3", "0.1", "0.2"), "0.7, 0.2, 0.1, 0.2"),
        (3, ("0.75", "0.7", "0.1", "0.2"), "0.7, 0.6, 0.1, 0.2"),
        (6, ("0.7", "0.25", "0.2", "0.1"), "0.6, 0.2, 0.2, 0.1"),
        (8, ("0.3", "0.75", "0.2", "0.1"), "0.2, 0.7, 0.2, 0.1"),
    ],
)
def test_faces_are_turned_with_the_picture(orientation, area, rectangle):
    """Worked out by hand; the third form of regions is one that we can't turn."""
    tag = ifd.pack_block([ifd.short(0x0112, orientation, "<")], "<")
    data = saved("JPEG", exif=b"Exif\0\0" + tag, xmp=packet(REGIONS))
    metadata = read_true_metadata(data)
    for name, value in zip("xywh", area, strict=True):
        assert f'stArea:{name}="{value}"'.encode() in metadata.xmp
    assert f'Rectangle="{rectangle}"'.encode() in metadata.xmp
    sides = ("96", "128") if orientation >= 5 else ("128", "96")
    assert 'stDim:w="{}" stDim:h="{}"'.format(*sides).encode() in metadata.xmp
    assert (b"acdsee" in metadata.xmp) == (orientation == 1)
    assert len(metadata.left_out) == (0 if orientation == 1 else 1)


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'


@pytest.mark.parametrize("bad", [BOMB, b"<x:xmpmeta", b"<a/>", b"<a>" * 50_000, "Größe".encode("utf-16")])
def test_xmp_that_cannot_be_read_is_left_out_and_named(bad):
    metadata = read_true_metadata(Photograph(GRAY, metadata=Metadata(xmp=bad)).encode("tiff"))
    assert metadata.xmp == b"" and metadata.left_out == ("XMP that can't be read",)


def test_xmp_takes_any_text():
    document = xmp.parse(b"")
    xmp.add(document, [xmp.Property("dc", "source", "a<b>&\0\ud800\"'\u200b")])
    assert xmp.value_of(xmp.parse(xmp.pack(document)), "dc", "source") == "a<b>&\ufffd\ufffd\"'\u200b"


# Comments and texts


@pytest.mark.parametrize("comment", [b"Ein Kommentar", "Größe".encode(), "Größe".encode("latin-1"), b"x" * 70_000, b""])
def test_comments_of_a_jpeg(comment):
    metadata = Metadata(comments=(comment, b"another"))
    again = through(metadata, "jpeg", "jpeg").comments
    assert b"".join(again) == comment + b"another" and len(again) >= 2
    texts = through(metadata, "jpeg", "png").texts
    expected = "Größe" if b"Gr" in comment else comment.decode()
    assert "".join(text.text for text in texts if text.keyword == "Comment").startswith(expected)


@pytest.mark.parametrize("second", [name for name in WITH_METADATA if name not in ("jpeg", "png")])
def test_comments_and_texts_become_xmp_where_they_have_no_place(second):
    texts = (Text("Author", "Müller"), Text("My own key", "1 & 2"), Text("Title", "Hof"), Text("Comment", "old"))
    document = xmp.parse(through(Metadata(xmp=TITLE, texts=texts), "png", second).xmp)
    assert xmp.value_of(document, "dc", "creator") == "Müller"
    assert xmp.value_of(document, "exif", "UserComment") == "old"
    assert xmp.value_of(document, "dc", "title") == "Haus"
    assert xmp.value_of(document, "photochrom", "Texts") == "My own key: 1 & 2Title: Hof"
    document = xmp.parse(through(Metadata(comments=(b"old",)), "jpeg", second).xmp)
    assert xmp.value_of(document, "exif", "UserComment") == "old"


def test_texts_of_a_png():
    texts = (
        Text("Title", "Straße"),
        Text("Beschädigt", "a Latin-1 keyword"),
        Text("My own key", "祖母", "zh", "钥匙"),
        Text("Long", "x" * 5000),
        Text("Long too", "祖" * 5000),
    )
    assert through(Metadata(texts=texts), "png", "png").texts == texts
    with Image.open(io.BytesIO(Photograph(GRAY, metadata=Metadata(texts=texts)).encode("png"))) as opened:
        assert opened.text["Title"] == "Straße" and opened.text["My own key"] == "祖母"
        assert opened.text["Long too"] == "祖" * 5000


def test_texts_behind_the_picture_and_raw_profiles_are_read():
    info = PngInfo()
    for name, value in (("iptc", iptc.pack_resources(IPTC, [])), ("exif", b"Exif\0\0" + block_with_maker_note())):
        info.add_text(f"Raw profile type {name}", f"\n{name}\n{len(value):8}\n{value.hex()}\n", zip=True)
    data = saved("PNG", pnginfo=info)
    end = data.rindex(b"IEND") - 4
    late = b"".join(png.chunk(b"tEXt", b"Late\0" + text) for text in (b"one", b"two"))
    late += png.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + TITLE)
    metadata = read_true_metadata(data[:end] + late + data[end:])
    assert metadata.iptc == IPTC and entries_of(metadata.exif)[0][0x013C] == b"Old Mac\0"
    assert [text for text in metadata.texts if text.keyword == "Late"] == [Text("Late", "one"), Text("Late", "two")]
    assert b"Haus" in metadata.xmp


def test_a_text_that_unpacks_without_end_is_left_out():
    bomb = zlib.compress(bytes(100_000_000))
    data = saved("PNG")
    data = data[:33] + png.chunk(b"zTXt", b"Bomb\0\0" + bomb) + data[33:]
    metadata = read_metadata(data)
    assert metadata.texts == () and metadata.left_out == ("a text of the PNG, which is damaged or too large",)


def test_many_texts_that_unpack_to_much_are_left_out(monkeypatch):
    monkeypatch.setattr(png, "LARGEST_TEXTS", 2500)
    data = saved("PNG")
    texts = b"".join(png.chunk(b"zTXt", b"Text\0\0" + zlib.compress(b"x" * 1000)) for _ in range(4))
    metadata = read_metadata(data[:33] + texts + data[33:])
    assert len(metadata.texts) == 2 and len(metadata.left_out) == 1


def test_an_item_that_names_the_whole_file_many_times_is_left_out():
    """1 MB of such an AVIF would ask for 65 GB."""
    entry = isobmff._box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", 1, 0, b"Exif") + b"\0")
    places = b"\1\0\0\0\x44\0" + struct.pack(">HHHHH", 1, 1, 0, 0, 1000) + struct.pack(">II", 0, 8000) * 1000
    inside = isobmff._box(b"iinf", b"\0\0\0\0\0\1" + entry) + isobmff._box(b"iloc", places)
    data = isobmff._box(b"ftyp", b"avif\0\0\0\0avif") + isobmff._box(b"meta", b"\0\0\0\0" + inside)
    assert len(data) > 8000
    assert read_metadata(data).left_out == ("metadata that can't be read",)


def test_metadata_of_formats_where_they_are_not_read_are_named():
    plain = saved("JPEG2000")
    with_xmp = plain + isobmff._box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + TITLE)
    assert decode_photograph(plain).left_out() == ()
    assert decode_photograph(with_xmp).left_out() == (
        "EXIF or XMP, which are not read from JPEG 2000, JPEG XL and GIF",
    )
    gif = saved("GIF")
    with_xmp = gif[:-1] + b"\x21\xff\x0bXMP DataXMP" + TITLE + bytes(range(255, -1, -1)) + b"\0;"
    assert [len(decode_photograph(each).left_out()) for each in (gif, with_xmp)] == [0, 1]


# Resolution


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_resolution_is_never_invented(first, second):
    assert through(Metadata(), first, second).resolution is None


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_resolution_is_kept(first, second):
    metadata = through(Metadata(resolution=Resolution(300, 600, "inch")), first, second)
    resolution = metadata.resolution or exif.resolution_of(metadata.exif)
    assert resolution and np.allclose(resolution.per("inch"), (300, 600))


@pytest.mark.parametrize("first", WITH_METADATA)
@pytest.mark.parametrize("second", WITH_METADATA)
def test_resolution_without_unit_gets_none(first, second):
    metadata = through(Metadata(resolution=Resolution(72, 144, "")), first, second)
    assert (metadata.resolution or exif.resolution_of(metadata.exif)) == Resolution(72, 144, "")


def test_resolution_is_turned_with_the_picture():
    tag = ifd.pack_block([ifd.short(0x0112, 6, "<")], "<")
    data = saved("JPEG", exif=b"Exif\0\0" + tag, dpi=(300, 600))
    assert read_true_metadata(data).resolution == Resolution(600, 300, "inch")


def test_a_resolution_that_a_jpeg_cannot_hold_is_left_out():
    assert through(Metadata(resolution=Resolution(1e6, 1e6, "inch")), "tiff", "jpeg").resolution is None


# Depth and loss


@pytest.mark.parametrize("bits", [10, 12])
def test_depth_of_avif_is_kept(bits):
    pixels = np.repeat((GRAY.astype(np.uint16) * 257)[..., None], 3, axis=2)
    image = pyvips.Image.new_from_array(pixels, interpretation="rgb16")
    source = image.write_to_buffer(".avif", bitdepth=bits, compression="av1", lossless=True)
    photograph = decode_photograph(source)
    assert photograph.bits == bits
    written = pyvips.Image.new_from_buffer(photograph.encode("avif", quality=90), "")
    assert written.get("bits-per-sample") == bits and written.format == "ushort"
    assert decode_photograph(photograph.encode("png")).pixels.dtype == np.uint16
    assert Photograph(pixels).encode("avif") and decode_photograph(Photograph(pixels).encode("avif")).bits == 8


def test_lossless_webp_stays_lossless():
    rgb = np.repeat(GRAY[..., None], 3, axis=2)
    for lossless in (True, False):
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "WEBP", lossless=lossless)
        photograph = decode_photograph(buffer.getvalue())
        assert photograph.lossless == lossless
        content = photograph.encode()
        assert webp.is_lossless(content) == lossless
        assert np.array_equal(decode_photograph(content).pixels, photograph.pixels) == lossless


# Formats that hold little, and damaged metadata


def test_what_bmp_cannot_hold_is_named():
    metadata = Metadata(block_with_maker_note(), IPTC, TITLE, comments=(b"x",))
    lost = Photograph(GRAY, metadata=metadata).left_out("bmp")
    assert [each.split(",")[0] for each in lost] == ["EXIF", "IPTC", "XMP", "comments"]
    assert Photograph(GRAY).left_out("bmp") == ()


FULL = Metadata(
    block_with_maker_note(6), IPTC, packet(REGIONS), (Resource(2000, b"", b"path"),), (b"hello",),
    (Text("Title", "x"), Text("Key", "ü祖")), Resolution(300, 300, "inch"), True,
)  # fmt: skip


@pytest.mark.parametrize("format", WITH_METADATA)
def test_damaged_metadata_never_stops_a_run(format):
    """Bytes of the metadata are changed at random; whatever is read can be written to every format."""
    content = bytearray(Photograph(GRAY, metadata=FULL).encode(format))
    random = np.random.default_rng(len(format))
    where = [i for i in range(len(content)) if i < 3000] + list(range(max(0, len(content) - 6000), len(content)))
    for _ in range(300):
        changed = bytearray(content)
        for place in random.choice(where, random.integers(1, 8)):
            changed[place] = random.integers(256)
        if random.random() < 0.2:
            del changed[random.integers(len(changed)) :]
        metadata = read_true_metadata(bytes(changed))
        for other in FORMATS:
            embed(PLAIN[other], replace(metadata, thumbnail=False), other, b"")
            left_out(metadata, other)


PLAIN = {name: Photograph(GRAY).encode(name) for name in FORMATS}


@pytest.mark.parametrize("format", WITH_METADATA)
def test_files_with_metadata_are_read_by_others(format):
    content = Photograph(GRAY, metadata=replace(FULL, exif=block_with_maker_note())).encode(format)
    if format == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        assert opened.size == (128, 96) and opened.getexif()[0x013C] == "Old Mac"
    assert decode_photograph(content).pixels.shape[:2] == GRAY.shape
    if format == "tiff":
        with tifffile.TiffFile(io.BytesIO(content)) as opened:
            assert len(opened.pages) == 1 and np.array_equal(opened.asarray(), GRAY)
    if format in ("avif", "heic"):
        assert isobmff.is_isobmff(content)


def test_metadata_of_a_file_of_several_pages():
    """It stands at the first page; a resolution that all pages share stands at all of them."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for number in range(3):
            tags = [(33723, 7, len(IPTC), IPTC, True), (316, 2, 8, "Old Mac", True)] if number == 0 else []
            file.write(np.roll(GRAY, number), extratags=tags, resolution=(300, 300), resolutionunit=2)
    photograph = decode_photograph(buffer.getvalue())
    assert len(photograph.pages) == 2
    mark = Mark("1", "m", "d", 256, 1.0, None, (), (128, 96), "s")
    content = replace(photograph, metadata=replace(photograph.metadata, mark=mark)).encode()
    assert is_unchanged(content) is True and read_metadata(content).iptc == IPTC
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        assert len(opened.pages) == 3
        assert opened.pages[0].tags[316].value == "Old Mac" and 316 not in opened.pages[1].tags
        for number, page in enumerate(opened.pages):
            assert np.array_equal(page.asarray(), np.roll(GRAY, number))
            assert page.tags["XResolution"].value == (300, 1) and page.tags["ResolutionUnit"].value == 2


@pytest.mark.parametrize("name", ["iptc", "IPTC profile", "8bim"])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_raw_profiles_of_imagemagick_and_exiftool(name, kind):
    resources = iptc.pack_resources(IPTC, ())
    text = f"\n{name}\n{len(resources):8}\n{resources.hex()}\n".encode()
    body = b"Raw profile type iptc\0" + (text if kind == b"tEXt" else b"\0" + zlib.compress(text))
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    content = Photograph(GRAY).encode("png")
    assert read_metadata(content[:33] + chunk + content[33:]).iptc == IPTC
    rotten = chunk.replace(b"8", b"?") if kind == b"tEXt" else b""
    assert not rotten or "a damaged text of the PNG" in read_metadata(content[:33] + rotten + content[33:]).left_out


def test_iptc_that_exiftool_wrote_into_a_png(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(Photograph(GRAY).encode("png"))
    exiftool = shutil.which("exiftool")
    if not exiftool:
        pytest.skip("needs exiftool")
    subprocess.run([exiftool, "-q", "-m", "-overwrite_original", "-IPTC:Keywords=kw", path], check=True)
    assert b"kw" in read_metadata(path.read_bytes()).iptc


def test_a_resolution_in_parts_of_dots_survives_a_jpeg(gray):
    exact = Resolution(118.5, 37.25, "cm")
    content = Photograph(gray, metadata=Metadata(resolution=exact)).encode("jpeg")
    found = read_metadata(content).resolution
    assert found is not None and (found.x, found.y, found.unit) == pytest.approx((118.5, 37.25, "cm"))
    whole = Photograph(gray, metadata=Metadata(resolution=Resolution(118, 118, "cm"))).encode("jpeg")
    assert read_metadata(whole) == Metadata(resolution=Resolution(118, 118, "cm"))


def test_a_heic_of_12_bits_says_what_it_loses(gray):
    photograph = Photograph(gray.astype(np.uint16) * 257, format="heic", bits=12)
    assert photograph.left_out() == ("2 of 12 bits per channel",)
    assert photograph.left_out("tiff") == replace(photograph, bits=10).left_out() == ()
