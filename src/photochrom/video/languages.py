"""Languages of tracks in QuickTime films: FFmpeg knows some by one of their two codes, and some not at all."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import av
import numpy as np

UNDETERMINED = "und"
MUXERS = {".mov": "mov", ".mp4": "mp4", ".m4v": "mp4"}  # FFmpeg's, of films that don't keep every language
SIDE = 32  # pixels of the film that is written to ask
PAIRS = (  # ISO 639-2: for libraries, and as in the languages themselves
    "alb sqi, arm hye, baq eus, bur mya, chi zho, cze ces, dut nld, fre fra, geo kat, ger deu, gre ell, ice isl, "
    "mac mkd, mao mri, may msa, per fas, rum ron, slo slk, tib bod, wel cym"
)
OTHER_CODE = {one: other for pair in PAIRS.split(", ") for one, other in (pair.split(), pair.split()[::-1])}


def held_language(language: str, suffix: str) -> str:
    """The code by which a film of this suffix keeps a language of ISO 639-2, "" if it doesn't."""
    muxer = MUXERS.get(suffix.lower())
    if muxer is None or language == UNDETERMINED:
        return language
    return next((code for code in (language, OTHER_CODE.get(language)) if code and _comes_back(code, muxer)), "")


def facts_of(stream: Any, suffix: str) -> dict[str, str]:
    """A track's metadata, for a film of this suffix."""
    facts = dict(stream.metadata)
    return facts | {"language": held_language(facts["language"], suffix)} if "language" in facts else facts


@cache
def _comes_back(language: str, muxer: str) -> bool:
    """Whether a film's language is read as it was written."""
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as film:
        stream = film.add_stream("mpeg4", rate=1)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.metadata["language"] = language
        picture = av.VideoFrame.from_ndarray(np.zeros((SIDE, SIDE, 3), np.uint8), "rgb24")
        film.mux([*stream.encode(picture), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as film:
        return film.streams.video[0].metadata.get("language") == language
