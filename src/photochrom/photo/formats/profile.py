"""Color profiles (ICC) that can't be obeyed."""

from __future__ import annotations

import struct

from photochrom.photo.formats.faults import Unsupported

PQ_HLG = {16: "PQ", 18: "HLG"}  # transfer characteristics (ITU-T H.273)


def refuse_hdr_profile(profile: bytes) -> None:
    """Raises Unsupported for a profile of high dynamic range: converted to sRGB, its picture would be dark or pale."""
    if len(profile) < 132:
        return
    (amount,) = struct.unpack_from(">I", profile, 128)
    for place in range(132, min(132 + 12 * amount, len(profile) - 11), 12):
        name, offset, size = struct.unpack_from(">4sII", profile, place)
        if name == b"cicp" and size >= 12 and profile[offset + 9 : offset + 10] in (b"\x10", b"\x12"):
            kind = PQ_HLG[profile[offset + 9]]
            raise Unsupported(f"a color profile of {kind} (high dynamic range)", "convert it to sRGB first")
