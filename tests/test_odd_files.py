"""Files that were once decoded wrongly, or called damaged although they are only odd."""

import io
import struct
import subprocess
import sys
import weakref
import zlib
from functools import partial

import imagecodecs
import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms
from tiffs import tiff

from photochrom.errors import InputError, UnsupportedError
from photochrom.photo.collections import decode_square
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats.jpeg_xl import read_header
from photochrom.photo.metadata.exif import orientation_of
from photochrom.photo.metadata.sidecar import true_sidecar
from photochrom.photo.vips import load_in_place
from tests.test_decoding_meaning import chunk, png
from tests.test_formats import animation, encoded

# Color profiles


def scanner_profile(space: str, black: float = 0.03) -> bytes:
    """A profile of tables by which the darkest color has this luminance, as paper and film have it."""
    channels = {"GRAY": 1, "RGB ": 3, "CMYK": 4}[space]
    steps = 9
    axes = np.meshgrid(*[np.linspace(0, 1, steps)] * channels, indexing="ij")
    values = np.stack(axes, axis=-1).reshape(-1, channels)
    light = (1 - values[:, :3]) * (1 - values[:, 3:]) if space == "CMYK" else values
    light = light.repeat(3, axis=1) if space == "GRAY" else light
    linear = black + (1 - black) * light**2.2
    to_xyz = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
    lab = _lab(linear @ to_xyz.T / [0.9642, 1.0, 0.8249])
    numbers = np.clip(np.column_stack([lab[:, 0] * 652.8, (lab[:, 1:] + 128) * 256]), 0, 65535).round().astype(">u2")
    ramp = np.array([0, 65535], ">u2").tobytes()
    head = (
        b"mft2" + bytes(4) + bytes([channels, 3, steps, 0]) + struct.pack(">9i", *(np.eye(3, dtype=int).ravel() << 16))
    )
    table = head + struct.pack(">HH", 2, 2) + ramp * channels + numbers.tobytes() + ramp * 3
    tags = {b"A2B0": table, b"A2B1": table, b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)}
    return profile_of(space, b"Lab ", tags, b"scnr" if space != "CMYK" else b"prtr")


def _lab(xyz: np.ndarray) -> np.ndarray:
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=1)


def profile_of(space: str, pcs: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    directory, content, place = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        directory += name + struct.pack(">II", place + len(content), len(value))
        content += value
    head = bytes(4) + b"lcms\2\x20\0\0" + kind + space.encode() + pcs + bytes(12) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    whole = head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + directory + content
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("space", ["GRAY", "RGB "])
def test_black_stays_black_in_the_profiles_of_scanners_and_printers(rgb, gray, space, deep):
    """Against Little CMS through Pillow, with black point compensation."""
    profile = scanner_profile(space)
    pixels = {"GRAY": gray, "RGB ": rgb, "CMYK": np.dstack([255 - rgb, 255 - gray])}[space].copy()
    pixels[:20] = 255 if space == "CMYK" else 0
    photometric = {"GRAY": "minisblack", "RGB ": "rgb", "CMYK": "separated"}[space]
    written = pixels.astype(np.uint16) * 257 if deep else pixels
    photograph = decode_photograph(tiff(written, photometric=photometric, iccprofile=profile))
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    expected = ImageCms.profileToProfile(
        Image.fromarray(pixels, {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}[space]), source,
        ImageCms.createProfile("sRGB"), renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )  # fmt: skip
    found = photograph.pixels / (257 if deep else 1)
    found = found if found.ndim == 3 else found[..., None].repeat(3, axis=2)
    assert photograph.pixels.dtype == (np.uint16 if deep else np.uint8)
    assert found[:18].max() <= 2
    assert np.abs(found - np.asarray(expected)).mean() < 1


def test_a_profile_whose_colors_are_all_one_is_ignored(rgb):
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 0x0233)
    tags = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    xyz = {b"rXYZ": (0, 0, 0), b"gXYZ": (25233, 46982, 6365), b"bXYZ": (9376, 3968, 46803)}
    tags |= {name: b"XYZ " + bytes(4) + struct.pack(">3i", *value) for name, value in xyz.items()}
    content = encoded(rgb, "TIFF", icc_profile=profile_of("RGB ", b"XYZ ", tags))
    assert np.array_equal(decode_photograph(content).pixels, rgb)
    red = {b"rXYZ": b"XYZ " + bytes(4) + struct.pack(">3i", 28578, 14581, 911)}
    content = encoded(rgb, "TIFF", icc_profile=profile_of("RGB ", b"XYZ ", tags | red))
    assert not np.array_equal(decode_photograph(content).pixels, rgb)  # one with a meaning is obeyed


def test_small_versions_follow_profiles_as_large_ones_do(rgb):
    p3 = pyvips.Image.new_from_array(rgb, interpretation="srgb").icc_transform("p3", input_profile="srgb")
    content = p3.write_to_buffer(".jpg", Q=95, profile="p3")
    plain = pyvips.Image.new_from_array(rgb, interpretation="srgb").write_to_buffer(".jpg", Q=95)
    assert np.abs(decode_square(content, 64).astype(int) - decode_square(plain, 64)).mean() < 1.5


# JPEG XL


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14, 16])
def test_numbers_of_a_jpeg_xl_are_scaled_by_its_bits(bits, container):
    ramp = np.linspace(0, 2**bits - 1, 64).round().astype(np.uint8 if bits == 8 else np.uint16)
    pixels = np.repeat(np.tile(ramp, (32, 1))[..., None], 4, axis=2)
    options = {} if bits == 8 else {"bitspersample": bits}
    content = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=container, **options))
    assert read_header(content) == (bits, False)
    photograph = decode_photograph(content)
    largest = 255 if bits == 8 else 65535
    assert photograph.alpha is not None and photograph.alpha.max() == largest
    assert np.abs(photograph.alpha[0] / largest - np.linspace(0, 1, 64)).max() < 1 / 2**bits


def test_animated_jpeg_xl_is_called_so(rgb):
    frames = np.stack([rgb, 255 - rgb])
    with pytest.raises(UnsupportedError, match="not supported: JPEG XL / animation"):
        decode_photograph(bytes(imagecodecs.jpegxl_encode(frames)))


# Odd files


def test_cmyk_with_transparency_in_jpeg_2000(rgb, gray):
    pixels = np.dstack([255 - rgb, np.zeros_like(gray), gray])
    stream = bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, mct=False))
    sizes = struct.pack(">IIHBBBB", 120, 160, 5, 7, 7, 0, 0)
    channels = b"".join(struct.pack(">3H", n, n == 4, 0 if n == 4 else n + 1) for n in range(5))

    def jp2(space: int) -> bytes:
        color = box(b"colr", b"\1\0\0" + struct.pack(">I", space))
        header = box(b"ihdr", sizes) + color + box(b"cdef", struct.pack(">H", 5) + channels)
        start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
        return start + box(b"jp2h", header) + box(b"jp2c", stream)

    photograph = decode_photograph(jp2(12))
    assert photograph.alpha is not None and np.array_equal(photograph.alpha, gray)
    ink = decode_photograph(tiff(pixels[..., :4], photometric="separated"))
    assert np.array_equal(photograph.pixels, ink.pixels)
    with pytest.raises(UnsupportedError, match="JPEG 2000 / 5 channels"):
        decode_photograph(jp2(16))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_jpeg_in_tiff(gray, bits):
    pixels = gray[:64, :96].astype(np.uint8 if bits == 8 else np.uint16) << (bits - 8)
    strips = [bytes(imagecodecs.jpeg8_encode(pixels[n : n + 32], lossless=True, bitspersample=bits)) for n in (0, 32)]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, iter(strips), shape=pixels.shape, dtype=pixels.dtype, photometric="minisblack", compression="jpeg",
        bitspersample=bits, rowsperstrip=32,
    )  # fmt: skip
    if bits == 12:
        with pytest.raises(UnsupportedError, match="12 bits per channel"):
            decode_photograph(buffer.getvalue())
    else:
        assert np.array_equal(decode_photograph(buffer.getvalue()).pixels, pixels)


def test_gray_old_style_jpeg(gray):
    """A whole JPEG file in a TIFF whose tag points behind its first bytes."""
    jpeg = encoded(gray, "JPEG", quality=95)
    content = bytearray(tiff(gray, extratags=[(513, "I", 1, 0, True), (514, "I", 1, len(jpeg), True)]))
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        tags = file.pages[0].tags
        start = tags[273].value[0]
        places = {tags[259].valueoffset: 6, tags[279].valueoffset: len(jpeg), tags[513].valueoffset: start + 6}
    for place, value in places.items():
        content[place : place + 2] = value.to_bytes(2, "little")
    content[start : start + len(jpeg)] = jpeg
    decoded = decode_photograph(bytes(content)).pixels
    assert np.array_equal(decoded, np.asarray(Image.open(io.BytesIO(jpeg))))


def test_a_wrong_palette_that_only_suggests_colors(rgb):
    content = encoded(rgb, "PNG")
    assert np.array_equal(decode_photograph(content[:33] + chunk(b"PLTE", b"") + content[33:]).pixels, rgb)
    at = content.index(b"IDAT") + 40
    with pytest.raises(InputError, match="damaged or incomplete"):
        decode_photograph(content[:33] + chunk(b"PLTE", b"") + content[33:at] + bytes(4) + content[at + 4 :])


class Watched(bytearray):
    """Bytes of which one can see whether anything holds them."""


@pytest.mark.parametrize("name", ["png", "jpeg", "tiff"])
def test_a_content_that_is_read_where_it_is_stays_as_long_as_its_picture(rgb, name):
    content = Watched(encoded(rgb, name.upper()))
    there = weakref.ref(content)
    made_of_it = load_in_place(getattr(pyvips.Image, f"{name}load_source"), content, access="sequential").invert()
    del content
    assert there() is not None
    assert np.abs(made_of_it.numpy().astype(int) - (255 - rgb)).mean() < 8


# Sidecars

PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" {more} tiff:Orientation="6" xmp:Rating="4"
 crs:ConvertToGrayscale="True">{inner}</rdf:Description></rdf:RDF></x:xmpmeta>"""


def never() -> bytes:
    raise AssertionError("there are no regions")


def test_sidecars_lose_what_is_no_longer_true():
    cleaned = true_sidecar(PACKET.format(more="", inner="").encode(), never)
    assert b"Orientation" not in cleaned and b"ConvertToGrayscale" not in cleaned and b'Rating="4"' in cleaned
    for kept in b"", b"no XML", b"<x:xmpmeta/>", cleaned:
        assert true_sidecar(kept, never) == kept


def test_regions_of_sidecars_turn_with_the_photograph(rgb):
    more = 'xmlns:a="http://ns.acdsee.com/regions/"'
    packet = PACKET.format(more=more, inner="<a:regions>one</a:regions>").encode()
    exif = Image.Exif()
    for orientation, there in ((1, True), (6, False)):  # such regions can't be turned
        exif[274] = orientation
        cleaned = true_sidecar(packet, partial(encoded, rgb, "JPEG", exif=exif))
        assert (b"a:regions" in cleaned) == there


def test_raw_files_leave_standard_error_alone():
    script = "import warnings, photochrom.photo.formats.extras as e; e.rawpy('x'); import rawpy; "
    script += "warnings.warn_explicit('x', RuntimeWarning, 'rawpy/__init__.py', 1, module='rawpy')"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stderr == ""


def test_a_bmp_with_odd_bits_is_not_called_damaged():
    """16 bits with masks for 2, 3 and 1 of them, as a bitfield header may say."""
    height, width = 24, 32
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 16, 3, 2 * width * height, 0, 0, 0, 0)
    masks = struct.pack("<III", 0x30, 0x0E, 0x01)
    start = 14 + len(header) + len(masks)
    file = struct.pack("<2sIHHI", b"BM", start + 2 * width * height, 0, 0, start) + header + masks
    with pytest.raises(UnsupportedError, match="BMP / an unusual arrangement of bits, convert it"):
        decode_photograph(file + bytes(2 * width * height))


# Orientation


def exif_block(kind: int, value: bytes) -> bytes:
    """EXIF with an orientation of a type, big-endian."""
    return b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHI4s", 0x112, kind, 1, value) + bytes(4)


ODDLY_TYPED = [(1, b"\6"), (4, b"\0\0\0\6"), (8, b"\0\6"), (9, b"\0\0\0\6")]  # byte, long, and signed ones


@pytest.mark.parametrize("kind, value", ODDLY_TYPED)
def test_an_orientation_of_an_unusual_type_turns_the_picture_and_is_gone_then(rgb, kind, value):
    plain = encoded(rgb, "JPEG", quality=95)
    block = b"Exif\0\0" + exif_block(kind, value)
    content = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]
    photograph = decode_photograph(content)
    assert np.array_equal(photograph.pixels, np.rot90(decode_photograph(plain).pixels, -1))
    assert orientation_of(photograph.metadata.exif) == 1
    small = decode_square(content, 32, crop=False).astype(int)
    assert np.abs(small - np.rot90(decode_square(plain, 32, crop=False), -1)).mean() < 2


@pytest.mark.parametrize("keyword", ["exif", "APP1"])
def test_an_orientation_in_a_text_of_a_png_turns_the_picture(rgb, keyword):
    block = b"Exif\0\0" + exif_block(3, b"\0\6")
    text = f"Raw profile type {keyword}\0\n{keyword}\n{len(block):8}\n{block.hex()}\n".encode()
    assert np.array_equal(decode_photograph(png(rgb, chunk(b"tEXt", text))).pixels, np.rot90(rgb, -1))


# PNG and files of ISO boxes


def test_a_profile_with_a_meaningless_rendering_intent_is_obeyed(gray):
    profile = bytearray(scanner_profile("GRAY"))
    usual, swapped = bytes(profile), profile
    swapped[64:68] = b"\1\0\0\0"
    results = []
    for each in (usual, bytes(swapped)):
        content = png(gray, chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(each)))
        results.append((decode_photograph(content).pixels, decode_square(content, 32)))
    assert np.array_equal(results[0][0], results[1][0]) and not np.array_equal(results[0][0][..., 0], gray)
    assert np.abs(results[0][1].astype(int) - results[1][1]).max() <= 2


def test_frames_that_an_animated_png_does_not_count_are_there(rgb):
    content = animation(rgb[..., 0], "PNG")
    at = content.index(b"acTL")
    one = chunk(b"acTL", b"\0\0\0\1" + content[at + 8 : at + 12])
    with pytest.raises(UnsupportedError, match="PNG / animation"):
        decode_photograph(content[: at - 4] + one + content[at + 16 :])


@pytest.mark.parametrize(
    "start, label",
    [
        (box(b"ftyp", b"mif3avif") + box(b"mini", bytes(40)), r"AVIF / in a minimized box \(mif3\)"),
        (box(b"ftyp", b"mif3heic") + box(b"mini", bytes(40)), r"HEIF / in a minimized box \(mif3\)"),
        (box(b"ftyp", b"abcd\0\0\0\0") + box(b"meta", bytes(40)), "HEIF / abcd"),
        (box(b"ftyp", b"isom\0\0\0\0") + box(b"meta", bytes(40)) + box(b"moov", bytes(40)), "a film"),
        (box(b"ftyp", b"qt  \0\0\0\0") + box(b"mdat", bytes(40)), "a film"),
    ],
)
def test_a_picture_in_boxes_is_not_called_a_film(start, label):
    with pytest.raises(UnsupportedError, match=f"not supported: {label}"):
        decode_photograph(start)


@pytest.mark.parametrize("behind", [bytes(24), b"EXIF" + struct.pack("<I", 5000) + bytes(80)])
def test_damage_behind_the_picture_of_a_webp_is_none_of_the_picture(rgb, behind):
    whole = encoded(rgb, "WEBP", lossless=True)
    content = b"RIFF" + struct.pack("<I", len(whole) - 8 + 18 + 5000) + b"WEBP"
    content += b"VP8X" + struct.pack("<I", 10) + bytes([8, 0, 0, 0, 159, 0, 0, 119, 0, 0]) + whole[12:] + behind
    assert np.array_equal(decode_photograph(content).pixels, rgb)
    with pytest.raises(InputError, match="damaged or incomplete: it ends before its picture does"):
        decode_photograph(content[: len(whole) // 2])
