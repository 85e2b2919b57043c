"""Color profiles (ICC): conversion to sRGB, and those that can't be obeyed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from photochrom.photo.formats.faults import HIGH_DYNAMIC_RANGE, Unsupported
from photochrom.photo.spool import settled
from photochrom.photo.vips import pyvips

COLORANTS = (b"rXYZ", b"gXYZ", b"bXYZ")
SMALLEST_DETERMINANT = 1e-4  # sRGB's is 0.1


def convert_to_srgb(image: pyvips.Image, *, cmyk: bool = False) -> pyvips.Image:
    """The image in sRGB or gray of the same depth, by its profile. One without a meaning is ignored, as browsers do it.

    cmyk: an image without a profile is converted from usual inks. Raises Unsupported for high dynamic range.
    """
    profile = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else b""
    refuse_hdr_profile(profile)
    if is_meaningful(profile) or cmyk:
        # Without black point compensation, the profiles of scanners and printers turn black into gray.
        options: dict[str, Any] = {
            "embedded": True,
            "black_point_compensation": True,
            "depth": 16 if image.format == "ushort" else 8,
        }
        options |= {"input_profile": "cmyk"} if cmyk else {}
        with suppress(pyvips.Error):  # a broken profile
            return settled(image.icc_transform("srgb", **options))
    return image


def is_meaningful(profile: bytes) -> bool:
    """Whether there is a profile that colors can be converted from.

    One that says that its red, green and blue can't be told from one another is ignored, as browsers do it.
    """
    tags = dict(_tags(profile))
    if not profile or profile[16:20] != b"RGB " or any(tag.startswith(b"A2B") for tag in tags):
        return bool(profile)  # it converts by tables, or isn't of RGB
    colorants = [tags[name] for name in COLORANTS if len(tags.get(name, b"")) >= 20]
    if len(colorants) < 3:
        return True  # whoever converts says what is wrong with it
    matrix = np.array([struct.unpack_from(">3i", content, 8) for content in colorants]) / 65536
    return bool(abs(np.linalg.det(matrix)) > SMALLEST_DETERMINANT)


def refuse_hdr_profile(profile: bytes) -> None:
    """Raises Unsupported for a profile of high dynamic range: converted to sRGB, its picture would be dark or pale."""
    for name, content in _tags(profile):
        if name == b"cicp" and len(content) >= 12 and content[9] in HIGH_DYNAMIC_RANGE:
            raise Unsupported(
                f"a color profile of {HIGH_DYNAMIC_RANGE[content[9]]} (high dynamic range)", "convert it to sRGB first"
            )


def _tags(profile: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(profile) < 132:
        return
    (amount,) = struct.unpack_from(">I", profile, 128)
    for place in range(132, min(132 + 12 * amount, len(profile) - 11), 12):
        name, offset, size = struct.unpack_from(">4sII", profile, place)
        yield name, profile[offset : offset + size]
