"""TIFFs of every kind: right pixels, or a refusal by name. Never black, never a part."""

import io
import lzma
import struct
import tracemalloc
import zlib
from contextlib import suppress
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms

from photochrom.coloring import Look, Request, color, color_photograph
from photochrom.errors import EncodingError, InputError, TooLargeError, UnsupportedError
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats import tiff_pages
from photochrom.photo.formats import tiff_pieces as pieces
from photochrom.photo.formats.tiff import NOT_TRANSPARENCY
from photochrom.photo.formats.tiff_pages import read_pages, write_page
from photochrom.photo.photograph import Photograph
from tests.test_formats import without


def tiff(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def alpha_of(photograph: Photograph) -> np.ndarray:
    assert photograph.alpha is not None
    return photograph.alpha


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else ((pixels.astype(int) + 128) // 257).astype(np.uint8)


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


def with_tag(content: bytes, tag: int, value: int) -> bytes:
    """A file with another number in a short tag of its first directory."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        entry = file.pages[0].tags[tag]
        big = file.byteorder == ">"
    return (
        content[: entry.valueoffset] + value.to_bytes(2, "big" if big else "little") + content[entry.valueoffset + 2 :]
    )


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


def pages(*described: dict) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for page in described:
            writer.write(page.pop("pixels"), photometric=page.pop("photometric", "rgb"), **page)
    return buffer.getvalue()


def test_a_thumbnail_is_not_taken_for_the_photograph(rgb):
    small = np.ascontiguousarray(rgb[::4, ::4])
    before = pages({"pixels": small, "subfiletype": 1}, {"pixels": rgb})
    below = pages({"pixels": small, "subfiletype": 1, "subifds": 1}, {"pixels": rgb, "compression": "zstd"})
    behind = pages({"pixels": rgb}, {"pixels": small, "subfiletype": 1})
    pyramid = pages({"pixels": rgb, "subifds": 1}, {"pixels": small, "subfiletype": 1})
    for content in (before, below, behind, pyramid):
        photograph = decode_photograph(content)
        assert np.array_equal(photograph.pixels, rgb) and photograph.pages == ()
    alone = decode_photograph(pages({"pixels": rgb, "subfiletype": 1}))
    assert np.array_equal(alone.pixels, rgb)


def test_every_page_is_colored(rgb, gray, loud):
    deep = gray[:50].astype(np.uint16) * 257
    content = pages(
        {"pixels": rgb},
        {"pixels": deep, "photometric": "minisblack", "compression": "zstd"},
        {"pixels": gray[:40, :30], "photometric": "minisblack"},
    )
    photograph = decode_photograph(content)
    assert [page.pixels.shape for page in photograph.pages] == [(50, 160), (40, 30)]
    (colored,) = color(content, "x.tif", Request(), loud)
    with tifffile.TiffFile(io.BytesIO(colored.content)) as file:
        assert [page.shape for page in file.pages] == [(120, 160, 3), (50, 160, 3), (40, 30, 3)]
        assert [page.dtype for page in file.pages] == [np.uint8, np.uint16, np.uint8]
        written = [page.asarray() for page in file.pages]
    for page, source in zip(written, (rgb, deep, gray[:40, :30]), strict=True):
        assert np.abs(luminance_of(page) - luminance_of(source)).mean() < 0.5
        assert page.std(axis=2).mean() > 1  # in color
    again = decode_photograph(colored.content)
    assert [np.array_equal(a.pixels, b) for a, b in zip((again, *again.pages), written, strict=True)] == [True] * 3


def test_hints_are_for_the_first_page(rgb, loud):
    from photochrom.photo.hints import parse_hint

    photograph = decode_photograph(pages({"pixels": rgb}, {"pixels": np.ascontiguousarray(rgb[:20, :20])}))
    hint = parse_hint("150,110,#c81e1e")  # outside the second page
    assert len(color_photograph(photograph, Look(hints=(hint,)), loud).pages) == 1


def test_pages_go_to_tiff_alone(rgb):
    photograph = decode_photograph(pages({"pixels": rgb}, {"pixels": rgb}))
    with pytest.raises(EncodingError, match="has 2 pages, and only TIFF holds more than one"):
        photograph.encode("jpeg")


def test_pages_count_together_and_an_odd_one_is_named(rgb):
    both = pages({"pixels": rgb}, {"pixels": rgb})
    with pytest.raises(TooLargeError, match=r"pages of more than 0\.03 million pixels together"):
        decode_photograph(both, "x", max_pixels=30_000)
    odd = pages({"pixels": rgb}, {"pixels": np.full((20, 20), 7, np.float32), "photometric": "minisblack"})
    with pytest.raises(InputError, match=r"^x, page 2, holds floating-point numbers outside"):
        decode_photograph(odd, "x")


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


def test_what_is_wrong_with_a_later_page_is_said_of_it(gray):
    for odd, reason in (
        (np.zeros((4, 4), np.uint8), "is 4 x 4 pixels"),
        (gray.astype(np.int16), "is not supported: TIFF / signed integers"),
    ):
        content = pages(*({"pixels": each, "photometric": "minisblack"} for each in (gray, odd)))
        with pytest.raises(InputError, match=f"^two.tif, page 2, {reason}"):
            decode_photograph(content, "two.tif")


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


def test_a_tiff_of_more_pages_than_are_read_is_refused(gray, monkeypatch):
    buffer = io.BytesIO()
    small = Image.fromarray(gray[:16, :16])
    small.save(buffer, "TIFF", save_all=True, append_images=[small] * 3)
    assert len(decode_photograph(buffer.getvalue()).pages) == 3
    monkeypatch.setattr(tiff_pages, "MAX_PAGES", 3)
    with pytest.raises(UnsupportedError, match="TIFF / more than 3 pages, divide it"):
        decode_photograph(buffer.getvalue())
