"""tifffile's reading of a TIFF's numbers, and what they mean."""

from __future__ import annotations

import io
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from judging.pixels import SURE, UNSURE, Array, Reading, deep_to_8, lab_to_8, reduced, to_srgb

MOST_PAGES = 100  # that are counted
MOST_PIXELS = 120_000_000  # larger pictures are not judged
TURNS = dict(zip(range(2, 9), (Image.Transpose(n) for n in (0, 3, 1, 5, 4, 6, 2)), strict=True))  # by orientation


def by_tifffile(data: bytes, page: int = 0) -> Reading:
    """tifffile's reading of the picture of a TIFF that is not a smaller version of another. Raises any error."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as opened:
        pages = whole_pages(opened)
        chosen = pages[page]
        if chosen.imagewidth * chosen.imagelength > MOST_PIXELS:
            raise MemoryError("too large to judge")
        ends = [start + length for start, length in zip(chosen.dataoffsets, chosen.databytecounts, strict=True)]
        if max(ends) > len(data) or 0 in chosen.databytecounts:
            raise ValueError("truncated")  # tifffile would fill what is missing with zeros
        values = chosen.asarray()
        tags = {tag.code: tag.value for tag in chosen.tags}
        if "S" in chosen.axes and chosen.axes.index("S") == 0:
            values = np.moveaxis(values, 0, -1)
        photometric = int(chosen.photometric) if 262 in chosen.tags else 1 + (chosen.samplesperpixel > 2)
        extra = tuple(chosen.extrasamples)
        bits = chosen.bitspersample
    values, alpha = split_alpha(values, extra)
    image, tolerance = tiff_to_8(values, photometric, bits if isinstance(bits, int) else bits[0], tags)
    rgb, _, by_profile = to_srgb(image, tags.get(34675))
    alpha_image = None if alpha is None else Image.fromarray(deep_to_8(alpha))
    turn = TURNS.get(tags.get(274, 1))
    if turn is not None:
        rgb, alpha_image = rgb.transpose(turn), alpha_image and alpha_image.transpose(turn)
    return reduced("tifffile", rgb, alpha_image, len(pages), max(tolerance, by_profile))


def whole_pages(opened: Any) -> list[Any]:
    """The pages of a TIFF that are no smaller version and no mask of another; if there are none, those in SubIFDs."""
    firsts = list(islice(opened.pages, MOST_PAGES))  # a chain that comes back to itself has no end
    for pages in (firsts, [page for first in firsts for page in first.pages or ()]):
        whole = [page for page in pages if not int(page.subfiletype or 0) & 5]
        if whole:
            return whole
    return firsts[:1]


def split_alpha(values: Array, extra: tuple[Any, ...]) -> tuple[Array, Array | None]:
    """The channels of color, and the first extra one that is alpha."""
    if not extra or values.ndim != 3:
        return values, None
    colors = values.shape[-1] - len(extra)
    alpha = next((values[..., colors + i] for i, kind in enumerate(extra) if int(kind) in (1, 2)), None)
    return values[..., 0] if colors == 1 else values[..., :colors], alpha


def tiff_to_8(values: Array, photometric: int, bits: int, tags: dict[int, Any]) -> tuple[Image.Image, float]:
    """A TIFF page's numbers as a picture of 8 bits, by its PhotometricInterpretation."""
    if photometric == 3:
        colors = np.asarray(tags[320]).reshape(3, -1).T
        return Image.fromarray((colors[values] >> 8 if colors.max() > 255 else colors[values]).astype(np.uint8)), SURE
    if photometric in (8, 9) and values.dtype == np.uint8:
        chroma = values[..., 1:].view(np.int8) if photometric == 8 else values[..., 1:].astype(float) - 128
        return Image.fromarray(lab_to_8(np.dstack([values[..., 0] / 2.55, chroma]))), SURE
    if values.dtype.kind == "u" and 1 < bits < 32 and bits not in (8, 16):
        values = values / (2.0**bits - 1)
    eight = deep_to_8(values)
    if photometric == 0:
        eight = 255 - eight
    if photometric == 5:
        return Image.fromarray(eight, "CMYK"), UNSURE
    if photometric == 6 and tags.get(259) != 7:
        return Image.fromarray(eight, "YCbCr").convert("RGB"), SURE * 2
    if photometric not in (0, 1, 2, 6) or (eight.ndim == 3 and eight.shape[-1] != 3):
        raise ValueError(f"photometric interpretation {photometric}")
    return Image.fromarray(eight), SURE
