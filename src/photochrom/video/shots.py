"""Looking through a film before it is colored: where shots begin (PySceneDetect does the work), and its fields."""

from __future__ import annotations

import math
from fractions import Fraction

import cv2
import numpy as np
from av import VideoFrame
from scenedetect import ContentDetector, FrameTimecode
from scenedetect.common import Timecode
from scenedetect.scene_manager import compute_downscale_factor

from photochrom.errors import InputError
from photochrom.video.fields import FieldOrder
from photochrom.video.film import Film, check_whole, read_pictures

THRESHOLD = 22.0  # mean change of luma at a cut; PySceneDetect's 27 is for color, and misses cuts between gray shots
SHORTEST = "0.3s"


def look_through(film: Film, last: int | None = None) -> tuple[list[int], str]:
    """The first tick of every shot that begins before `last`, the film's first one included, and the order of fields.

    The order is nothing if all pictures are whole; the first interlaced one may come late.
    Raises InputError for a film that is damaged or breaks off before `last`, or whose pictures change their size.
    """
    finder = ShotFinder(film.time_base, film.rate)
    begins, tick, fields = {film.start}, film.start, FieldOrder()
    size: tuple[int, int] | None = None
    try:
        for tick, picture in read_pictures(film, last=last):
            size = size or (picture.width, picture.height)
            if (picture.width, picture.height) != size:
                raise InputError(
                    f"{film.path} changes the size of its pictures from {size[0]} x {size[1]} to "
                    f"{picture.width} x {picture.height} pixels"
                )
            fields.add(picture)
            begins |= {film.pts_at(seconds) for seconds in finder.cuts(max(0, tick - film.start), picture)}
    except InputError as error:
        if tick == film.start:
            raise
        until = math.floor(100 * film.seconds_at(tick)) / 100
        raise InputError(f"{error}: color what is before with --to {until:.2f}") from error
    if last is None:
        check_whole(film, tick)
    return sorted(begins), fields.order


class ShotFinder:
    """Finds cuts in pictures that come one after the other."""

    def __init__(self, time_base: Fraction, rate: Fraction):
        self._time_base, self._rate = time_base, rate
        self._detector = ContentDetector(threshold=THRESHOLD, min_scene_len=SHORTEST, luma_only=True)

    def cuts(self, tick: int, picture: VideoFrame) -> list[float]:
        """The times of the cuts that the next picture shows, in seconds: its own, or an earlier one after a flash."""
        at = FrameTimecode(Timecode(tick, self._time_base), fps=self._rate)
        return [cut.seconds for cut in self._detector.process_frame(at, _small(picture))]


def _small(picture: VideoFrame) -> np.ndarray:
    """A frame as PySceneDetect takes it: BGR, made as small as its own reader makes it."""
    pixels = picture.to_ndarray(format="bgr24")
    factor = compute_downscale_factor(max(pixels.shape[:2]))
    if factor <= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] / factor)), max(1, round(pixels.shape[0] / factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
