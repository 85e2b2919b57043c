"""Joining a film's light and its colors: pictures as they are shown, and as the encoder takes them."""

from __future__ import annotations

import av
import cv2
import numpy as np

from photochrom.coloring import Look
from photochrom.inference.colorizer import Coloring, Colorizer
from photochrom.photo.color import PixelArray
from photochrom.video.colors import ColorTags, from_srgb, picture_of, yuv_of
from photochrom.video.fields import are_apart, field_rows, fields_from_srgb
from photochrom.video.film import Film, Frame


def join_picture(
    colorizer: Colorizer, pixels: PixelArray, colorings: tuple[Coloring, ...], fields: str, look: Look
) -> PixelArray:
    """A picture in color, (H, W, 3) of the same type, by its coloring or one per field."""
    colored = np.empty((*pixels.shape[:2], 3), pixels.dtype)
    for rows, coloring in zip(field_rows(fields), colorings, strict=True):
        colored[rows] = colorizer.apply(pixels[rows], coloring, look.strength, look.warmth)
    return colored


def join_to_store(
    colorizer: Colorizer, frame: Frame, colorings: tuple[Coloring, ...], film: Film, look: Look, format: str
) -> av.VideoFrame:
    """A film's frame in color as it is stored, in one of FFmpeg's planar YUV formats."""
    pixels, tags = frame.pixels, film.target_tags
    height, width = pixels.shape[:2]
    if pixels.ndim == 2 and format.startswith("yuv420p") and (not frame.fields or are_apart(height)):
        bits = av.VideoFormat(format, 2, 2).components[0].bits
        kind = np.uint16 if bits > 8 else np.uint8
        planes = [np.empty((height // part, width // part), kind) for part in (1, 2, 2)]
        for rows, coloring in zip(field_rows(frame.fields), colorings, strict=True):
            for plane, made in zip(
                planes, _halved_planes(colorizer, pixels[rows], coloring, look, tags, bits), strict=True
            ):
                plane[rows] = made
        return picture_of([film.stored(plane) for plane in planes], format)
    colored = join_picture(colorizer, pixels, colorings, frame.fields, look)
    return (fields_from_srgb if frame.fields else from_srgb)(film.stored(colored), tags, format)


def _halved_planes(
    colorizer: Colorizer, gray: PixelArray, coloring: Coloring, look: Look, tags: ColorTags, bits: int
) -> tuple[PixelArray, PixelArray, PixelArray]:
    """Y (H, W), Cb and Cr (H / 2, W / 2) of so many bits.

    gray: (H, W). Chroma is stored with half the size, so nothing else has to be joined: with colors the same light has
    another luma, but how much it differs changes as smoothly as the colors do. So the difference is enlarged and added
    to the luma of the gray.
    """
    half = cv2.resize(gray, (gray.shape[1] // 2, gray.shape[0] // 2), interpolation=cv2.INTER_AREA)
    colored = colorizer.apply(half, coloring, look.strength, look.warmth)
    yuv = yuv_of(colored, tags, bits)
    weights = tags.to_yuv(bits, np.iinfo(gray.dtype).max)[0].astype(np.float32)
    scale, black = weights[:3].sum(), weights[3]
    change = cv2.transform(colored.astype(np.float32), weights[None, :3])  # before luma is rounded
    change -= half * scale
    enlarged = cv2.resize(change, gray.shape[::-1], interpolation=cv2.INTER_LINEAR)
    kind = cv2.CV_8U if bits == 8 else cv2.CV_16U
    luma = cv2.addWeighted(enlarged, 1, gray.astype(np.float32), float(scale), float(black), dtype=kind)
    return np.minimum(luma, 2**bits - 1), yuv[..., 1], yuv[..., 2]
