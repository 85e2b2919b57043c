"""TIFFs of every compression, layout, color and number: right pixels, or a refusal by name."""

import io
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms
from tiffs import alpha_of, as_bytes, tiff, with_tag

from photochrom.errors import InputError, UnsupportedError
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats import tiff_pieces as pieces
from photochrom.photo.formats.tiff import NOT_TRANSPARENCY
from photochrom.photo.formats.tiff_pages import read_pages, write_page
from tests.test_formats import without

LOSSLESS = [
    None, "lzw", "adobe_deflate", "packbits", "zstd", "lzma", "lerc", "png", "jpeg2000", "jpegxl", "jpegxr", "webp",
]  # fmt: skip
LAYOUTS: dict[str, dict[str, Any]] = {
    "8 bits": {},
    "16 bits": {"deep": True},
    "big-endian": {"deep": True, "byteorder": ">"},
    "predictor": {"deep": True, "predictor": True},
    "tiles": {"tile": (64, 64)},
    "planes": {"planarconfig": "separate"},
    "planes in tiles": {"planarconfig": "separate", "tile": (48, 32)},
    "BigTIFF": {"bigtiff": True, "rowsperstrip": 7},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", LOSSLESS)
def test_every_lossless_compression_in_every_layout(rgb, compression, layout):
    options = dict(LAYOUTS[layout])
    pixels = rgb.astype(np.uint16) * 257 if options.pop("deep", False) else rgb
    source = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    packing = {"level": 100} if compression in ("webp", "jpegxl", "jpegxr", "jpeg2000") else None
    if compression == "jpeg2000":
        packing = {"reversible": True}
    if compression == "webp":
        packing = {"lossless": True}
    if compression == "jpegxl":
        packing = {"lossless": True}
    try:
        content = tiff(source, photometric="rgb", compression=compression, compressionargs=packing, **options)
    except (ValueError, KeyError, NotImplementedError, RuntimeError, TypeError):
        pytest.skip("can't be written")
    decoded = decode_photograph(content).pixels
    assert decoded.dtype == pixels.dtype and np.array_equal(decoded, pixels)


NEEDS_EXTRA = {"lerc": "LERC", "png": "PNG", "jpeg2000": "JPEG 2000", "jpegxl": "JPEG XL", "jpegxr": "JPEG XR"}


@pytest.mark.parametrize("compression", [*NEEDS_EXTRA, "zstd"])
def test_compressions_without_the_extra_are_refused_by_name(rgb, compression, monkeypatch):
    deep = rgb.astype(np.uint16) * 257
    content = tiff(deep, photometric="rgb", compression=compression)
    without(monkeypatch, "imagecodecs")
    kind = NEEDS_EXTRA.get(compression, "Zstandard")
    with pytest.raises(UnsupportedError, match=rf"TIFF / {kind}, pip install 'photochrom\[formats\]'"):
        decode_photograph(content)


@pytest.mark.parametrize("mode", ["gray", "color", "deep gray"])
def test_zstandard_of_8_bits_needs_no_extra(rgb, gray, mode, monkeypatch):
    pixels = {"gray": gray, "color": rgb, "deep gray": gray}[mode]
    content = tiff(pixels, photometric="rgb" if mode == "color" else "minisblack", compression="zstd")
    without(monkeypatch, "imagecodecs", "compression")
    assert np.array_equal(decode_photograph(content).pixels, pixels)


@pytest.mark.parametrize(
    "compression, name",
    [
        (32909, "Pixar zip"),
        (34661, "JBIG"),
        (34676, "LogLuv"),
        (33003, r"JPEG 2000 \(YCbCr\)"),
        (4711, "compression 4711"),
    ],
)
def test_compressions_that_nothing_here_reads(gray, compression, name):
    with pytest.raises(UnsupportedError, match=f"TIFF / {name}, convert it"):
        decode_photograph(with_tag(tiff(gray), 259, compression))


@pytest.mark.parametrize("compression", [None, "lzw", "adobe_deflate", "zstd", "packbits"])
@pytest.mark.parametrize("planes", [False, True])
def test_ycbcr_without_jpeg(rgb, compression, planes):
    ycbcr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    source = np.moveaxis(ycbcr, 2, 0) if planes else ycbcr
    options = {"planarconfig": "separate" if planes else "contig", "subsampling": (1, 1)}
    photograph = decode_photograph(tiff(source, photometric="ycbcr", compression=compression, **options))
    assert np.abs(photograph.pixels.astype(int) - np.asarray(Image.fromarray(ycbcr, "YCbCr").convert("RGB"))).max() <= 2


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of 8 bits with signed a and b, by lcms, an independent implementation."""
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return np.asarray(ImageCms.profileToProfile(Image.fromarray(rgb), srgb, lab, outputMode="LAB"))


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
def test_lab(rgb, photometric, deep):
    lab = to_lab(rgb)  # a and b of Pillow are two's complement
    if photometric == "icclab":
        lab = np.dstack([lab[..., 0], lab[..., 1:] ^ 0x80])
    if deep:
        scale = 0xFF00 / 255 if photometric == "icclab" else 257
        luminance = (lab[..., 0] * float(scale)).round().astype(np.uint16)
        lab = np.dstack([luminance, lab[..., 1:].astype(np.uint16) << 8])
    photograph = decode_photograph(tiff(lab, photometric=photometric))
    assert np.abs(as_bytes(photograph.pixels).astype(int) - rgb).mean() < 1.5
    assert np.abs(luminance_of(photograph.pixels) - luminance_of(rgb)).mean() < 0.5


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("deep", [False, True])
def test_gray_with_transparency_in_planes(gray, deep, photometric):
    alpha = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1))
    planes = np.stack([gray, alpha])
    if deep:
        planes = planes.astype(np.uint16) * 257
    stored = planes.copy()
    if photometric == "miniswhite":
        stored[0] = np.iinfo(stored.dtype).max - stored[0]
    photograph = decode_photograph(
        tiff(stored, photometric=photometric, planarconfig="separate", extrasamples=["unassalpha"])
    )
    assert np.array_equal(photograph.pixels, planes[0]) and np.array_equal(alpha_of(photograph), planes[1])


@pytest.mark.parametrize("planes", [False, True])
def test_transparency_that_is_multiplied_in(rgb, planes):
    alpha = np.tile(np.linspace(64, 255, 160).astype(np.uint8), (120, 1))
    stored = np.dstack([(rgb * (alpha[..., None] / 255)).round().astype(np.uint8), alpha])
    source = np.moveaxis(stored, 2, 0) if planes else stored
    config = "separate" if planes else "contig"
    photograph = decode_photograph(tiff(source, photometric="rgb", extrasamples=["assocalpha"], planarconfig=config))
    assert np.abs(photograph.pixels.astype(int) - rgb).max() <= 3 and np.array_equal(alpha_of(photograph), alpha)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("extras", [["unspecified"], ["unspecified"] * 2, ["unspecified", "unassalpha"]])
def test_channels_that_are_no_transparency_are_left_out_and_said(rgb, extras, planes):
    """A scanner's infrared, a saved selection."""
    more = [np.tile(np.linspace(n, 255, 160).astype(np.uint8), (120, 1)) for n in range(len(extras))]
    stored = np.dstack([rgb, *more])
    source = np.moveaxis(stored, 2, 0) if planes else stored
    config = "separate" if planes else "contig"
    photograph = decode_photograph(tiff(source, photometric="rgb", extrasamples=extras, planarconfig=config))
    assert np.array_equal(photograph.pixels, rgb) and photograph.notes == (NOT_TRANSPARENCY,)
    if "unassalpha" in extras:
        assert np.array_equal(alpha_of(photograph), more[1])
    else:
        assert photograph.alpha is None


def test_float_tiffs_profile_is_obeyed(rgb):
    image = pyvips.Image.new_from_array(rgb, interpretation="srgb").icc_transform("p3", input_profile="srgb", depth=16)
    deep = decode_photograph(image.tiffsave_buffer(profile="p3")).pixels
    values = (image.numpy() / 65535).astype(np.float32)
    floats = pyvips.Image.new_from_array(values).tiffsave_buffer(profile="p3")
    assert np.abs(decode_photograph(floats).pixels.astype(int) - deep).max() <= 2
    assert np.abs(deep.astype(int) - (image.numpy())).max() > 500  # the profile matters


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_deep_cmyk_is_as_light_as_that_of_8_bits(rgb, kind):
    cmyk = np.asarray(Image.fromarray(rgb).convert("CMYK"))
    plain = decode_photograph(tiff(cmyk, photometric="separated")).pixels
    deep = cmyk.astype(np.uint16) * 257 if kind == np.uint16 else (cmyk / 255).astype(np.float32)
    decoded = decode_photograph(tiff(deep, photometric="separated")).pixels
    assert np.abs(luminance_of(decoded) - luminance_of(plain)).mean() < 0.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("planes", [False, True])
def test_floats(rgb, dtype, planes):
    values = (rgb / 255).astype(dtype)
    source = np.moveaxis(values, 2, 0) if planes else values
    decoded = decode_photograph(tiff(source, photometric="rgb", planarconfig="separate" if planes else "contig"))
    assert np.abs(decoded.pixels / 65535 - rgb / 255).max() < 1e-3


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("colors", ["gray", "rgb"])
def test_10_12_and_14_bits(rgb, gray, bits, colors):
    source = gray if colors == "gray" else rgb
    values = source.astype(np.uint16) << (bits - 8)
    photometric = "minisblack" if colors == "gray" else "rgb"
    decoded = decode_photograph(tiff(values, photometric=photometric, bitspersample=bits, rowsperstrip=50)).pixels
    assert decoded.dtype == np.uint16 and np.abs(decoded / 65535 - values / (2**bits - 1)).max() < 1e-4


@pytest.mark.parametrize(
    "pixels, name",
    [
        (np.zeros((20, 20), np.uint32), "32-bit integers"),
        (np.zeros((20, 20), np.int16), "signed integers"),
        (np.zeros((20, 20), np.complex64), "complex numbers"),
    ],
)
def test_numbers_that_are_no_photographs_are_named(pixels, name):
    with pytest.raises(UnsupportedError, match=f"TIFF / {name}"):
        decode_photograph(tiff(pixels))


def old_style_jpeg(rgb: np.ndarray) -> bytes:
    """A TIFF around a whole JPEG, as scanners' programs of the nineties wrote it; no writer of it is left."""
    jpeg = io.BytesIO()
    Image.fromarray(rgb).save(jpeg, "JPEG", quality=95, subsampling=0)
    data = jpeg.getvalue()
    height, width = rgb.shape[:2]
    shorts = {256: width, 257: height, 259: 6, 262: 6, 277: 3, 278: height, 512: 1}
    longs = {273: 8, 279: len(data), 513: 8, 514: len(data)}
    bits_at = 8 + len(data) + 2 + 12 * 12 + 4
    entries = [struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in shorts.items()]
    entries += [struct.pack("<HHII", tag, 4, 1, value) for tag, value in longs.items()]
    entries += [struct.pack("<HHII", 258, 3, 3, bits_at)]
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + struct.pack("<3H", 8, 8, 8)


def test_old_style_jpeg_is_decoded_or_refused(rgb):
    content = old_style_jpeg(rgb)
    assert np.abs(luminance_of(decode_photograph(content).pixels) - luminance_of(rgb)).mean() < 1
    with pytest.raises(InputError, match="damaged or incomplete"):
        decode_photograph(content[:8] + bytes(3000) + content[3008:])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_odd_files_are_turned_upright_and_keep_their_profile(rgb, orientation):
    extra = [(274, "H", 1, orientation, True)]
    p3 = pyvips.Image.new_from_array(rgb, interpretation="srgb").icc_transform("p3", input_profile="srgb").numpy()
    profile = bytes(pyvips.Image.profile_load("p3"))
    content = tiff(
        np.moveaxis(p3, 2, 0), photometric="rgb", planarconfig="separate", extratags=extra, iccprofile=profile
    )
    upright = np.rot90(rgb, {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    assert np.abs(decode_photograph(content).pixels.astype(int) - upright).mean() < 1.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_which_white_is_0(gray, dtype):
    inverted = (1 - gray / 255).astype(dtype)
    for transparent in (False, True):
        pixels = np.dstack([inverted, np.full_like(inverted, 0.5)]) if transparent else inverted
        options: dict[str, Any] = {"extrasamples": ["unassalpha"]} if transparent else {}
        photograph = decode_photograph(tiff(pixels, photometric="miniswhite", **options))
        assert np.abs(as_bytes(photograph.pixels).astype(int) - gray).max() <= 1
        assert transparent == (photograph.alpha is not None)
        assert photograph.alpha is None or 32700 < photograph.alpha.mean() < 32800


TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@pytest.mark.parametrize("kind", ["12 bits", "lzma", "adobe_deflate", "half floats"])
def test_bytes_whose_bits_run_the_other_way(gray, kind):
    if kind == "12 bits":
        packed = imagecodecs.packints_encode(gray.astype(np.uint16) << 4, 12, runlen=gray.shape[1])
        content = with_tag(tiff(gray.astype(np.uint16)), 258, 12)
        page = next(read_pages(content))
        content = write_page(pieces.changed(page, {266: 2}), [bytes(packed).translate(TURNED)])
    else:
        pixels = (gray / 255).astype(np.float16) if kind == "half floats" else gray
        page = next(read_pages(tiff(pixels, compression=None if kind == "half floats" else kind, rowsperstrip=50)))
        content = write_page(pieces.changed(page, {266: 2}), [piece.translate(TURNED) for piece in page.pieces()])
    assert np.abs(as_bytes(decode_photograph(content).pixels).astype(int) - gray).max() <= 1


def test_kinds_are_named_truly(gray):
    for content, kind in (
        (with_tag(tiff(gray), 262, 4), "TIFF / a mask"),
        (with_tag(tiff(gray.astype(np.int8)), 339, 7), "TIFF / numbers of kind 7"),
        (with_tag(tiff(gray.astype(np.uint16), compression="adobe_deflate", predictor=True), 258, 12),
         "TIFF / 12 bits per channel, Deflate with a predictor"),
    ):  # fmt: skip
        with pytest.raises(UnsupportedError, match=f"is not supported: {kind},"):
            decode_photograph(content)
    with pytest.raises(InputError, match="it doesn't say how large its picture is"):
        decode_photograph(with_tag(tiff(gray), 256, 0))
