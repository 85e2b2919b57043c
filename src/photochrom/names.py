"""Names of files: as text that any program reads, and the names of color versions and sidecars."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Set
from pathlib import PurePath

from photochrom.errors import escaped
from photochrom.settings import FORMATS, format_of

UNPLAIN = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")  # breaks a line, or is a byte that isn't UTF-8
ESCAPE = re.compile(r"\\(?:\\|[nrt]|x[0-9a-f]{2})")
SHORT = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
SIDECAR = ".xmp"


def to_text(name: str) -> str:
    """A name as one line of valid Unicode; `from_text` gives the name back.

    Nearly all names stay as they are. In one that has a line break, another control character or bytes that aren't
    UTF-8, these become \\n, \\x1b or \\xdf, and every backslash becomes two. So does a name that already looks so.
    """
    if not (UNPLAIN.search(name) or ESCAPE.search(name)):
        return name
    return UNPLAIN.sub(lambda match: escaped(match[0]), name.replace("\\", "\\\\"))


def from_text(text: str) -> str:
    """The name that `to_text` made this text of."""
    return ESCAPE.sub(lambda match: _unescaped(match[0][1:]), text)


def _unescaped(code: str) -> str:
    if code in SHORT:
        return SHORT[code]
    number = int(code[1:], 16)
    return chr(number if number < 0x80 else 0xDC00 + number)


def color_name(name: PurePath, format: str | None, suffix: str = "") -> PurePath:
    """The usual name of a color version: NAME and the ending of its format.

    format: None for the photograph's own, or PNG if that can't be written. suffix: what is added to NAME.
    """
    own = format_of(name)
    wanted = format or own or "png"
    ending = name.suffix if own == wanted else FORMATS[wanted].suffixes[0]
    return name.with_name(name.stem + suffix + ending)


def long_color_name(name: PurePath, format: str | None, suffix: str = "") -> PurePath:
    """The name of a color version whose usual name is another's too: NAME.EXT and the ending of its format."""
    return name.with_name(name.name + suffix + color_name(name, format).suffix)


def contested(usual: Iterable[PurePath]) -> Set[PurePath]:
    """The usual names of color versions that several photographs would get."""
    return {name for name, count in Counter(usual).items() if count > 1}


def sidecars_of(photograph: PurePath, there: Set[str]) -> list[str]:
    """Those names that are a photograph's sidecars, NAME.xmp and NAME.EXT.xmp, in its own folder."""
    endings = (SIDECAR, SIDECAR.upper(), SIDECAR.title())
    names = (photograph.with_name(stem + end) for stem in (photograph.stem, photograph.name) for end in endings)
    return [str(name) for name in names if str(name) in there]


def sidecar_name(sidecar: str, photograph: PurePath, output: PurePath) -> PurePath:
    """The name that a sidecar of a photograph gets beside a color version."""
    whole = sidecar[: -len(SIDECAR)] == photograph.name
    return output.with_name((output.name if whole else output.stem) + sidecar[-len(SIDECAR) :])
