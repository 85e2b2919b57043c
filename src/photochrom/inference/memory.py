"""Giving memory that was freed back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress


def give_back() -> None:
    """Give back what was freed in small pieces, which glibc keeps. It takes some milliseconds.

    Loading a model frees much: weights of 16 bits and their copies in other forms.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has no such function
            ctypes.CDLL(None).malloc_trim(0)
