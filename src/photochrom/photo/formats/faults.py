"""What is wrong with a file, before its name is known: decoding.py makes messages of these."""

from __future__ import annotations

CONVERT = "convert it to TIFF or PNG with ImageMagick or GIMP"
HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}  # transfers, numbers of ITU-T H.273, that sRGB can't stand for
WITH_EXTRA = "pip install 'photochrom[{extra}]', or " + CONVERT


class Damaged(Exception):
    """A file that can't wholly be decoded. Its text ends the sentence "NAME is damaged or incomplete: ..."."""


class Unsupported(Exception):
    """A file of a kind that isn't read.

    kind: the format and, after a slash, the coding, such as "TIFF / LERC". advice: what to do.
    """

    def __init__(self, kind: str, advice: str = CONVERT):
        super().__init__(f"{kind}, {advice}")
        self.kind = kind
        self.advice = advice


def needs_extra(kind: str, extra: str = "formats") -> Unsupported:
    """The fault of a kind that is read if an extra is installed."""
    return Unsupported(kind, WITH_EXTRA.format(extra=extra))
