"""Every error a user can cause, as one tree.

    PhotochromError
    ├── InputError          a photograph, hint or option that can't be used
    │   └── TooLargeError   a photograph of more pixels than are taken
    ├── OutputError         a result that can't be written
    ├── WeightsError        a weights file or checkpoint that can't be used
    ├── TrainingError       a training that can't start or go on
    └── MissingExtra        an optional part of the package that isn't installed

Each message is one line: what is wrong, and what to do about it. The command line prints it and exits
with 2.
"""

from __future__ import annotations


class PhotochromError(Exception):
    """The root: anything wrong that a user can mend."""


class InputError(PhotochromError):
    """A photograph, hint or option that can't be used."""


class TooLargeError(InputError):
    """A photograph of more pixels than are taken."""


class OutputError(PhotochromError):
    """A result that can't be written."""


class WeightsError(PhotochromError):
    """A weights file or checkpoint that can't be used."""


class TrainingError(PhotochromError):
    """A training that can't start or go on."""


class MissingExtra(PhotochromError):
    """An optional part of the package that isn't installed."""

    def __init__(self, what: str, extra: str):
        super().__init__(f"{what} needs an extra that is not installed: pip install 'photochrom[{extra}]'")
