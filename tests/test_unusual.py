"""Weird but legal photographs come out right, from file to file: same size, same light, same alpha."""

import io

import numpy as np
import pytest
import pyvips
from PIL import Image

from photochrom.album import run_task
from photochrom.coloring import Request
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import read_photograph
from photochrom.planning import Task


def saved(picture: Image.Image, format_name: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def make_16_bit_gray_with_alpha(rgb):
    gray = rgb[..., 1].astype(np.uint16) * 257
    alpha = np.broadcast_to(np.linspace(0, 65535, gray.shape[1]).astype(np.uint16), gray.shape)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(np.stack([gray, alpha], axis=2)), interpretation="grey16")
    return image.pngsave_buffer(bitdepth=16)


def make_interlaced(rgb):
    return pyvips.Image.new_from_array(rgb).pngsave_buffer(interlace=True)


def make_palette_with_transparency(rgb):
    return saved(Image.fromarray(rgb).quantize(64), "PNG", transparency=5)


def make_1_bit(rgb):
    return saved(Image.fromarray(rgb).convert("1"), "TIFF", compression="group4")


def make_progressive(rgb):
    return saved(Image.fromarray(rgb), "JPEG", progressive=True, quality=95)


def make_cmyk(rgb):
    return saved(Image.fromarray(rgb).convert("CMYK"), "JPEG", quality=95)


def make_panorama(rgb):
    return saved(Image.fromarray(rgb[..., 1]).resize((12_000, 1_000)), "JPEG")


def make_tall_strip(rgb):
    return saved(Image.fromarray(rgb[..., 1]).resize((100, 4_000)), "PNG")


def make_huge_exif(rgb):
    exif = Image.Exif()
    exif[0x010E] = "description " * 5_000  # all that a JPEG can hold
    return saved(Image.fromarray(rgb), "JPEG", exif=exif, quality=95)


def make_monstrous_exif(rgb):
    exif = Image.Exif()
    exif[0x010E] = "description " * 400_000  # 4.8 MB: the picture comes out, without it
    return saved(Image.fromarray(rgb), "PNG", exif=exif)


def make_broken_profile(rgb):
    return saved(Image.fromarray(rgb), "PNG", icc_profile=b"not a profile at all")


def make_many_pages(rgb):
    pages = [Image.fromarray(rgb), Image.fromarray(rgb[:50, :50]), Image.fromarray(rgb[:20])]
    return saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])


def make_still_gif(rgb):
    return saved(Image.fromarray(rgb), "GIF")


MAKERS = {name.removeprefix("make_"): make for name, make in globals().items() if name.startswith("make_")}
LOSSY = {"progressive", "cmyk", "panorama", "huge_exif"}


SLOW = {"panorama"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in MAKERS])
def test_it_comes_out_right(name, colorizer, photographs, tmp_path):
    content = MAKERS[name](photographs["chelsea"])
    suffix = {b"\x89P": "png", b"\xff\xd8": "jpg", b"GI": "gif"}.get(content[:2], "tif")
    source, output = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix.replace('gif', 'png')}"
    source.write_bytes(content)
    outcome = run_task(Task(source, (output,)), colorizer, Request())
    assert outcome.error is None, outcome.error
    before, after = read_photograph(source), read_photograph(output)
    assert after.pixels.shape == (*before.pixels.shape[:2], 3) and after.pixels.dtype == before.pixels.dtype
    difference = np.abs(luminance_of(after.pixels) - luminance_of(before.pixels))
    assert difference.mean() < (0.3 if name in LOSSY else 0.15)
    if before.alpha is None:
        assert after.alpha is None
    else:
        assert after.alpha is not None
        assert np.array_equal(before.alpha, after.alpha)
        assert len(np.unique(after.alpha)) > 1
    if name == "huge_exif":
        assert Image.open(output).getexif()[0x010E] == "description " * 5_000


def test_what_was_meant_is_tested(photographs):
    made = {name: make(photographs["chelsea"]) for name, make in MAKERS.items()}
    assert Image.open(io.BytesIO(made["interlaced"])).info["interlace"] == 1
    assert Image.open(io.BytesIO(made["progressive"])).info["progressive"] == 1
    assert Image.open(io.BytesIO(made["cmyk"])).mode == "CMYK"
    assert Image.open(io.BytesIO(made["1_bit"])).mode == "1"
    assert pyvips.Image.new_from_buffer(made["16_bit_gray_with_alpha"], "").bands == 2
