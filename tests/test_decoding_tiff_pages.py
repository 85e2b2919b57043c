"""TIFFs of several pages: every one is colored, thumbnails are none, and a wrong one is named."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiffs import pages

from photochrom.coloring import Look, Request, color, color_photograph
from photochrom.errors import EncodingError, InputError, TooLargeError, UnsupportedError
from photochrom.photo.color import luminance_of
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.formats import tiff_pages


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


def test_what_is_wrong_with_a_later_page_is_said_of_it(gray):
    for odd, reason in (
        (np.zeros((4, 4), np.uint8), "is 4 x 4 pixels"),
        (gray.astype(np.int16), "is not supported: TIFF / signed integers"),
    ):
        content = pages(*({"pixels": each, "photometric": "minisblack"} for each in (gray, odd)))
        with pytest.raises(InputError, match=f"^two.tif, page 2, {reason}"):
            decode_photograph(content, "two.tif")


def test_a_tiff_of_more_pages_than_are_read_is_refused(gray, monkeypatch):
    buffer = io.BytesIO()
    small = Image.fromarray(gray[:16, :16])
    small.save(buffer, "TIFF", save_all=True, append_images=[small] * 3)
    assert len(decode_photograph(buffer.getvalue()).pages) == 3
    monkeypatch.setattr(tiff_pages, "MAX_PAGES", 3)
    with pytest.raises(UnsupportedError, match="TIFF / more than 3 pages, divide it"):
        decode_photograph(buffer.getvalue())
