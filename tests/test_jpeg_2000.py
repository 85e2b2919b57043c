"""JPEG 2000 as it is found: what the file says around its codestream, and what writers get wrong in it."""

import struct

import imagecodecs
import numpy as np
import pytest
import pyvips

from photochrom.errors import InputError, UnsupportedError
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import decode_photograph
from tests.test_odd_files import box

RGB, LAB, E_SRGB = 16, 14, 20


def stream(pixels):
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, mct=False))


def by_number(space):
    return box(b"colr", b"\1\0\0" + struct.pack(">I", space))


def jp2(pixels, color, *others, content=None):
    """A file of boxes around a codestream."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    depth = 8 * pixels.dtype.itemsize - 1
    sizes = struct.pack(">IIHBBBB", *pixels.shape[:2], channels, depth, 7, 0, 0)
    header = box(b"jp2h", box(b"ihdr", sizes) + color + b"".join(others))
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + header + box(b"jp2c", stream(pixels) if content is None else content)


def cdef(*channels):
    return box(b"cdef", struct.pack(">H", len(channels)) + b"".join(struct.pack(">3H", *each) for each in channels))


def test_channels_are_taken_in_the_order_that_the_file_defines(rgb, gray):
    stored = np.dstack([gray, rgb[..., ::-1]])  # transparency, blue, green, red
    content = jp2(stored, by_number(RGB), cdef((0, 1, 0), (1, 0, 3), (2, 0, 2), (3, 0, 1)))
    photograph = decode_photograph(content)
    assert np.array_equal(photograph.pixels, rgb)
    assert photograph.alpha is not None and np.array_equal(photograph.alpha, gray)


def palette_of(table):
    """Boxes of a palette (N, C): its numbers, and which of its columns each channel has."""
    count, channels = table.shape
    columns = b"".join(struct.pack(">HBB", 0, 1, channel) for channel in range(channels))
    header = struct.pack(">HB", count, channels) + bytes([7] * channels)
    return box(b"pclr", header + table.tobytes()) + box(b"cmap", columns)


def test_a_palette_may_have_a_color_twice(gray):
    table = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
    table[[1, 2, 40]] = table[0]
    photograph = decode_photograph(jp2(gray, by_number(RGB), palette_of(table)))
    assert np.array_equal(photograph.pixels, table[gray])


def test_a_number_that_a_palette_does_not_have_is_damage(gray):
    with pytest.raises(InputError, match="damaged"):
        decode_photograph(jp2(gray, by_number(RGB), palette_of(np.zeros((2, 3), np.uint8))))


def test_a_channel_that_is_no_transparency_is_left_out(rgb, gray):
    other = 65535
    content = jp2(np.dstack([rgb, gray]), by_number(RGB), cdef((0, 0, 1), (1, 0, 2), (2, 0, 3), (3, other, other)))
    photograph = decode_photograph(content)
    assert np.array_equal(photograph.pixels, rgb) and photograph.alpha is None


@pytest.mark.parametrize("space, name", [(LAB, "CIELAB"), (E_SRGB, "e-sRGB")])
def test_color_spaces_that_are_not_read_are_refused_by_name(rgb, space, name):
    with pytest.raises(UnsupportedError, match=f"JPEG 2000 / {name}, convert"):
        decode_photograph(jp2(rgb, by_number(space)))


@pytest.mark.parametrize("deep", [False, True])
def test_a_profile_is_obeyed_once(rgb, deep):
    plain = pyvips.Image.new_from_array(rgb.astype(np.uint16) * 257 if deep else rgb)
    plain = plain.copy(interpretation="rgb16" if deep else "srgb")
    p3 = plain.icc_transform("p3", input_profile="srgb", depth=16 if deep else 8)
    content = jp2(p3.numpy(), box(b"colr", b"\2\0\0" + p3.get("icc-profile-data")))
    off = luminance_of(decode_photograph(content).pixels) - luminance_of(rgb)
    assert np.abs(off).mean() < (0.05 if deep else 0.5)


def test_a_resolution_that_can_not_be_read_says_nothing_of_the_picture(rgb):
    broken = box(b"res ", struct.pack(">I4s", 34, b"resc") + bytes(10))  # longer than what is around it
    assert np.array_equal(decode_photograph(jp2(rgb, by_number(RGB), broken)).pixels, rgb)


def in_two_parts(content, parts):
    """The codestream with its tile in two parts; what it says of how many there are."""
    start, data = content.index(b"\xff\x90\0\x0a"), content.index(b"\xff\x93") + 2
    end = len(content) - 2
    middle = (data + end) // 2

    def part(number, header, packets):
        length = 12 + len(header) + len(packets)
        return b"\xff\x90\0\x0a" + struct.pack(">HIBB", 0, length, number, parts) + header + packets

    first = part(0, content[start + 12 : data], content[data:middle])
    return content[:start] + first + part(1, b"\xff\x93", content[middle:end]) + b"\xff\xd9"


def test_parts_of_a_tile_are_counted_as_they_are(rgb):
    content = in_two_parts(stream(rgb), parts=1)  # as Adobe's plug-in counts them
    assert np.array_equal(decode_photograph(jp2(rgb, by_number(RGB), content=content)).pixels, rgb)
    with pytest.raises(InputError, match="damaged or incomplete"):
        decode_photograph(content[: len(content) * 3 // 4])
    with pytest.raises(InputError, match="damaged or incomplete"):
        decode_photograph(content[:-2])


def test_a_tile_without_a_length_ends_with_the_codestream(rgb):
    content = bytearray(stream(rgb))
    struct.pack_into(">I", content, content.index(b"\xff\x90\0\x0a") + 6, 0)
    assert np.array_equal(decode_photograph(bytes(content) + bytes(6)).pixels, rgb)
    with pytest.raises(InputError, match="damaged or incomplete"):
        decode_photograph(bytes(content[: len(content) // 2]))


def test_subsampled_gray_is_refused_for_what_it_is(gray):
    content = bytearray(stream(gray))
    content[43:45] = b"\2\2"  # steps from pixel to pixel
    with pytest.raises(UnsupportedError, match="JPEG 2000 / subsampled channels"):
        decode_photograph(bytes(content))


def test_a_file_without_a_codestream_has_no_picture(gray):
    with pytest.raises(InputError, match="damaged or incomplete: it has no picture"):
        decode_photograph(jp2(gray, by_number(17), content=b"")[:-8])


def test_a_small_picture_is_no_second_page():
    with pytest.raises(InputError, match="the photograph is 4 x 2 pixels: too small"):
        decode_photograph(jp2(np.zeros((2, 4, 3), np.uint8), by_number(RGB)))
