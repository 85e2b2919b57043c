"""Files: every format and mode there and back, metadata kept, damaged ones named."""

import io
import os
import struct
import warnings

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import TiffImageFile

from photochrom.errors import InputError, OutputError
from photochrom.photo.decoding import decode_photograph, read_photograph
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS

LOSSLESS = {"png", "tiff", "bmp"}


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut()).resize((96, 64))


def encoded(picture: Image.Image, format_name: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("gray", [False, True])
def test_round_trip(photographs, format_name, gray):
    pixels = photographs["coffee"][:120, :160, 1] if gray else photographs["coffee"][:120, :160]
    photograph = decode_photograph(Photograph(np.ascontiguousarray(pixels)).encode(format_name))
    assert photograph.format == format_name and photograph.pixels.dtype == np.uint8
    back = photograph.pixels
    if gray and back.ndim == 3:  # AVIF and WebP have no gray
        back = back[..., 1]
    difference = np.abs(back.astype(int) - pixels)
    assert difference.max() == 0 if format_name in LOSSLESS else difference.mean() < 3


@pytest.mark.parametrize("format_name", [name for name, f in FORMATS.items() if f.deep])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_16_bits_there_and_back(format_name, shape):
    pixels = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    photograph = decode_photograph(Photograph(pixels).encode(format_name))
    assert photograph.pixels.dtype == np.uint16 and np.array_equal(photograph.pixels, pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16"])
def test_modes_of_png(picture, mode):
    if mode == "I;16":
        source = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
        expected = np.asarray(source)
    else:
        source = picture.convert("P" if mode == "PA" else mode)
        expected = np.asarray(source.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    options = {"transparency": 3} if mode == "PA" else {}
    photograph = decode_photograph(encoded(source, "PNG", **options))
    pixels = photograph.pixels
    if pixels.ndim == 3 and expected.ndim == 2:
        pixels = pixels[..., 0]
    assert np.array_equal(pixels, expected)
    assert (photograph.alpha is not None) == (mode in ("LA", "RGBA", "PA"))


@pytest.mark.parametrize("mode, bits", [("RGB", 24), ("L", 8), ("P", 8), ("1", 1)])
def test_modes_of_bmp(picture, mode, bits):
    source = picture.convert(mode)
    photograph = decode_photograph(encoded(source, "BMP"))
    pixels = photograph.pixels if photograph.pixels.ndim == 3 else np.stack([photograph.pixels] * 3, axis=-1)
    assert photograph.format == "bmp" and np.array_equal(pixels, np.asarray(source.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_gif_keeps_its_transparency(picture, mode):
    source = picture.convert("P") if mode == "P" else Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    source.putpixel((0, 0), 7)
    photograph = decode_photograph(encoded(source, "GIF", transparency=7, optimize=False))
    assert photograph.alpha is not None and photograph.pixels.ndim == (2 if mode == "L" else 3)
    assert np.array_equal(photograph.alpha == 0, np.asarray(source) == 7)


@pytest.mark.parametrize("format_name", FORMATS)
def test_lost_transparency_and_depth_are_named(format_name):
    pixels = np.full((40, 50), 30000, np.uint16)
    clear = Photograph(pixels, np.full_like(pixels, 100))
    opaque = Photograph(pixels.astype(np.uint8), np.full(pixels.shape, 255, np.uint8))
    deep, alpha = FORMATS[format_name].deep, FORMATS[format_name].alpha
    said = " ".join(clear.left_out(format_name))
    assert ("transparency" in said, "of 16 bits per channel" in said) == (not alpha, not deep)
    assert opaque.left_out(format_name) == ()
    back = decode_photograph(clear.encode(format_name))
    assert (back.alpha is None, back.pixels.dtype == np.uint16 and back.bits in (None, 16)) == (not alpha, deep)


def test_10_bits_are_lost_where_8_are_written():
    photograph = Photograph(np.full((40, 50, 3), 30000, np.uint16), format="avif", bits=10)
    assert photograph.left_out() == photograph.left_out("heic") == photograph.left_out("tiff") == ()
    assert photograph.left_out("jpeg") == ("2 of 10 bits per channel, which JPEG can't hold",)


def test_cmyk_jpeg_comes_out_in_its_colors(picture):
    photograph = decode_photograph(encoded(picture.convert("CMYK"), "JPEG", quality=95))
    assert photograph.pixels.shape == (64, 96, 3)
    assert np.corrcoef(photograph.pixels[..., 1].ravel(), np.asarray(picture)[..., 1].ravel())[0, 1] > 0.95


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_reset(picture, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture, "JPEG", exif=exif, quality=100, subsampling=0)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    photograph = decode_photograph(data)
    assert photograph.pixels.shape == expected.shape
    assert np.abs(photograph.pixels.astype(int) - expected).mean() < 1
    written = Image.open(io.BytesIO(photograph.encode()))
    assert written.getexif().get(0x0112, 1) == 1


def test_metadata_is_kept(picture):
    exif = Image.Exif()
    exif[0x010F] = "Voigtlaender"
    exif[0x9003] = "1932:05:01 12:00:00"
    exif.get_ifd(0x8769)[0x9003] = "1932:05:01 12:00:00"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
    data = encoded(picture, "JPEG", exif=exif, dpi=(600, 600), xmp=xmp)
    for format_name in ("jpeg", "png", "webp", "tiff"):
        written = Image.open(io.BytesIO(decode_photograph(data).encode(format_name)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept_xmp = written.info.get("xmp") or written.info.get("XML:com.adobe.xmp", "").encode()
            if isinstance(written, TiffImageFile):
                kept_xmp = dict(written.tag_v2).get(700, b"")
        assert b"xmpmeta" in kept_xmp, format_name
        if format_name != "webp":  # which has no resolution but in its EXIF
            assert round(written.info["dpi"][0]) == 600, format_name
        if format_name != "tiff":
            assert written.getexif()[0x010F].strip("\0 ") == "Voigtlaender", format_name


def test_output_is_tagged_srgb(picture):
    for format_name in ("jpeg", "png", "webp", "tiff"):
        written = Image.open(io.BytesIO(Photograph(np.asarray(picture)).encode(format_name)))
        profile = ImageCms.ImageCmsProfile(io.BytesIO(written.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize("deep", [False, True])
def test_icc_profile_is_converted_to_srgb(deep):
    """A picture in a linear-light profile comes out with the sRGB curve."""
    gray = np.tile(np.linspace(0, 1, 64), (16, 1))
    linear = pyvips.Image.new_from_array(np.repeat(gray[..., None], 3, axis=2).astype(np.float32))
    scale, kind, interpretation = (65535, "ushort", "rgb16") if deep else (255, "uchar", "srgb")
    image = (linear * scale).rint().cast(kind).copy(interpretation=interpretation)
    p3 = image.icc_transform("p3", input_profile="srgb", depth=16 if deep else 8)
    photograph = decode_photograph(p3.write_to_buffer(".png", profile="p3"))
    expected = image.numpy()
    assert photograph.pixels.dtype == expected.dtype
    assert np.abs(photograph.pixels.astype(int) - expected).max() <= (260 if deep else 2)


def test_saturated_display_p3_red_is_converted():
    red = pyvips.Image.new_from_array(np.full((16, 16, 3), [200, 30, 30], np.uint8), interpretation="srgb")
    p3 = red.icc_transform("p3", input_profile="srgb")
    assert abs(p3(0, 0)[0] - 200) > 5  # the same color has other numbers there
    photograph = decode_photograph(p3.write_to_buffer(".png", profile="p3"))
    assert np.abs(photograph.pixels[0, 0].astype(int) - [200, 30, 30]).max() <= 2


def test_broken_icc_profile_is_ignored(picture):
    photograph = decode_photograph(encoded(picture, "PNG", icc_profile=b"not a profile"))
    assert np.array_equal(photograph.pixels, np.asarray(picture))


def test_alpha_travels(picture):
    rgba = picture.copy()
    rgba.putalpha(Image.linear_gradient("L").resize(picture.size))
    for format_name in ("png", "tiff"):
        photograph = decode_photograph(decode_photograph(encoded(rgba, "PNG")).encode(format_name))
        assert photograph.alpha is not None
        assert np.array_equal(photograph.alpha, np.asarray(rgba)[..., 3])


def test_float_tiff(tmp_path):
    path = tmp_path / "float.tif"
    values = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    tifffile.imwrite(path, values)
    assert np.abs(read_photograph(path).pixels / 65535 - values).max() < 1e-4


def broken_files() -> dict[str, bytes]:
    """Damaged files by the dozen: name to content."""
    source = np.random.default_rng(0)
    picture = Image.fromarray(source.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    broken = {
        "empty": b"",
        "text": b"this is not a photograph",
        "page": b"<!DOCTYPE html><html><body>404</body></html>",
        "noise": source.bytes(5000),
        "nulls": bytes(5000),
        "zip": b"PK\x03\x04" + source.bytes(200),
        "pdf": b"%PDF-1.4\n" + source.bytes(100),
        "bm": b"BM" + source.bytes(60),
    }
    for name in ("JPEG", "PNG", "WEBP", "TIFF", "BMP"):
        whole = encoded(picture, name)
        broken[f"half a {name}"] = whole[: len(whole) // 2]
        broken[f"start of a {name}"] = whole[:16]
        broken[f"quarter of a {name}"] = whole[: len(whole) // 4]
    whole = encoded(picture, "PNG")
    broken["flipped bits in a PNG"] = whole[:200] + bytes(b ^ 0xFF for b in whole[200:260]) + whole[260:]
    broken["one pixel"] = encoded(Image.new("L", (1, 1)), "PNG")
    broken["a line"] = encoded(Image.new("L", (3000, 1)), "PNG")
    broken["a ribbon"] = encoded(Image.new("L", (3000, 8)), "PNG")
    huge = bytearray(encoded(Image.new("L", (16, 16)), "PNG"))
    huge[16:24] = struct.pack(">II", 2_000_000, 2_000_000)  # without its checksum mended
    broken["absurd PNG size"] = bytes(huge)
    for name, value in (("NaN", np.nan), ("infinity", np.inf), ("thousands", 5000.0)):
        values = np.full((32, 32), 0.5, np.float32)
        values[3, 4] = value
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values)
        broken[f"{name} in a float TIFF"] = buffer.getvalue()
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((32, 32), np.complex64))
    broken["complex TIFF"] = buffer.getvalue()
    return broken


@pytest.mark.parametrize("name", broken_files())
def test_broken_files_are_named_in_one_line(tmp_path, name):
    path = tmp_path / "old photo.jpg"
    path.write_bytes(broken_files()[name])
    with pytest.raises(InputError) as raised:
        read_photograph(path)
    message = str(raised.value)
    assert str(path) in message and "\n" not in message and len(message) < 300


def test_absurd_declared_size_is_refused_before_decoding():
    bomb = encoded(Image.new("1", (30_000, 20_000)), "PNG")
    assert len(bomb) < 200_000
    with pytest.raises(InputError, match="30000 x 20000"):
        decode_photograph(bomb)


def test_no_python_runs_inside_libvips_warnings():
    """It could collect garbage there that warns itself, and GLib would abort the process."""
    assert pyvips._log_handler_id is None


def test_folder_missing_file_and_no_permission(tmp_path):
    with pytest.raises(InputError, match="folder"):
        read_photograph(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_photograph(tmp_path / "none.jpg")
    path = tmp_path / "locked.jpg"
    path.write_bytes(b"x")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # nobody: root may read everything
    try:
        with pytest.raises(InputError, match="permission"):
            read_photograph(path)
    finally:
        os.seteuid(user)


def test_writing_is_all_or_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    target = tmp_path / "out.png"
    target.write_bytes(b"the old one")

    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a full disk would, it ends the file in its middle
    try:
        with pytest.raises(OutputError, match="file too large"):
            Photograph(noise).save(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_bytes() == b"the old one" and list(tmp_path.iterdir()) == [target]


def test_writing_to_a_missing_folder(tmp_path):
    with pytest.raises(OutputError, match="no such file"):
        Photograph(np.zeros((16, 16), np.uint8)).save(tmp_path / "none" / "out.png")
