"""What a file is, is told by its first bytes: formats that are read, and those that are refused by name."""

import builtins
import io
import pickle
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import pyvips
from PIL import Image, features

from photochrom.errors import Busy, EncodingError, InputError, MissingExtra, UnsupportedError
from photochrom.photo import encoding
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats.faults import Unsupported
from photochrom.photo.formats.signature import READ, REFUSED, recognize
from photochrom.photo.metadata.reading import read_metadata
from photochrom.photo.metadata.record import OTHER_PICTURES
from photochrom.photo.photograph import Photograph
from photochrom.settings import READABLE_SUFFIXES


def encoded(pixels: np.ndarray, format_name: str, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_name, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("start, label", [(start, label) for start, label in READ])
def test_signatures_of_formats_that_are_read(start, label):
    assert recognize(start + bytes(600)) == label


@pytest.mark.parametrize("start, label", [(start, label) for start, label, _ in REFUSED])
def test_formats_that_are_refused_are_named(start, label):
    with pytest.raises(UnsupportedError) as raised:
        decode_photograph(start + bytes(600), "old.jpg")
    assert raised.value.kind == label and str(raised.value).startswith(f"old.jpg is not supported: {label}, ")


@pytest.mark.parametrize(
    "content, kind",
    [
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'/>", "SVG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'/>", "SVG"),
        (b"\xef\xbb\xbf  <!DOCTYPE html><html>not found</html>", "a web page"),
        (bytes(128) + b"DICM" + bytes(99), "DICOM"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99), "a film (MPEG-4 or QuickTime)"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1j2ki" + bytes(99), "HEIF / j2ki"),
        (b"RIFF\x99\0\0\0AVI LIST" + bytes(99), "a film (AVI)"),
        (bytes(522) + b"\0\x11\x02\xff\x0c\0" + bytes(99), "PICT"),
        (b"\x99\x01\0\0\x11\xaf" + bytes(99), "FLI"),
        (b"\1\0\0\0\xd0" + bytes(35) + b" EMF" + bytes(99), "EMF"),
        (b"BA\x28" + bytes(11) + b"CI" + bytes(99), "OS/2 bitmap array"),
        (b"just a text", "unknown format"),
        (np.random.default_rng(0).bytes(5000), "unknown format"),
    ],
)
def test_kinds_that_are_refused(content, kind):
    with pytest.raises(UnsupportedError, match="is not supported: ") as raised:
        decode_photograph(content, "x")
    assert raised.value.kind == kind
    assert "\n" not in str(raised.value) and "vips" not in str(raised.value).lower()


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("compression", ["", "tga_rle"])
@pytest.mark.parametrize("with_footer", [True, False])
def test_targa_is_named_although_it_has_no_signature(gray, mode, compression, with_footer):
    file = io.BytesIO()
    Image.fromarray(gray).convert("RGB").convert(mode).save(file, "TGA", compression=compression or None)
    content = file.getvalue()
    assert content.endswith(b"TRUEVISION-XFILE.\0")
    with pytest.raises(UnsupportedError, match="TGA, convert it"):
        decode_photograph(content if with_footer else content[:-26], "x")


@pytest.mark.parametrize("format_name, kind", [("DIB", "DIB (a BMP without its header)"), ("IM", "IM"), ("PCX", "PCX")])
def test_old_kinds_that_pillow_writes_are_named(gray, format_name, kind):
    with pytest.raises(UnsupportedError) as raised:
        decode_photograph(encoded(gray, format_name), "x")
    assert raised.value.kind == kind


@pytest.mark.parametrize("kind, mode", [("P4", "1"), ("P5", "L"), ("P6", "RGB")])
def test_a_second_picture_of_a_ppm_is_not_left_in_silence(gray, kind, mode):
    file = io.BytesIO()
    Image.fromarray(gray).convert(mode).save(file, "PPM")
    content = file.getvalue()
    assert content.startswith(kind.encode()) and decode_photograph(content + b"\n").format == "png"
    with pytest.raises(UnsupportedError, match="PPM / several pictures, divide it with pamsplit"):
        decode_photograph(content * 2, "x")


def test_a_png_for_iphones_is_named(gray):
    content = encoded(gray, "PNG")
    chunk = b"CgBI\x50\0\x20\x02"
    apple = content[:8] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[8:]
    with pytest.raises(UnsupportedError, match=r"PNG / optimized for iPhones \(CgBI\), undo it with pngcrush"):
        decode_photograph(apple, "x")


@pytest.mark.parametrize("extra", ["", "burst", "depth"])
def test_further_pictures_of_a_heic_are_named(gray, extra):
    heif = pytest.importorskip("pillow_heif")
    picture = heif.from_pillow(Image.fromarray(gray).convert("RGBA"))  # transparency is no picture
    if extra == "burst":
        picture.add_from_pillow(Image.fromarray(gray[::-1].copy()))
    file = io.BytesIO()
    picture.save(file, thumbnails=[64] if not extra else [])
    content = file.getvalue()
    if extra == "depth":
        content = content.replace(b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:hevc:2015:auxid:2")
        alpha = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
        content = content.replace(alpha, alpha.replace(b"alpha", b"depth"))
    assert read_metadata(content).left_out == ((OTHER_PICTURES,) if extra else ())


def test_a_comment_of_a_gif_is_named(gray):
    assert read_metadata(encoded(gray, "GIF")).left_out == ()
    assert read_metadata(encoded(gray, "GIF", comment="a cat")).left_out == ("the comment, which is not read from GIF",)


def test_a_second_picture_of_a_jpeg_2000_is_named(gray):
    content = encoded(gray, "JPEG2000")
    place = content.index(b"jp2c") - 4
    assert read_metadata(content).left_out == ()
    more = struct.pack(">I", len(content) - place) + content[place + 4 :]  # the box may say that it goes to the end
    whole = content[:place] + more
    assert read_metadata(whole + more).left_out == (OTHER_PICTURES,)


def test_names_of_files_say_nothing(tmp_path, gray):
    from photochrom.photo.decoding import read_photograph

    path = tmp_path / "lies.jpg"
    path.write_bytes(encoded(gray, "PNG"))
    assert read_photograph(path).format == "png"


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_single_gif(gray, mode):
    picture = Image.fromarray(gray).convert(mode)
    photograph = decode_photograph(encoded(np.asarray(picture.convert("RGB")), "GIF"))
    again = np.asarray(Image.open(io.BytesIO(encoded(np.asarray(picture.convert("RGB")), "GIF"))).convert("RGB"))
    assert photograph.format == "png" and np.array_equal(photograph.pixels, again)


def jpeg_2000(pixels: np.ndarray, **options) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, **options))


def animation(gray: np.ndarray, format_name: str) -> bytes:
    frames = [Image.fromarray(np.roll(gray, 10 * n, axis=1)) for n in range(3)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format_name, save_all=True, append_images=frames[1:], duration=100)
    return buffer.getvalue()


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations_are_refused_by_name(gray, format_name):
    with pytest.raises(UnsupportedError, match="/ animation"):
        decode_photograph(animation(gray, format_name))


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "GIF"])
def test_an_animation_of_one_picture_is_a_photograph(gray, format_name):
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, format_name, save_all=True, append_images=[])
    assert decode_photograph(buffer.getvalue()).pixels.shape[:2] == gray.shape


@pytest.mark.parametrize("magic, largest", [(b"P5", 255), (b"P5", 4095), (b"P5", 65535), (b"P6", 255), (b"P6", 1023)])
def test_ppm_and_pgm_keep_their_depth(gray, magic, largest):
    values = (gray.astype(np.uint32) * largest // 255).astype(">u2" if largest > 255 else np.uint8)
    pixels = np.dstack([values] * 3).astype(values.dtype) if magic == b"P6" else values
    content = magic + b"\n# a comment\n160 120\n%d\n" % largest + pixels.tobytes()
    photograph = decode_photograph(content)
    assert photograph.pixels.dtype == (np.uint16 if largest > 255 else np.uint8)
    expected = pixels.astype(float) / largest
    full = np.iinfo(photograph.pixels.dtype).max
    assert np.abs(photograph.pixels / full - expected).max() < (1 / largest if largest > 255 else 1e-9)


def test_truncated_ppm_and_jpeg_2000_are_damaged(gray):
    for content in (b"P5 160 120 255\n" + gray.tobytes(), jpeg_2000(gray, codecformat="jp2")):
        with pytest.raises(InputError, match="damaged or incomplete"):
            decode_photograph(content[: len(content) // 2])


def test_jpeg_2000(gray, monkeypatch):
    rgb = np.dstack([gray, gray, gray])
    for content in (jpeg_2000(gray), jpeg_2000(rgb, codecformat="jp2")):
        photograph = decode_photograph(content)
        assert np.abs(luminance_of(photograph.pixels) - luminance_of(gray)).max() < 0.01
        assert photograph.format == "png"
    deep = gray.astype(np.uint16) * 257
    assert np.array_equal(decode_photograph(jpeg_2000(deep)).pixels, deep)
    content = jpeg_2000(np.dstack([deep] * 3), codecformat="jp2")
    assert np.array_equal(decode_photograph(content).pixels, np.dstack([deep] * 3))
    without(monkeypatch, "imagecodecs")  # Pillow would make 8 bits of them
    with pytest.raises(UnsupportedError, match=r"JPEG 2000 / color with 16 bits per channel, pip install"):
        decode_photograph(content)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("name", ["jpegxl", "jpegxr"])
def test_jpeg_xl_and_xr(gray, name, deep):
    pixels = gray.astype(np.uint16) * 257 if deep else gray
    options = {"lossless": True} if name == "jpegxl" else {}
    content = bytes(getattr(imagecodecs, f"{name}_encode")(pixels, **options))
    light = pixels / np.iinfo(pixels.dtype).max
    if name == "jpegxl" and deep:  # whose header says that its numbers are linear light
        light = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    decoded = decode_photograph(content).pixels
    assert decoded.dtype == pixels.dtype
    assert np.abs(luminance_of(decoded) - luminance_of((light * 65535).round().astype(np.uint16))).max() < 0.5
    with pytest.raises(InputError, match="damaged or incomplete"):
        decode_photograph(content[: len(content) // 2])


def without(monkeypatch, *modules: str) -> None:
    real = builtins.__import__

    def fake(name, *args, **kwargs):
        if name.split(".")[0] in modules:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fake)


def test_formats_without_their_extra_say_what_to_install(monkeypatch, gray):
    contents = [
        bytes(imagecodecs.jpegxl_encode(gray)),
        bytes(imagecodecs.jpegxr_encode(gray)),
        b"FUJIFILMCCD-RAW " + bytes(500),
    ]
    heic = Photograph(gray).encode("heic")
    without(monkeypatch, "imagecodecs", "rawpy", "pillow_heif", "pillow_jxl")
    for content in contents:
        with pytest.raises(UnsupportedError, match=r"pip install 'photochrom\[formats\]'"):
            decode_photograph(content)
    with pytest.raises(UnsupportedError, match=r"HEIC, pip install 'photochrom\[heic\]', or convert it"):
        decode_photograph(heic)
    with pytest.raises(EncodingError, match=r"can't be written as HEIC: pip install 'photochrom\[heic\]'"):
        Photograph(gray).encode("heic")


@pytest.mark.parametrize("gray_only", [False, True])
def test_heic_there_and_back(photographs, gray_only):
    pixels = np.ascontiguousarray(photographs["coffee"][:120, :160])
    pixels = np.ascontiguousarray(pixels[..., 1]) if gray_only else pixels
    photograph = decode_photograph(Photograph(pixels).encode("heic"))
    assert photograph.format == "heic" and photograph.pixels.dtype == np.uint8
    assert np.abs(luminance_of(photograph.pixels) - luminance_of(pixels)).mean() < 1


def test_heic_of_10_bits_and_transparency(photographs):
    import pillow_heif

    deep = np.ascontiguousarray(photographs["coffee"][:120, :160]).astype(np.uint16) * 257
    alpha = np.tile(np.linspace(0, 65535, 160).astype(np.uint16), (120, 1))
    content = Photograph(deep, alpha).encode("heic")
    assert pillow_heif.open_heif(content, convert_hdr_to_8bit=False).info["bit_depth"] == 10
    photograph = decode_photograph(content)
    assert photograph.pixels.dtype == np.uint16 and photograph.alpha is not None
    assert np.abs(luminance_of(photograph.pixels) - luminance_of(deep)).mean() < 1
    assert np.abs(photograph.alpha.astype(int) - alpha).mean() < 600


def test_heic_in_another_profile_and_lying_down(photographs):
    import pillow_heif

    pixels = pyvips.Image.new_from_array(np.ascontiguousarray(photographs["coffee"][:96, :160]), interpretation="srgb")
    p3 = pixels.icc_transform("p3", input_profile="srgb")
    image = pillow_heif.from_bytes(mode="RGB", size=(160, 96), data=p3.numpy().tobytes())
    image.info["icc_profile"] = bytes(pyvips.Image.profile_load("p3"))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.info["exif"] = exif.tobytes()
    buffer = io.BytesIO()
    image.save(buffer, quality=95, chroma=444)
    photograph = decode_photograph(buffer.getvalue())
    upright = photograph.pixels if photograph.pixels.shape[1] == 160 else np.rot90(photograph.pixels)
    assert np.abs(upright.astype(int) - pixels.numpy()).mean() < 2


def test_camera_raw(gray):
    """A DNG as small as they come: its light comes out in the right order, upright."""
    rows, columns = 64, 96
    ramp = np.tile(np.linspace(500, 15000, columns).astype("<u2"), (rows, 1))
    content = dng(ramp)
    photograph = decode_photograph(content)
    levels = photograph.pixels[rows // 2, 10:-10].mean(axis=1)
    assert photograph.pixels.dtype == np.uint16 and photograph.notes == ("the camera's raw data",)
    assert abs(np.corrcoef(levels, np.arange(len(levels)))[0, 1]) > 0.95


def dng(mosaic: np.ndarray) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    matrix = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags = [
        (50706, 1, 4, (1, 4, 0, 0), True),
        (50708, 2, 0, "a camera", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, (0, 1, 1, 2), True),
        (50721, 10, 9, matrix, True),
        (50778, 3, 1, 21, True),
        (50714, 3, 1, 0, True),
        (50717, 3, 1, 16383, True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
    ]
    tifffile.imwrite(buffer, mosaic, photometric="cfa", extratags=tags, metadata=None)
    return buffer.getvalue()


def hdr_profile(transfer: int) -> bytes:
    head = bytes(128) + (1).to_bytes(4, "big") + b"cicp" + (144).to_bytes(4, "big") + (12).to_bytes(4, "big")
    return head + b"cicp" + bytes(4) + bytes([9, transfer, 0, 1])


def test_profiles_of_high_dynamic_range_are_refused(gray):
    with pytest.raises(UnsupportedError, match="a color profile of PQ"):
        decode_photograph(encoded(gray, "TIFF", icc_profile=hdr_profile(16)))


def test_every_suffix_that_folders_take_is_of_a_known_kind():
    assert {".heic", ".gif", ".jp2", ".jxl", ".dng", ".ppm", ".tif"} <= READABLE_SUFFIXES
    assert not {".svg", ".psd", ".pdf"} & READABLE_SUFFIXES


def test_what_these_tests_need_is_there():
    assert features.check("avif") and features.check("jpg_2000")


def test_too_long_for_its_format():
    wide = Photograph(np.zeros((170, 16_400), np.uint8))
    with pytest.raises(EncodingError, match="WebP: it is 16400 x 170, and WebP holds at most 16383"):
        wide.encode("webp")


def test_large_jpegs_do_without_optimized_coding(rgb, monkeypatch):
    small = encoding.encode(rgb, None, "jpeg", 95)
    monkeypatch.setattr(encoding, "OPTIMIZED_PIXELS", rgb.shape[0] * rgb.shape[1] - 1)
    large = encoding.encode(rgb, None, "jpeg", 95)
    assert len(large) > len(small)
    assert np.array_equal(decode_photograph(bytes(small)).pixels, decode_photograph(bytes(large)).pixels)


def test_boxes_that_lie_about_their_size_are_not_followed():
    for size in (0, 4, 2**31):
        with pytest.raises(InputError):
            decode_photograph(struct.pack(">I", 24) + b"ftypavif\0\0\0\0avifmif1" + struct.pack(">I4s", size, b"meta"))


def test_unsupported_ends_its_sentence():
    assert str(Unsupported("SVG", "draw it")) == "SVG, draw it"


ERRORS = [UnsupportedError("x", "PSD", "save it"), Busy("no room", 7), MissingExtra("a film", "video"), InputError("x")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_go_from_process_to_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_raw_file_that_ends_early_is_damaged_and_its_decoder_prints_nothing(capfd):
    content = dng(np.tile(np.arange(320, dtype=np.uint16) * 50, (240, 1)))
    with pytest.raises(InputError, match="damaged or incomplete"):
        decode_photograph(content[: len(content) - 40_000])
    assert capfd.readouterr().err == ""
