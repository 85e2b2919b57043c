"""Metadata of all kinds: what a format can't hold is named, and damaged ones stop no run."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import pyvips
import tifffile
from metadata_samples import GRAY, IPTC, REGIONS, TITLE, WITH_METADATA, block_with_maker_note, packet, saved
from PIL import Image

from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats.signature import AVIF_BRANDS, HEIC_BRANDS, HEIF_BRANDS, recognize
from photochrom.photo.metadata import isobmff, webp
from photochrom.photo.metadata.mark import Mark
from photochrom.photo.metadata.marking import is_unchanged
from photochrom.photo.metadata.reading import format_by_content, read_metadata, read_true_metadata
from photochrom.photo.metadata.record import Metadata, Resolution, Resource, Text
from photochrom.photo.metadata.writing import embed, left_out
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS


def test_further_pictures_and_signatures_of_a_jpeg_are_named():
    data = saved("JPEG")
    for marker, content in ((0xE2, b"MPF\0" + bytes(20)), (0xEB, b"JP\0\1" + bytes(12) + b"jumdc2pa")):
        data = data[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + data[2:]
    credentials, pictures = read_metadata(data).left_out
    assert credentials.startswith("content credentials") and pictures.startswith("further pictures")


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
    assert format_by_content(content) == format


@pytest.mark.parametrize(
    "format, brands",
    [
        ("avif", b"mif1avif"),
        ("heic", b"mif1"),
        ("heic", b"mif2mif1"),
        ("heic", b"mif2"),
        ("heic", b"msf1"),
        ("heic", b"heicmiaf"),
    ],
)
def test_general_brands_are_read_as_what_they_are_decoded_as(format, brands):
    """Files of ISO boxes may name their coding among other brands, or not at all."""
    content = Photograph(GRAY, metadata=Metadata(xmp=TITLE)).encode(format)
    (size,) = struct.unpack_from(">I", content)
    usual = content[8:size]
    brands = brands[:4] + bytes(4) + brands
    # The box keeps its size, on which the places of everything in the file depend.
    odd = content[:8] + brands + brands[-4:] * ((len(usual) - len(brands)) // 4) + content[size:]
    assert len(odd) == len(content) and odd != content
    photograph = decode_photograph(odd)
    assert photograph.format == format_by_content(odd) == format
    assert photograph.metadata.xmp == decode_photograph(content).metadata.xmp != b""


def test_every_brand_of_pictures_is_known_to_whoever_reads_metadata():
    for brand in HEIC_BRANDS | HEIF_BRANDS | AVIF_BRANDS:
        data = struct.pack(">I", 24) + b"ftyp" + brand + bytes(4) + brand * 2
        assert FORMATS[format_by_content(data)].label == recognize(data), brand


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


def test_a_heic_of_12_bits_says_what_it_loses(gray):
    photograph = Photograph(gray.astype(np.uint16) * 257, format="heic", bits=12)
    assert photograph.left_out() == ("2 of 12 bits per channel, which HEIC can't hold",)
    assert photograph.left_out("tiff") == replace(photograph, bits=10).left_out() == ()
