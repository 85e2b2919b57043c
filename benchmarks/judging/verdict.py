"""Whether an output is right, and whether a refusal's reason is true, as far as other readers can tell."""

from __future__ import annotations

import re

import numpy as np

from judging.kinds import is_raw, is_rotten, raw_size, sniff
from judging.pixels import Reading, difference, likeness
from judging.readers import by_pillow, camera_preview, page_size, readings

MOST_PAGES = 5  # that are compared
LIKE = 0.85  # correlation of a developed raw file and its preview, whose tones differ
DAMAGED = re.compile(r"damaged|incomplete|ends before|cut off")
UNKNOWN = re.compile(r"not a photograph in a format|unknown format")
ROTTEN = re.compile(  # in ImageMagick's complaints
    r"corrupt|premature|truncat|unexpected|not enough|insufficient|crc|read error|fetching|not sorted|IO error|bogus|"
    r"bad ",
    re.I,
)
READ = ("JPEG", "PNG", "WebP", "TIFF", "BMP", "AVIF", "GIF")  # an intact one of these is no unknown format
NAMES = {  # how messages may call a format, where that isn't by its own name
    "BigTIFF": "TIFF",
    "TIFF": "TIFF|DNG|camera raw",
    "RAW": "raw",
    "CR3": "raw",
    "PNM": "PPM|PGM|PBM|PAM|PNM|PFM|XV",
    "EPS": "EPS|PostScript",
    "HEIC": "HEI[CF]",
    "AVIF": "AVIF|HEIF",
    "ICO": "ICO|CUR|icon",
}


def judge_colors(data: bytes, content: bytes) -> tuple[str, str]:
    """Whether an output is right, by the first reader that agrees with it."""
    try:
        output = by_pillow(content)
    except Exception as error:  # Pillow raises many kinds of errors
        return "wrong", f"the output can't be read: {error}"
    if is_raw(data):
        return judge_raw(data, output)
    sources, complaints, faults = [], [], []
    for source in readings(data):
        if isinstance(source, str):
            complaints.append(source)
            continue
        sources.append(source)
        fault = difference(output, source)
        if not fault:
            return judge_frames(data, content, max(source.frames for source in sources), output)
        faults.append(fault)
    if sources:
        return "wrong", faults[0]
    return "unjudged", "; ".join(complaints)[:300]


def judge_raw(data: bytes, output: Reading) -> tuple[str, str]:
    """Whether a developed camera's raw file shows what the camera's own preview shows, at the sensor's size."""
    size, preview = raw_size(data), camera_preview(data)
    if size and max(output.size) < 0.9 * max(size):
        return "wrong", "{} x {} of a sensor's {} x {}".format(*output.size, *size)
    if preview is None:
        return "unjudged", "a raw file without a preview that other readers open"
    same = likeness(output, preview)
    if np.isnan(same):
        return "unjudged", "a raw file whose preview is of one color"
    return ("right", "") if same > LIKE else ("wrong", f"correlation with the camera's preview {same:.2f}")


def judge_frames(data: bytes, content: bytes, frames: int, output: Reading) -> tuple[str, str]:
    """Whether an output has all frames or pages of its source, and they look alike."""
    if output.frames != frames and frames > 1:
        return "wrong", f"{output.frames} of {frames} frames or pages"
    for page in range(1, min(frames, MOST_PAGES)):
        made = by_pillow(content, page)
        faults = [difference(made, source) for source in readings(data, page) if isinstance(source, Reading)]
        if faults and all(faults):
            return "wrong", f"page {page + 1}: {faults[0]}"
    return "right", ""


def judge_refusal(data: bytes, message: str) -> tuple[str, str, tuple[str, ...]]:
    """Whether a refusal's reason is true; the message; and the other readers that open the file, where they matter."""
    kind = sniff(data)
    if UNKNOWN.search(message):
        found = list(readings(data, quick=True))
        opens = tuple(source.by for source in found if isinstance(source, Reading))
        return ("false reason" if kind in READ and opens else "refused"), message, opens
    if DAMAGED.search(message):
        found = list(readings(data))
        opens = tuple(source.by for source in found if isinstance(source, Reading))
        # Readers are lenient: that one opens a file counts for nothing if ImageMagick says what is rotten in it.
        rotten = is_rotten(data) or any(
            isinstance(why, str) and why.startswith("imagemagick") and ROTTEN.search(why) for why in found
        )
        return ("false reason" if opens and not rotten else "refused"), message, opens
    return ("refused" if claim_holds(data, kind, message) else "false reason"), message, ()


def claim_holds(data: bytes, kind: str, message: str) -> bool:
    """Whether a format, a size or an animation that a refusal speaks of is there."""
    if "not supported:" in message and "profile of" not in message and kind != "other":
        named = re.search(NAMES.get(kind, re.escape(kind)), message) is not None
        if not named or "animation" not in message:
            return named
    size = re.search(r"(\d+) x (\d+) pixels", message)
    if size or "animation" in message:
        sources = [found for found in readings(data, quick=True) if isinstance(found, Reading)]
        if not sources:
            return True
        page = re.search(r", page (\d+),", message)
        seen = page_size(data, int(page[1]) - 1) if page else sources[0].size
        if size and seen and sorted(seen) != sorted(map(int, size.groups())):
            return False
        return "animation" not in message or any(source.frames > 1 for source in sources)
    return True
