"""Every error a user can cause, as one tree.

    PhotochromError
    ├── InputError          a photograph, hint or option that can't be used
    │   ├── EncodingError   a photograph that its format can't hold
    │   ├── UnsupportedError  a file of a kind that isn't read
    │   ├── TooLargeError   a photograph of more pixels than are taken
    │   └── InColorError    a photograph that is in color already
    ├── OutputError         a result that can't be written
    ├── WeightsError        a weights file or checkpoint that can't be used
    ├── DeviceError         a device that can't be used, or fails
    ├── TrainingError       a training that can't start or go on
    ├── Busy                a service that has no room now
    │   └── Stopping        a service that takes nothing new because it stops
    ├── UnknownJob          a job that a service doesn't have
    └── MissingExtra        an optional part of the package that isn't installed

Each message is one line: what is wrong, and what to do about it. The command line prints it and exits
with 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

OUR_FAULT = "the server failed at this; its log says why"  # what clients are told about an error that isn't theirs

LONGEST_VALUE = 60  # characters of what was given that a message repeats


class PhotochromError(Exception):
    """The root: anything that a user can correct."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes an error goes as its message, not as the arguments that its class makes it of."""
        return _restored, (type(self), str(self), self.__dict__)


class InputError(PhotochromError):
    """A photograph, hint or option that can't be used."""


class EncodingError(InputError):
    """A photograph that its format can't hold."""


class UnsupportedError(InputError):
    """A file of a kind that isn't read, such as "PSD (Photoshop)" or "TIFF / LERC": its `kind`."""

    def __init__(self, name: str, kind: str, advice: str):
        super().__init__(f"{name} is not supported: {kind}, {advice}")
        self.kind = kind
        self.advice = advice


class TooLargeError(InputError):
    """A photograph of more pixels than are taken."""


class InColorError(InputError):
    """A photograph that is in color already, where only gray ones are colored."""

    def __init__(self, name: str):
        super().__init__(f"{name} is in color already: it is left as it is (--recolor colors it anyway)")


class OutputError(PhotochromError):
    """A result that can't be written."""


class WeightsError(PhotochromError):
    """A weights file or checkpoint that can't be used."""


class DeviceError(PhotochromError):
    """A device that can't be used, or fails."""


class TrainingError(PhotochromError):
    """A training that can't start or go on."""


class Busy(PhotochromError):
    """A service that has no room now. retry_after: seconds after which to try again."""

    def __init__(self, message: str, retry_after: int):
        super().__init__(message)
        self.retry_after = retry_after


class Stopping(Busy):
    """A service that takes nothing new because it stops."""


class UnknownJob(PhotochromError):
    """A job that a service doesn't have."""


class MissingExtra(PhotochromError):
    """An optional part of the package that isn't installed."""

    def __init__(self, what: str, extra: str):
        super().__init__(f"{what} needs an extra that is not installed: pip install 'photochrom[{extra}]'")


def _restored(kind: type[PhotochromError], message: str, facts: dict[str, Any]) -> PhotochromError:
    error = kind.__new__(kind)
    error.args = (message,)
    error.__dict__.update(facts)
    return error


# Characters that would break a line, act on a terminal, or can't be encoded: bytes of names that are no UTF-8.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """A message in one line that any terminal can show, whatever names it has: a newline becomes \\n, a byte \\xdf."""
    return UNPRINTABLE.sub(lambda match: escaped(match[0]), text)


def brief(value: Any) -> str:
    """A value as Python writes it, for messages: not longer than a line."""
    try:
        text = one_line(repr(value))
    except ValueError:  # Python doesn't write so many digits
        text = f"a number of type {type(value).__name__} with thousands of digits"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}... ({len(text)} characters)"


def escaped(character: str) -> str:
    """One character in the way of string literals: \\n, \\x1b, or \\xdf for an undecodable byte (surrogateescape)."""
    number = ord(character)
    short = {0x0A: r"\n", 0x0D: r"\r", 0x09: r"\t"}.get(number)
    if short is not None:
        return short
    number -= 0xDC00 if 0xDC80 <= number <= 0xDCFF else 0
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def reason_of(error: BaseException) -> str:
    """An exception as the end of a sentence: one line, without a capital or a full stop."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    line = text.splitlines()[0].rstrip(".")
    return line[:1].lower() + line[1:] if re.match(r"[A-Z][a-z]*[ ,:]", line + " ") else line  # not I/O, not ValueError


def advice_on(name: str, known: Sequence[str], kind: str) -> str:
    """What to do about a name that isn't among the known ones: the near one, or all of their kind."""
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"the {kind} are {', '.join(known)}"


def our_fault(error: Exception) -> str:
    """What to say, behind a photograph's name, of an error that nobody thought of."""
    return f"can't be colored because of a fault of this program ({reason_of(error)}): please report it"
