"""IPTC, XMP, comments and texts: what goes in comes out of every format, and what is no longer true goes."""

import io
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
import tifffile
from metadata_samples import (
    GRAY,
    IPTC,
    REGIONS,
    TITLE,
    WITH_METADATA,
    block_with_maker_note,
    entries_of,
    field,
    packet,
    saved,
    through,
)
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from photochrom.photo.decoding import decode_photograph
from photochrom.photo.metadata import ifd, iptc, jpeg, png, xmp
from photochrom.photo.metadata.mark import Mark
from photochrom.photo.metadata.reading import read_metadata, read_true_metadata
from photochrom.photo.metadata.record import Metadata, Resource, Text
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS

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
