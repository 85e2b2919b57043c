"""Which colors a film's numbers stand for, and turning them into sRGB and back.

Matrix, primaries and transfer are numbers of ITU-T H.273, as FFmpeg has them. Players differ in what they take an
untagged film for, and Chromium takes one for untagged that has only some of the tags. So every output has all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np

from photochrom.errors import InputError
from photochrom.photo.color import FloatArray, PixelArray
from photochrom.photo.formats.faults import HIGH_DYNAMIC_RANGE

RGB, UNSPECIFIED = 0, 2  # a matrix that is none; and "not known", of all three
BT709, SMPTE170M = 1, 6  # of all three
LINES_OF_HD = 720  # from so many on an untagged film is taken for BT.709
LIMITED, FULL = 1, 2  # FFmpeg's color ranges
WEIGHTS = {  # of red and blue in luma, by the matrix; all others are SMPTE 170M's
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
SMPTE170M_WEIGHTS = (0.299, 0.114)
PLANAR = re.compile(r"yuvj?4\d\dp(\d+le)?")  # formats whose planes are Y, Cb and Cr alone
NEUTRAL = 1  # levels of 8 bits: chroma that is no further off is what an encoder left of none


@dataclass(frozen=True)
class ColorTags:
    """Numbers of ITU-T H.273, and whether black and white are the least and the greatest number of all."""

    matrix: int
    primaries: int
    transfer: int
    full: bool

    @property
    def range(self) -> int:
        """FFmpeg's number of the range."""
        return FULL if self.full else LIMITED

    def to_yuv(self, bits: int, most: int) -> FloatArray:
        """The matrix (3, 4) from R, G, B in 0..most and 1 to Y, Cb, Cr of so many bits (ITU-T H.273, 8.3)."""
        red, blue = WEIGHTS.get(self.matrix, SMPTE170M_WEIGHTS)
        luma = np.array([red, 1 - red - blue, blue])
        rows = np.array(
            [luma, (np.array([0, 0, 1]) - luma) / (2 - 2 * blue), (np.array([1, 0, 0]) - luma) / (2 - 2 * red)]
        )
        scale = 2.0 ** (bits - 8)
        sizes, starts = (
            ((219, 224, 224), (16, 128, 128)) if not self.full else (((2**bits - 1) / scale,) * 3, (0, 128, 128))
        )
        return np.column_stack([rows * scale * np.array(sizes)[:, None] / most, scale * np.array(starts)])

    def to_rgb(self, bits: int, most: int) -> FloatArray:
        """Its inverse (3, 4)."""
        forward = self.to_yuv(bits, most)
        inverse = np.linalg.inv(forward[:, :3])
        return np.column_stack([inverse, -inverse @ forward[:, 3]])


def source_tags(picture: av.VideoFrame, name: str) -> ColorTags:
    """The tags by which a film's pictures are read. Raises InputError for high dynamic range."""
    if kind := HIGH_DYNAMIC_RANGE.get(picture.color_trc):
        raise InputError(
            f"{name} has high dynamic range ({kind}), which isn't supported: "
            "convert it to BT.709 first, with a tool that maps its tones"
        )
    usual = _usual(picture)
    matrix = picture.colorspace if picture.colorspace not in (RGB, UNSPECIFIED) else usual
    full = picture.color_range == FULL or picture.format.name.startswith("yuvj")
    if picture.color_range != LIMITED:
        full = full or is_gray(picture) or picture.format.is_rgb
    return ColorTags(matrix, picture.color_primaries, picture.color_trc, full)


def target_tags(picture: av.VideoFrame) -> ColorTags:
    """The tags of a film in color: the source's if it has all of them, else one full set."""
    tags = picture.colorspace, picture.color_primaries, picture.color_trc
    full = picture.color_range == FULL or picture.format.name.startswith("yuvj")
    if picture.colorspace == RGB or UNSPECIFIED in tags:
        tags = (_usual(picture),) * 3
    return ColorTags(*tags, full and not picture.format.is_rgb)


def _usual(picture: av.VideoFrame) -> int:
    return BT709 if picture.height >= LINES_OF_HD else SMPTE170M


def is_gray(picture: av.VideoFrame) -> bool:
    """Whether a picture has luma alone, which FFmpeg's scaler takes for full range whatever its tag says."""
    return len(picture.format.components) == 1 and picture.format.name.startswith("gray")


def to_srgb(picture: av.VideoFrame, tags: ColorTags, deep: bool) -> PixelArray:
    """A picture as it is stored, (H, W) gray or (H, W, 3), uint8 or, if deep, uint16.

    A picture without colors is gray, whatever its format.
    """
    if has_light_alone(picture):
        return _gray_to_srgb(picture, tags.full, deep)
    return colors_to_srgb(picture, tags, deep)


def colors_to_srgb(picture: av.VideoFrame, tags: ColorTags, deep: bool) -> PixelArray:
    """The same with all three channels, (H, W, 3).

    FFmpeg's scaler only makes chroma as large as luma: its own matrices are off by a level of 8 bits and more.
    """
    if picture.format.is_rgb or len(picture.format.components) < 3:
        return picture.to_ndarray(format="rgb48le" if deep else "rgb24")
    bits, most = picture.format.components[0].bits, 65535 if deep else 255
    whole = _rescaled(picture, f"yuv444p{bits}le" if bits > 8 else "yuv444p")
    yuv = np.dstack([plane_of(whole, number) for number in range(3)])
    return cv2.transform(yuv, tags.to_rgb(bits, most))


def from_srgb(pixels: PixelArray, tags: ColorTags, format: str) -> av.VideoFrame:
    """A picture to store, in one of FFmpeg's planar YUV formats, of pixels (H, W, 3): uint8 or uint16."""
    bits = av.VideoFormat(format, 2, 2).components[0].bits
    yuv = yuv_of(pixels, tags, bits)
    whole = picture_of([yuv[..., number] for number in range(3)], f"yuv444p{bits}le" if bits > 8 else "yuv444p")
    return _rescaled(whole, format)


def yuv_of(pixels: PixelArray, tags: ColorTags, bits: int) -> PixelArray:
    """Y, Cb, Cr (H, W, 3) of so many bits, uint8 up to 8 and else uint16, of pixels (H, W, 3): uint8 or uint16."""
    if bits > 8 and pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16) * 257
    yuv = cv2.transform(pixels, tags.to_yuv(bits, np.iinfo(pixels.dtype).max))
    return np.minimum(yuv, 2**bits - 1).astype(np.uint16 if bits > 8 else np.uint8)  # full range's chroma may overflow


def picture_of(planes: list[PixelArray], format: str) -> av.VideoFrame:
    """A picture of planes Y, Cb and Cr in one of FFmpeg's planar formats."""
    picture = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], format)
    for number, plane in enumerate(planes):
        plane_of(picture, number)[...] = plane
    return picture


def _rescaled(picture: av.VideoFrame, format: str) -> av.VideoFrame:
    """A picture in a format of the same range and matrix."""
    return picture.reformat(format=format, src_color_range=FULL, dst_color_range=FULL, interpolation="BICUBIC")


def plane_of(picture: av.VideoFrame, number: int) -> PixelArray:
    """A plane (H, W) of a picture, uint8 or uint16."""
    plane, deep = picture.planes[number], picture.format.components[number].bits > 8
    kind = np.dtype("u1" if not deep else ">u2" if picture.format.is_big_endian else "<u2")
    return np.frombuffer(memoryview(plane), kind).reshape(plane.height, -1)[:, : plane.width]


def has_light_alone(picture: av.VideoFrame) -> bool:
    """Whether a picture has no chroma, or so little that luma alone gives the light, to 0.2 L."""
    if is_gray(picture):
        return True
    if not PLANAR.fullmatch(picture.format.name):
        return False
    bits = picture.format.components[0].bits
    middle, off = 1 << (bits - 1), NEUTRAL * (1 << (bits - 8))
    extremes = [cv2.minMaxLoc(plane_of(picture, number))[:2] for number in (1, 2)]
    return all(middle - off <= least and most <= middle + off for least, most in extremes)


def _gray_to_srgb(picture: av.VideoFrame, full: bool, deep: bool) -> PixelArray:
    bits, stored = picture.format.components[0].bits, plane_of(picture, 0)
    black, white = (0, 2**bits - 1) if full else (16 << (bits - 8), 235 << (bits - 8))
    levels = np.arange(2 ** (8 * stored.dtype.itemsize), dtype=np.float64)
    most = 65535 if deep else 255
    table = np.rint(np.clip((levels - black) / (white - black), 0, 1) * most).astype(np.uint16 if deep else np.uint8)
    return table[stored]


def set_tags(context: Any, tags: ColorTags) -> None:
    """Write tags into an encoder's or a track's settings."""
    context.colorspace, context.color_range = tags.matrix, tags.range
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
