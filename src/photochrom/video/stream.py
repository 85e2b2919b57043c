"""Films whose pictures come one by one, from a program that has no file to look ahead in.

Shots, steady colors and hints are those of `photochrom video`, but for what needs a look ahead: a flash ends a shot up
to 0.3 seconds later, and a hint holds from its own picture on, not before.
"""

from __future__ import annotations

from fractions import Fraction

import av

from photochrom.inference.colorizer import Coloring, Colorizer
from photochrom.photo.color import PixelArray
from photochrom.photo.hints import Hint
from photochrom.video.coherence import Coherence
from photochrom.video.colorize import FilmOptions, color_picture
from photochrom.video.shots import ShotFinder
from photochrom.video.tracking import Points, small_gray


class Stream:
    """The colorings of pictures, in order; what is remembered of the shot so far."""

    def __init__(self, colorizer: Colorizer, options: FilmOptions, size: tuple[int, int], rate: Fraction):
        """size: width and height. rate: pictures per second."""
        self._colorizer, self._options, self._size = colorizer, options, size
        self._anchors = [round(each.time * rate) for each in options.hints]  # numbers of the hints' own pictures
        self._finder = ShotFinder(1 / rate, rate)
        self._coherence = Coherence()
        self._points: Points | None = None

    def next(
        self, number: int, picture: av.VideoFrame, pixels: PixelArray, fields: str, is_cut: bool | None = None
    ) -> tuple[Coloring, ...]:
        """The colorings of the next picture, as `color_picture` gives them.

        number: of the picture, from 0. picture: as it is stored; pixels: its sRGB, (H, W) or (H, W, 3). is_cut:
        whether a shot begins here; without it that is found out.
        """
        if is_cut is None:
            is_cut = bool(self._finder.cuts(number, picture))
        if is_cut or self._points is None:
            self._coherence.begin_shot()
            self._points = self._points_from(number)
        hints = self._options.look.hints_for(pixels) + self._follow(self._points, number, pixels)
        return color_picture(self._coherence, self._colorizer, pixels, fields, self._options, hints)

    def _points_from(self, number: int) -> Points:
        """The points of the hints that are still to come."""
        given = [
            (each.hint, anchor)
            for each, anchor in zip(self._options.hints, self._anchors, strict=True)
            if anchor >= number
        ]
        return Points(self._size, [hint for hint, _ in given], [anchor for _, anchor in given])

    def _follow(self, points: Points, number: int, pixels: PixelArray) -> tuple[Hint, ...]:
        if not points.are_on(number):
            return ()
        points.move(small_gray(pixels), number)
        found = zip(points.hints, points.found(), strict=True)
        return tuple(hint.moved_to(*place) for hint, place in found if place is not None)
