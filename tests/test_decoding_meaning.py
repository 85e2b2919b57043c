"""What a file's numbers mean, and whether all of them could be decoded: PNG, JPEG, AVIF and WebP."""

import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
import pyvips
from PIL import Image
from tiffs import alpha_of, tiff

from photochrom.commands.telling import say
from photochrom.errors import InputError, UnsupportedError
from photochrom.photo import vips
from photochrom.photo.collections import decode_square
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats.hush import hushed
from photochrom.photo.formats.jpeg import frame_of
from photochrom.photo.photograph import Photograph
from photochrom.training.decoding import decode
from tests.test_formats import animation, encoded, hdr_profile


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels: np.ndarray, *chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    deep = pixels.dtype == np.uint16
    gray = pixels.ndim == 2
    interpretation = ("grey16" if deep else "b-w") if gray else ("rgb16" if deep else "srgb")
    whole = pyvips.Image.new_from_array(pixels, interpretation=interpretation).pngsave_buffer(keep="none")
    return whole[:33] + b"".join(chunks) + whole[33:]


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)))


SRGB = chunk(b"sRGB", b"\0")


def srgb_curve(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, by its formula."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("gamma", [1.0, 0.55, 0.3])
@pytest.mark.parametrize("colors", ["gray", "rgb"])
def test_gama_is_obeyed(rgb, gray, deep, gamma, colors):
    pixels = gray if colors == "gray" else rgb
    pixels = pixels.astype(np.uint16) * 257 if deep else pixels
    full = np.iinfo(pixels.dtype).max
    decoded = decode_photograph(png(pixels, gama(gamma))).pixels
    assert decoded.dtype == pixels.dtype and decoded.shape == pixels.shape
    expected = srgb_curve((pixels / full) ** (1 / gamma)) * full
    assert np.abs(decoded - expected).max() <= 1


@pytest.mark.parametrize("chunks", [[gama(0.45455)], [gama(0.44)], [SRGB, gama(1.0)], [gama(1.0), SRGB]])
def test_gama_of_srgb_changes_nothing(rgb, chunks):
    assert np.array_equal(decode_photograph(png(rgb, *chunks)).pixels, rgb)


def test_a_profile_counts_more_than_gama(rgb):
    image = pyvips.Image.new_from_array(rgb, interpretation="srgb")
    content = image.pngsave_buffer(profile="srgb")
    both = content[:33] + gama(1.0) + content[33:]
    assert np.abs(decode_photograph(both).pixels.astype(int) - rgb).max() <= 1


def test_transparency_is_not_changed_by_gama(rgb):
    alpha = np.tile(np.arange(160, dtype=np.uint8), (120, 1))
    content = encoded(np.dstack([rgb, alpha]), "PNG")
    photograph = decode_photograph(content[:33] + gama(1.0) + content[33:])
    assert np.array_equal(alpha_of(photograph), alpha) and photograph.pixels.mean() > rgb.mean() + 20


P3_PRIMARIES = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


@pytest.mark.parametrize("said_by", ["cHRM", "cICP"])
def test_primaries_are_obeyed(rgb, said_by):
    """Against libvips' profile of Display P3, an independent way."""
    image = pyvips.Image.new_from_array(rgb, interpretation="srgb").icc_transform("p3", input_profile="srgb").numpy()
    chrm = chunk(b"cHRM", struct.pack(">8I", *(round(v * 100_000) for v in P3_PRIMARIES)))
    chunks = [gama(0.45455), chrm] if said_by == "cHRM" else [chunk(b"cICP", bytes([12, 13, 0, 1]))]
    decoded = decode_photograph(png(image, *chunks)).pixels
    assert np.abs(decoded.astype(int) - rgb).max() <= 3 and np.abs(image.astype(int) - rgb).max() > 5


@pytest.mark.parametrize("cicp, same", [((1, 13, 0, 1), True), ((1, 8, 0, 1), False), ((1, 1, 0, 1), False)])
def test_cicp_counts_most(rgb, cicp, same):
    decoded = decode_photograph(png(rgb, chunk(b"cICP", bytes(cicp)), SRGB)).pixels
    assert np.array_equal(decoded, rgb) == same
    if cicp[1] == 8:  # linear light
        assert np.abs(decoded - srgb_curve(rgb / 255) * 255).max() <= 1


@pytest.mark.parametrize(
    "cicp, name", [((9, 16, 0, 1), "PQ"), ((9, 18, 0, 1), "HLG"), ((1, 13, 0, 0), "cICP 1-13-0-0")]
)
def test_high_dynamic_range_is_refused(rgb, cicp, name):
    with pytest.raises(UnsupportedError, match=f"PNG / .*{name}"):
        decode_photograph(png(rgb, chunk(b"cICP", bytes(cicp))))


@pytest.mark.parametrize("range", ["full", "limited"])
@pytest.mark.parametrize("subsampling", ["4:0:0", "4:2:0"])
def test_gray_avif_of_video_range_is_not_pale(gray, range, subsampling):
    content = encoded(np.dstack([gray] * 3), "AVIF", quality=95, subsampling=subsampling, range=range)
    decoded = decode_photograph(content).pixels
    assert np.abs(luminance_of(decoded) - luminance_of(gray)).mean() < 0.7


@pytest.mark.parametrize("pieces", ["AVIF", "WEBP", "PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("part", [0.4, 0.95])
def test_truncated_files_are_called_so(rgb, pieces, part):
    content = encoded(rgb, pieces)
    with pytest.raises(InputError, match=r"^old is damaged or incomplete: it ends before") as raised:
        decode_photograph(content[: round(len(content) * part)], "old")
    assert "vips" not in str(raised.value).lower() and "unable" not in str(raised.value)


def jpeg(rgb: np.ndarray) -> bytes:
    random = np.random.default_rng(0)
    return encoded((rgb * 0.8 + random.integers(0, 40, rgb.shape)).astype(np.uint8), "JPEG", quality=92)


def test_a_jpeg_whose_middle_is_missing_is_refused(rgb):
    """The decoder only warns of it, and fills the rest with gray."""
    content = jpeg(rgb)
    middle = len(content) // 2
    tables = content.index(b"\xff\xc4")
    stray = content[:tables] + bytes(3) + content[tables:]  # of which the decoder warns first, and of nothing else
    for rotten in (
        content[:middle] + content[middle + 2000 :],
        content[:middle] + b"\xff\xd9" + content[middle:],
        stray[:middle] + stray[middle + 2000 :],
    ):
        with pytest.raises(InputError, match="damaged or incomplete: a part of its picture can't be decoded"):
            decode_photograph(rotten)


def test_harmless_warnings_about_a_jpeg_are_no_damage(rgb):
    content = jpeg(rgb)
    whole = decode_photograph(content).pixels
    tables = content.index(b"\xff\xc4")
    for odd in (
        content[:-2] + bytes(9) + content[-2:],
        content + b"trailing" * 9,
        content[:-2] + b"\xff\xd9\0\0",
        content[:tables] + bytes(3) + content[tables:],
    ):
        assert np.array_equal(decode_photograph(odd).pixels, whole)


@pytest.mark.parametrize("marker, bits, kind", [(0xC1, 12, "12 bits"), (0xC5, 8, "hierarchical"), (0xF7, 8, "JPEG-LS")])
def test_codings_of_jpeg_that_are_not_read_are_named(rgb, marker, bits, kind):
    content = jpeg(rgb)
    place = content.index(b"\xff\xc0")
    assert frame_of(content) == (0xC0, 8)
    odd = (
        content[:place] + bytes([0xFF, marker]) + content[place + 2 : place + 4] + bytes([bits]) + content[place + 5 :]
    )
    with pytest.raises(UnsupportedError, match=f"JPEG / {kind}"):
        decode_photograph(odd)


def test_a_jpeg_with_a_gain_map_stays_the_jpeg_that_it_is(rgb):
    image = pyvips.Image.new_from_array(rgb, interpretation="srgb").colourspace("scrgb")
    content = (image * 3).copy(interpretation="scrgb").uhdrsave_buffer(Q=95)
    with Image.open(io.BytesIO(content)) as opened:
        base = np.asarray(opened.convert("RGB"))
    photograph = decode_photograph(content)
    assert photograph.format == "jpeg" and photograph.pixels.dtype == np.uint8
    assert np.abs(luminance_of(photograph.pixels) - luminance_of(base)).mean() < 1
    square = decode_square(content, 64)
    assert abs(luminance_of(square).mean() - luminance_of(np.ascontiguousarray(base[:, 20:140])).mean()) < 2


def test_reasons_are_those_of_the_file(rgb):
    """Eight threads decode files that are damaged in different ways; each gets its own reason, always."""
    content = jpeg(rgb)
    middle = len(content) // 2
    png_whole = encoded(rgb, "PNG")
    files = {
        "a part of its picture can't be decoded": content[:middle] + content[middle + 2000 :],
        "it ends before its picture does": content[:middle],
        "its picture can't be decoded": png_whole[:2000] + bytes(500) + png_whole[2500:],
        "": content[:-2] + bytes(9) + content[-2:],
    }
    wrong: list[str] = []

    def work(reason: str, data: bytes) -> None:
        for _ in range(12):
            try:
                decode_photograph(data, "x")
                said = ""
            except InputError as error:
                said = str(error).removeprefix("x is damaged or incomplete: ")
            if said != reason:
                wrong.append(f"{said} for {reason}")

    threads = [threading.Thread(target=work, args=item) for item in files.items() for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_nobody_works_beside_one_who_is_alone():
    inside, steps = threading.Event(), []

    def lonely() -> None:
        with vips.alone():
            steps.append("alone")
            inside.set()
            steps.append("still alone")

    with vips.company():
        thread = threading.Thread(target=lonely)
        thread.start()
        assert not inside.wait(0.05)
        steps.append("company")
    thread.join()
    assert steps == ["company", "alone", "still alone"]


def test_gray_avif_with_transparency(gray):
    alpha = np.tile(np.arange(160, dtype=np.uint8), (120, 1))
    content = encoded(np.dstack([gray, gray, gray, alpha]), "AVIF", quality=95, subsampling="4:4:4")
    photograph = decode_photograph(content)
    assert np.abs(luminance_of(photograph.pixels)[:, 20:] - luminance_of(gray)[:, 20:]).mean() < 1
    assert np.abs(alpha_of(photograph).astype(int) - alpha).max() < 20


ODD = ["planes", "zstd", "lzma", "gama"]


@pytest.mark.parametrize("name", ODD)
def test_training_and_evaluation_see_what_is_colored(rgb, name):
    content = {
        "planes": tiff(np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate"),
        "zstd": tiff(rgb, photometric="rgb", compression="zstd"),
        "lzma": tiff(rgb, photometric="rgb", compression="lzma"),
        "gama": png(rgb, gama(1.0)),
    }[name]
    whole = decode_photograph(content).pixels
    for small in (decode_square(content, 60, crop=False), decode(content, 60)):
        assert abs(luminance_of(small).mean() - luminance_of(whole).mean()) < 1


REFUSED = ["damaged TIFF", "unread compression", "animation", "SVG"]
REFUSED += ["half a JPEG", "half a PNG", "half a WebP", "half an AVIF", "JPEG with a profile of PQ"]


@pytest.mark.parametrize("name", REFUSED)
def test_training_and_evaluation_refuse_what_is_refused(rgb, gray, name):
    from tiffs import with_tag

    deflated = tiff(rgb, photometric="rgb", compression="adobe_deflate")
    content = {
        "damaged TIFF": deflated[:3000] + bytes(300) + deflated[3300:],
        "unread compression": with_tag(tiff(gray), 259, 32909),
        "animation": animation(gray, "WEBP"),
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'/>",
        "half a JPEG": jpeg(rgb)[: len(jpeg(rgb)) // 2],
        "half a PNG": encoded(rgb, "PNG")[:9000],
        "half a WebP": encoded(rgb, "WEBP")[:1000],
        "half an AVIF": encoded(rgb, "AVIF")[:2000],
        "JPEG with a profile of PQ": encoded(rgb, "JPEG", icc_profile=hdr_profile(16)),
    }[name]
    for small in (lambda: decode_square(content, 60), lambda: decode(content, 60)):
        with pytest.raises(InputError):
            small()


def test_a_square_of_a_deep_tiff_with_transparency(gray):
    deep = Photograph(gray.astype(np.uint16) * 257, np.full(gray.shape, 65535, np.uint16)).encode("tiff")
    square = decode_square(deep, 60, crop=False)
    assert square.shape == (60, 60, 3) and abs(square.mean() - gray.mean()) < 2


def test_what_libraries_print_is_discarded_for_a_moment(capfd):
    with hushed():
        os.write(2, b"LibRaw says so")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_what_photochrom_says_is_heard_while_a_library_is_hushed(capfd):
    begun, finish = threading.Event(), threading.Event()

    def decode_slowly():
        with hushed():
            begun.set()
            finish.wait(10)

    decoder, speaker = threading.Thread(target=decode_slowly), threading.Thread(target=say, args=("it is damaged",))
    decoder.start()
    begun.wait(10)
    speaker.start()
    finish.set()
    speaker.join(10)
    decoder.join(10)
    assert capfd.readouterr().err == "it is damaged\n"
