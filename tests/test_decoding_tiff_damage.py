"""Damaged TIFFs are refused, never black and never in part; harmless oddities are no damage."""

import io
import lzma
import struct
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiffs import tiff

from photochrom.errors import InputError
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats.tiff_pages import read_pages, write_page


@pytest.mark.parametrize("compression", [None, "lzw", "adobe_deflate", "packbits", "zstd", "lzma", "jpeg"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated(rgb, compression, part):
    content = tiff(rgb, photometric="rgb", compression=compression, rowsperstrip=16)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        start, end = file.pages[0].dataoffsets[0], file.pages[0].dataoffsets[-1] + file.pages[0].databytecounts[-1]
    with pytest.raises(InputError, match="damaged or incomplete: it ends before its picture does"):
        decode_photograph(content[: start + round(part * (end - start))])


@pytest.mark.parametrize("compression", ["adobe_deflate", "lzma", "jpeg", "lzw"])
def test_rotten_strips_are_refused_or_come_out_whole(photographs, compression):
    """A byte is changed at each of 40 places. What has a checksum is always refused."""
    rgb = photographs["astronaut"][:96, :128]
    content = tiff(rgb, photometric="rgb", compression=compression, rowsperstrip=16)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        start, end = file.pages[0].dataoffsets[0], file.pages[0].dataoffsets[-1]
    random, decoded = np.random.default_rng(0), 0
    for _ in range(40):
        place = int(random.integers(start + 30, end))
        rotten = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        with suppress(InputError):
            decoded += decode_photograph(rotten).pixels.shape == rgb.shape
    # What has no checksum may come out with a wrong pixel, which nobody can know.
    assert decoded == 0 if compression in ("adobe_deflate", "lzma") else decoded < 40


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("compression", ["adobe_deflate", "lzma"])
def test_no_more_is_unpacked_than_a_picture_has(gray, compression, deep):
    """Half a megabyte of zeros would become 400 MB."""
    pixels = gray.astype(np.uint16) * 257 if deep else gray
    content = pixels.tobytes() + bytes(400_000_000)
    strip = zlib.compress(content) if compression == "adobe_deflate" else lzma.compress(content)
    buffer = io.BytesIO()
    options: dict[str, Any] = {"dtype": pixels.dtype, "shape": pixels.shape, "compression": compression}
    tifffile.imwrite(buffer, iter([strip]), photometric="minisblack", **options)
    bomb = buffer.getvalue()
    tracemalloc.start()
    assert np.array_equal(decode_photograph(bomb).pixels, pixels)
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_a_tag_of_a_type_that_has_no_numbers(gray):
    content = tiff(np.dstack([gray, gray]), photometric="minisblack", extrasamples=["unassalpha"], byteorder="<")
    number, text = (struct.pack("<HHI", 338, kind, 1) for kind in (3, 2))  # what the second channel is
    assert number in content
    assert np.array_equal(decode_photograph(content.replace(number, text)).pixels, gray)


def test_a_wrong_checksum_at_the_end_of_a_strip(gray):
    """libtiff stops before it reads that."""
    content = tiff(gray, compression="adobe_deflate")
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    assert zlib.decompress(content[start : start + count])
    rotten = content[: start + count - 2] + b"\0\0" + content[start + count :]
    with pytest.raises(InputError, match="a part of its picture can't be decoded"):
        decode_photograph(rotten)


def test_strips_that_are_not_there(gray):
    content = tiff(gray, rowsperstrip=30)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        counts = file.pages[0].tags[279].valueoffset
    with pytest.raises(InputError, match="a part of its picture is not there"):
        decode_photograph(content[: counts + 4] + bytes(4) + content[counts + 8 :])


def test_harmless_oddities_of_old_writers(gray):
    """Tags that nobody knows, a length that is missing or far too long, no word about what 0 means."""
    content = tiff(gray, extratags=[(50123, "H", 1, 7, True)])
    assert np.array_equal(decode_photograph(content).pixels, gray)
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        length, photometric = file.pages[0].tags[279].valueoffset, file.pages[0].tags[262].offset
    for value in (0, 35_000_000):
        odd = content[:length] + value.to_bytes(4, "little") + content[length + 4 :]
        assert np.array_equal(decode_photograph(odd).pixels, gray)
    unsaid = content[:photometric] + (263).to_bytes(2, "little") + content[photometric + 2 :]
    assert np.array_equal(decode_photograph(unsaid).pixels, gray)


def test_directories_that_lead_nowhere(gray):
    for content in (
        b"II*\0" + (2**31).to_bytes(4, "little") + bytes(50),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(50),
        b"MM\0+\0\x08\0\0" + b"\xff" * 8 + bytes(50),
        b"II*\0\0\0\0\0" + bytes(50),
    ):
        with pytest.raises(InputError, match="damaged or incomplete"):
            decode_photograph(content)
    loop = bytearray(tiff(gray))
    with tifffile.TiffFile(io.BytesIO(bytes(loop))) as file:
        first = file.pages[0].offset
        following = first + 2 + 12 * len(file.pages[0].tags)
    loop[following : following + 4] = first.to_bytes(4, "little")
    assert np.array_equal(decode_photograph(bytes(loop)).pixels, gray)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_no_damage(gray, orientation):
    content = tiff(gray, extratags=[(274, 3, 1, orientation, True)])
    np.testing.assert_array_equal(decode_photograph(content).pixels, gray)


@pytest.mark.parametrize("compression", ["group3", "group4"])
@pytest.mark.parametrize("rest", [b"", bytes(5000)])
def test_a_fax_that_ends_early_is_refused(gray, compression, rest):
    buffer = io.BytesIO()
    Image.fromarray(gray > 128).save(buffer, "TIFF", compression=compression)
    page = next(read_pages(buffer.getvalue()))
    whole = page.pieces()
    assert decode_photograph(write_page(page, [piece + bytes(9) for piece in whole])).pixels.shape == gray.shape
    with pytest.raises(InputError, match="is damaged or incomplete: a part of its picture"):
        decode_photograph(write_page(page, [*whole[:-1], whole[-1][: len(whole[-1]) // 2] + rest]))


@pytest.mark.parametrize("big", [False, True])
def test_a_file_of_a_few_bytes_is_damaged(gray, big):
    content = tiff(gray, bigtiff=big)
    for length in range(4, 20):
        with pytest.raises(InputError, match="is damaged or incomplete: it ends before its picture does"):
            decode_photograph(content[:length])


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_a_broken_line_of_a_fax_is_damage(gray, compression):
    buffer = io.BytesIO()
    lines = np.tile(gray > 100, (2, 4))
    Image.fromarray(lines).save(buffer, "TIFF", compression=compression, tiffinfo={278: 40})
    content = buffer.getvalue()
    assert np.array_equal(decode_photograph(content).pixels, lines * np.uint8(255))
    (page,) = read_pages(content)
    starts, lengths = page.spans()
    middle = int(starts[1] + lengths[1] // 2)
    with pytest.raises(InputError, match="damaged or incomplete: a part of its picture can't be decoded"):
        decode_photograph(content[:middle] + bytes(2) + content[middle + 2 :])
