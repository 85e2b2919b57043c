"""TIFF: which of its pages are photographs, and what decodes each.

Ordinary pages are libvips' work. Where it would give black, scrambled or wrongly colored pixels, a page is written anew
in a form that libvips reads (tiff_pieces.py), its numbers are converted (tiff_colors.py), Pillow decodes it, or it is
refused by the name of its coding.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from functools import partial

from photochrom.photo.formats import tiff_pieces as pieces
from photochrom.photo.formats.arrays import BLOB, from_array
from photochrom.photo.formats.faults import Damaged, Unsupported
from photochrom.photo.formats.hush import hushed
from photochrom.photo.formats.picture import CheckSize, Picture
from photochrom.photo.formats.plain import pillow_pixels
from photochrom.photo.formats.raw import open_raw, raw_kind
from photochrom.photo.formats.tiff_colors import CIELAB, ICCLAB, YCBCR, from_lab, from_ycbcr
from photochrom.photo.formats.tiff_pages import (
    BITS,
    COMPRESSION,
    EXTRA,
    FORMAT,
    HEIGHT,
    INK_SET,
    ORIENTATION,
    PHOTOMETRIC,
    PLANAR,
    PREDICTOR,
    PROFILE,
    STRIP_OFFSETS,
    SUB_PAGES,
    SUBSAMPLING,
    WIDTH,
    Page,
    read_pages,
    read_sub_pages,
)  # fmt: skip
from photochrom.photo.vips import load_in_place, pyvips

JPEG, OLD_JPEG, LZW, PACKBITS = 7, 6, 5, 32773
JPEG_START, JPEG_FILE = 513, b"\xff\xd8\xff"  # a tag; how a JPEG file begins
CCITT = (2, 3, 4, 32771)
VIPS_CODECS = {1, 2, 3, 4, 5, JPEG, 8, 32946, 32773, 50001, 32771, 32766, 32809}
NAMES = {
    2: "CCITT", 3: "CCITT fax 3", 4: "CCITT fax 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG", 8: "Deflate", 9: "JBIG",
    10: "JBIG", 34661: "JBIG", 34715: "JBIG2", 32773: "PackBits", 32809: "ThunderScan", 32908: "Pixar film",
    32909: "Pixar zip", 33003: "JPEG 2000 (YCbCr)", 33004: "JPEG 2000 (lossy)", 33005: "JPEG 2000", 33007: "ALT JPEG",
    34676: "LogLuv", 34677: "LogLuv (24 bits)", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG (DNG)",
    34925: "LZMA", 34933: "PNG", 34934: "JPEG XR", 22610: "JPEG XR", 50000: "Zstandard", 50001: "WebP",
    32946: "Deflate", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
# Channels that are colors, by photometric interpretation.
COLORS = {
    0: 1,
    1: 1,
    2: 3,
    3: 1,
    5: 4,
    YCBCR: 3,
    CIELAB: 3,
    ICCLAB: 3,
}
UNREAD_COLORS = {4: "a mask", 10: "ITULab", 32844: "LogL", 32845: "LogLuv"}
PALETTE, CMYK = 3, 5
COLOR_NAMES = {PALETTE: "a palette", YCBCR: "YCbCr", CIELAB: "CIELAB", ICCLAB: "ICCLab"}
ASSOCIATED, UNASSOCIATED = 1, 2  # kinds of extra channels that are transparency
UNSIGNED, FLOAT, UNDEFINED = 1, 3, 4
UNREAD_NUMBERS = {2: "signed integers", 5: "complex integers", 6: "complex numbers"}
NOT_TRANSPARENCY = "an extra channel, which isn't transparency"


def open_tiff(data: bytes, check_size: CheckSize) -> Iterator[Picture]:
    """The pictures of all pages that are photographs. Raises Unsupported or Damaged."""
    pages = list(read_pages(data))
    below = [sub for page in pages for sub in read_sub_pages(page)] if any(SUB_PAGES in p.tags for p in pages) else []
    kind = raw_kind(data, [*pages, *below])
    if kind:
        yield open_raw(kind, data, check_size)
        return
    for page in _photographs(pages, below):
        yield _picture(page, check_size)


def _photographs(pages: list[Page], below: list[Page]) -> list[Page]:
    """The pages that aren't smaller versions or masks of others."""
    whole = [page for page in pages if not page.is_reduced]
    if pages[0].is_reduced:
        whole = whole or [page for page in below if not page.is_reduced]
    return whole or pages[:1]


def _picture(page: Page, check_size: CheckSize) -> Picture:
    if not page.value(WIDTH) or not page.value(HEIGHT):
        raise Damaged("it doesn't say how large its picture is")
    check_size(page.value(WIDTH), page.value(HEIGHT))
    if PHOTOMETRIC not in page.tags:
        page = pieces.changed(page, {PHOTOMETRIC: CMYK if INK_SET in page.tags else 2 if page.samples > 2 else 1})
    compression, photometric = page.value(COMPRESSION, 1), page.value(PHOTOMETRIC, 1)
    kind = f"TIFF / {NAMES.get(compression, f'compression {compression}')}"
    if compression == OLD_JPEG:
        return Picture(partial(_load_old_jpeg, page, kind), "tiff")
    _check_colors(page, photometric)
    _check_numbers(page, photometric)
    page.spans()
    notes = (NOT_TRANSPARENCY,) if any(extra not in (ASSOCIATED, UNASSOCIATED) for extra in _extras(page)) else ()
    if not _is_ordinary(page, photometric, compression):
        return Picture(partial(_load_odd, page, kind, photometric), "tiff", notes=notes)
    verify = partial(pieces.check_deflate, page) if compression in (8, 32946) else None
    return Picture(partial(_load_page, page), "tiff", partial(_load_rewritten, page), verify, notes)


def _is_ordinary(page: Page, photometric: int, compression: int) -> bool:
    """Whether libvips reads a page right."""
    if photometric in (CIELAB, ICCLAB) or (photometric == YCBCR and compression != JPEG):
        return False
    planar = page.value(PLANAR, 1) == 2 and page.samples > 1
    if compression == JPEG and pieces.is_lossless_jpeg(page):
        return False
    if compression == PACKBITS and page.value(PREDICTOR, 1) != 1:
        return False  # libtiff would ignore the predictor
    return compression in VIPS_CODECS and not planar and _has_usual_depth(page) and page.number is not None


def _has_usual_depth(page: Page) -> bool:
    return page.bits[0] in (1, 2, 4, 8, 32) or (page.bits[0] == 16 and page.value(FORMAT, UNSIGNED) != FLOAT)


def _extras(page: Page) -> tuple[int, ...]:
    """The kinds of the channels that are no color; 0 for one that isn't explained."""
    amount = max(0, page.samples - COLORS.get(page.value(PHOTOMETRIC, 1), 1))
    return (page.values(EXTRA) + (0,) * amount)[:amount]


def _check_colors(page: Page, photometric: int) -> None:
    if photometric not in COLORS:
        raise Unsupported(f"TIFF / {UNREAD_COLORS.get(photometric, f'colors of kind {photometric}')}")
    if page.samples < COLORS[photometric]:
        raise Damaged("it has fewer channels than its colors need")
    if photometric == CMYK and page.value(INK_SET, 1) != 1:
        raise Unsupported("TIFF / inks other than CMYK")
    subsampled = photometric == YCBCR and page.values(SUBSAMPLING) != (1, 1)
    if subsampled and page.value(COMPRESSION, 1) != JPEG and (page.value(PLANAR, 1) == 2 or page.bits[0] != 8):
        raise Unsupported("TIFF / subsampled YCbCr in planes")


def _check_numbers(page: Page, photometric: int) -> None:
    """Raises Unsupported for numbers that aren't read."""
    bits, formats = set(page.bits), set(page.values(FORMAT)[: page.samples] or (UNSIGNED,))
    if len(bits) > 1 or len(formats) > 1:
        raise Unsupported("TIFF / channels of different depths")
    size, format = bits.pop(), formats.pop()
    if format == FLOAT:
        if size not in (16, 32, 64):
            raise Unsupported(f"TIFF / {size}-bit floating-point numbers")
    elif format not in (UNSIGNED, UNDEFINED):
        raise Unsupported(f"TIFF / {UNREAD_NUMBERS.get(format, f'numbers of kind {format}')}")
    elif size > 16:
        raise Unsupported(f"TIFF / {size}-bit integers")
    elif size not in (8, 16) and not (size in (1, 2, 4) and page.samples == 1) and not 9 <= size <= 15:
        raise Unsupported(f"TIFF / {size} bits per channel")
    limit = 8 if photometric in (PALETTE, YCBCR) else 16 if photometric in (CIELAB, ICCLAB) else 64
    if size > limit or (photometric in (CIELAB, ICCLAB) and size not in (8, 16)):
        raise Unsupported(f"TIFF / {size} bits per channel of {COLOR_NAMES[photometric]}")


def _load_page(page: Page) -> pyvips.Image:
    how = {"page": page.number, "fail_on": "warning", "access": "sequential"}
    image = load_in_place(pyvips.Image.tiffload_source, page.data, **how)
    return _colors(page, _upright_tones(page, page.value(PHOTOMETRIC, 1), image))


def _load_rewritten(page: Page) -> pyvips.Image:
    """The page without what says nothing about pixels: what is warned of now is damage. Raises Damaged."""
    try:
        # Of damage to LZW, libtiff says that it is an error; its warnings are about an old way of writing it.
        fail_on = "error" if page.value(COMPRESSION) == LZW else "warning"
        image = pyvips.Image.tiffload_buffer(pieces.rewritten(_explicit(page)), fail_on=fail_on).copy_memory()
        if page.value(COMPRESSION) in CCITT:
            # It may say nothing of a fax that ends early, and leaves the rest white.
            again = pyvips.Image.tiffload_buffer(pieces.continued(_explicit(page)), fail_on=fail_on)
            if (image != again).max():
                raise Damaged("a part of its picture is not there")
        return _colors(page, _upright_tones(page, page.value(PHOTOMETRIC, 1), image))
    except pyvips.Error as error:
        raise Damaged("a part of its picture can't be decoded") from error


def _explicit(page: Page) -> Page:
    """The page with tags that say what libtiff would have to guess, and warn of."""
    formats = page.values(FORMAT)[:1] or (UNSIGNED,)
    return pieces.changed(
        page, {BITS: page.bits[:1] * page.samples, FORMAT: formats * page.samples, EXTRA: _extras(page)}
    )


def _upright_tones(page: Page, photometric: int, image: pyvips.Image) -> pyvips.Image:
    """Floats of a page in which white is 0 turned over, as libvips does it with integers only."""
    if photometric != 0 or page.value(FORMAT, UNSIGNED) != FLOAT:
        return image
    tones = (1 - image[0]).cast(image.format)
    return (tones.bandjoin(image[1:]) if image.bands > 1 else tones).copy(interpretation=image.interpretation)


def _load_strictly(content: bytes) -> pyvips.Image:
    return pyvips.Image.tiffload_buffer(content, fail_on="warning")


def _load_odd(page: Page, kind: str, photometric: int) -> pyvips.Image:
    """A page that libvips doesn't read as it is. Raises Unsupported or Damaged."""
    try:
        content = _readable(page, kind)
    except Unsupported:
        if page.value(COMPRESSION) == pieces.ZSTD and page.bits[0] <= 8 and photometric in (0, 1, 2, 3):
            return _colors(page, _load_with_pillow(page, kind))
        raise
    page = next(read_pages(content))
    if page.value(PLANAR, 1) == 2 and page.samples > 1:
        return _colors(page, _joined(page, photometric))
    if photometric == YCBCR and page.values(SUBSAMPLING) == (1, 1):
        return _described(page, from_ycbcr(_load_strictly(pieces.raw_rgb(_explicit(page))).numpy()[..., :3], page))
    if photometric in (CIELAB, ICCLAB):
        return _described(
            page, from_lab(_load_strictly(pieces.raw_rgb(_explicit(page))).numpy()[..., :3], photometric), profile=False
        )
    return _colors(page, _upright_tones(page, photometric, _load_strictly(content)))


def _readable(page: Page, kind: str) -> bytes:
    """A file with this page alone, in a compression and depth that libvips has."""
    if not _has_usual_depth(page):
        return pieces.unpacked(page, f"TIFF / {page.bits[0]} bits per channel, {kind.removeprefix('TIFF / ')}")
    compression = page.value(COMPRESSION, 1)
    if compression == JPEG and pieces.is_lossless_jpeg(page):
        return pieces.decompressed(page, "TIFF / lossless JPEG")
    if compression not in VIPS_CODECS or (compression == PACKBITS and page.value(PREDICTOR, 1) != 1):
        return pieces.decompressed(page, kind)
    return pieces.rewritten(_explicit(page))


def _joined(page: Page, photometric: int) -> pyvips.Image:
    """A page whose channels are stored one after the other."""
    channels = [_load_strictly(content) for content in pieces.planes(page)]
    image = channels[0].bandjoin(channels[1:])
    if photometric == YCBCR:
        return from_ycbcr(image.numpy()[..., :3], page)
    if photometric in (CIELAB, ICCLAB):
        return from_lab(image.numpy()[..., :3], photometric)
    if photometric == 0:  # white is 0; transparency isn't turned over
        largest = {"uchar": 255, "ushort": 65535}.get(image.format, 1)
        image = (largest - image[0]).cast(image.format).bandjoin(image[1:])
    deep = image.format != "uchar"
    names = {1: "grey16" if deep else "b-w", 3: "rgb16" if deep else "srgb", 4: "cmyk"}
    image = image.copy(interpretation=names[COLORS[photometric]])
    return _described(page, _divided(image) if _extras(page)[:1] == (ASSOCIATED,) else image)


def _divided(image: pyvips.Image) -> pyvips.Image:
    """The image without its last channel, transparency, multiplied into its colors, as libvips' loader does it."""
    largest = {"uchar": 255, "ushort": 65535}.get(image.format, 1)
    plain = image.unpremultiply(max_alpha=largest)
    return (plain.rint() if largest > 1 else plain).cast(image.format).copy(interpretation=image.interpretation)


def _load_old_jpeg(page: Page, kind: str) -> pyvips.Image:
    """Old-style JPEG. A gray one is often a whole JPEG file, whatever the tags say of its tables."""
    starts = (*page.values(JPEG_START), *page.values(STRIP_OFFSETS)[:1])
    start = next((start for start in starts if page.data[start : start + 3] == JPEG_FILE), None)
    if page.samples > 1 or start is None or page.pieces_per_plane > 1:
        return _load_with_pillow(page, kind)
    try:
        image = pyvips.Image.jpegload_buffer(page.data[start:], fail_on="warning").copy_memory()
    except pyvips.Error as error:
        raise Damaged("a part of its picture can't be decoded") from error
    if (image.width, image.height) != (page.value(WIDTH), page.value(HEIGHT)):
        raise Damaged("its picture has another size than it says")
    return _described(page, image)


def _load_with_pillow(page: Page, kind: str) -> pyvips.Image:
    from PIL.TiffImagePlugin import TiffImageFile

    if page.number is None:
        raise Unsupported(kind)
    try:
        # libtiff prints warnings, and Pillow has no other way to be told not to.
        with hushed(), closing(TiffImageFile(io.BytesIO(page.data))) as opened:
            opened.seek(page.number)
            pixels = pillow_pixels(opened)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds of errors for a damaged file
        raise Damaged("a part of its picture can't be decoded") from error
    return _described(page, from_array(pixels))


def _described(page: Page, image: pyvips.Image, *, profile: bool = True) -> pyvips.Image:
    """The image with the page's orientation and color profile."""
    image = image.copy()
    if PROFILE in page.tags and profile:
        image.set_type(BLOB, "icc-profile-data", page.tags[PROFILE].tobytes())
    image.set_type(pyvips.GValue.gint_type, "orientation", page.value(ORIENTATION, 1))
    return image


def _colors(page: Page, image: pyvips.Image) -> pyvips.Image:
    """The image with its colors and at most one more channel, which is transparency."""
    extras = _extras(page)
    if page.value(PHOTOMETRIC, 1) == YCBCR and page.samples == 3:
        return image[:3] if image.bands > 3 else image  # read as RGBA
    if not extras:
        return image
    colors = image.bands - len(extras)
    alpha = next((n for n, extra in enumerate(extras) if extra in (ASSOCIATED, UNASSOCIATED)), None)
    if alpha is None:
        return image[:colors] if colors > 1 else image[0]
    kept = (image[:colors] if colors > 1 else image[0]).bandjoin(image[colors + alpha])
    return kept.copy(interpretation=image.interpretation)
