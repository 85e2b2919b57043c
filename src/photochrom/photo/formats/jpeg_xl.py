"""What the header of a JPEG XL says of its numbers (ISO/IEC 18181-1, annex D)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from photochrom.photo.formats.isobmff import boxes

BARE = b"\xff\x0a"  # how a codestream begins
Choice = tuple[int, int]  # an offset, and how many bits are added to it
SIDE: Sequence[Choice] = ((1, 9), (1, 13), (1, 18), (1, 30))
SMALL_EIGHTH: Sequence[Choice] = ((16, 0), (32, 0), (1, 5), (33, 9))
SMALL_SIDE: Sequence[Choice] = ((1, 6), (65, 8), (321, 10), (1345, 12))
TICKS = (((100, 0), (1000, 0), (1, 10), (1, 30)), ((1, 0), (1001, 0), (1, 8), (1, 10)))
LOOPS: Sequence[Choice] = ((0, 0), (0, 3), (0, 16), (0, 32))
DEPTHS: Sequence[Choice] = ((8, 0), (10, 0), (12, 0), (1, 6))


class Header(NamedTuple):
    """bits: of each number. is_animated: whether it may have several frames."""

    bits: int
    is_animated: bool


class _Bits:
    """Numbers of a codestream, whose bits go from the lowest of each byte to the highest."""

    def __init__(self, content: bytes):
        self.content, self.position = int.from_bytes(content, "little"), 0

    def take(self, amount: int) -> int:
        value = self.content >> self.position & ((1 << amount) - 1)
        self.position += amount
        return value

    def choose(self, choices: Sequence[Choice]) -> int:
        offset, amount = choices[self.take(2)]
        return offset + self.take(amount)

    def skip_size(self, eighths: Sequence[Choice], sides: Sequence[Choice]) -> None:
        choices = eighths if self.take(1) else sides
        self._skip_side(choices)
        if not self.take(3):  # else the width is a ratio of the height
            self._skip_side(choices)

    def _skip_side(self, choices: Sequence[Choice]) -> None:
        if len(choices) == 1:
            self.take(choices[0][1])
        else:
            self.choose(choices)


def read_header(data: bytes) -> Header:
    """The header of a file, a bare codestream or one in boxes."""
    bits = _Bits(_codestream(data)[2:80])
    bits.skip_size(((1, 5),), SIDE)
    if bits.take(1):  # everything is as usual
        return Header(8, False)
    animated = False
    if bits.take(1):
        bits.take(3)  # the orientation
        if bits.take(1):
            bits.skip_size(((1, 5),), SIDE)
        if bits.take(1):
            bits.skip_size(SMALL_EIGHTH, SMALL_SIDE)
        animated = bool(bits.take(1))
        if animated:
            bits.choose(TICKS[0])
            bits.choose(TICKS[1])
            bits.choose(LOOPS)
            bits.take(1)
    if bits.take(1):
        return Header(32, animated)  # floating-point numbers, of whatever size
    return Header(bits.choose(DEPTHS), animated)


def _codestream(data: bytes) -> bytes:
    if data.startswith(BARE):
        return data
    for kind, start, end in boxes(data):
        if kind in (b"jxlc", b"jxlp"):
            return data[start + (4 if kind == b"jxlp" else 0) : end]  # a part begins with its number
    return BARE
