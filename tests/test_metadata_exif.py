"""EXIF and resolution: every tag comes out of every format, and what is no longer true goes."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
from metadata_samples import GRAY, IPTC, WITH_METADATA, block_with_maker_note, entries_of, saved, through
from PIL import Image

from photochrom.photo.decoding import decode_photograph
from photochrom.photo.metadata import exif, ifd, iptc
from photochrom.photo.metadata.reading import read_metadata, read_true_metadata
from photochrom.photo.metadata.record import Metadata, Resolution
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS

# EXIF


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


def test_a_resolution_in_parts_of_dots_survives_a_jpeg(gray):
    exact = Resolution(118.5, 37.25, "cm")
    content = Photograph(gray, metadata=Metadata(resolution=exact)).encode("jpeg")
    found = read_metadata(content).resolution
    assert found is not None and (found.x, found.y, found.unit) == pytest.approx((118.5, 37.25, "cm"))
    whole = Photograph(gray, metadata=Metadata(resolution=Resolution(118, 118, "cm"))).encode("jpeg")
    assert read_metadata(whole) == Metadata(resolution=Resolution(118, 118, "cm"))
