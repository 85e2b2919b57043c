"""What a photograph's file says beside its pixels, as one value that belongs to no file format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from photochrom.photo.metadata.mark import Mark

CREDENTIALS = "content credentials (C2PA), which are of the file before it was changed"
OTHER_PICTURES = "further pictures in the file (a gain map or previews)"
CM_PER_INCH = 2.54
NEARLY_WHOLE = 0.01  # dots per inch: PNG and BMP round to dots per meter, so 300 comes back as 299.9994


@dataclass(frozen=True)
class Resolution:
    """Pixels per unit, horizontally and vertically. unit: "inch", "cm", or "" if only their ratio means something."""

    x: float
    y: float
    unit: str

    def per(self, unit: str) -> tuple[float, float]:
        """The same resolution per inch or per cm; as it is, if its unit is not known."""
        if self.unit in ("", unit):
            return self.x, self.y
        factor = CM_PER_INCH if unit == "inch" else 1 / CM_PER_INCH
        return self.x * factor, self.y * factor

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole ones, which a JFIF header can hold."""
        return self.x == round(self.x) and self.y == round(self.y)

    def turned(self) -> Resolution:
        """The resolution of the picture turned by a quarter."""
        return Resolution(self.y, self.x, self.unit)

    def in_inches_if_whole(self) -> Resolution:
        """Per inch, if that is a whole number but for a container's rounding; else as it is."""
        inches = self.per("inch")
        if self.unit and all(abs(value - round(value)) < NEARLY_WHOLE and round(value) for value in inches):
            return Resolution(round(inches[0]), round(inches[1]), "inch")
        return self


class Text(NamedTuple):
    """A text of a PNG: its keyword, the text, and for an international one its language and translated keyword."""

    keyword: str
    text: str
    language: str = ""
    translated: str = ""


class Resource(NamedTuple):
    """One of Photoshop's image resources. name: as it is stored, mostly empty."""

    number: int
    name: bytes
    data: bytes


@dataclass(frozen=True)
class Metadata:
    """Metadata of a photograph; what is empty was not there.

    exif: a TIFF block, as it stands in a JPEG behind "Exif". iptc: IIM datasets. xmp: a packet. photoshop: image
    resources other than IPTC. comments: of a JPEG, as stored. texts: of a PNG. thumbnail: there was one in the
    EXIF, so a new one is made. left_out: what the file had and a color version can't have, in words. source: the
    SHA-256 of the file. mark: how the colors were made, None for a photograph that was not colored here.
    """

    exif: bytes = b""
    iptc: bytes = b""
    xmp: bytes = b""
    photoshop: tuple[Resource, ...] = ()
    comments: tuple[bytes, ...] = ()
    texts: tuple[Text, ...] = ()
    resolution: Resolution | None = None
    thumbnail: bool = False
    left_out: tuple[str, ...] = ()
    source: str = ""
    mark: Mark | None = None


class Blocks(NamedTuple):
    """Metadata in the form in which one container takes it; each container ignores what it has no place for.

    exif, xmp, iptc: as in `Metadata`. resources: all Photoshop resources, IPTC among them, as one block.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    resources: bytes = b""
    comments: tuple[bytes, ...] = ()
    texts: tuple[Text, ...] = ()
    resolution: Resolution | None = None


def decoded(data: bytes) -> str:
    """Text of a file that does not say its encoding: UTF-8, or else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
