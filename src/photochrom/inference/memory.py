"""How glibc, the C library of most Linux systems, keeps memory that was freed; other libraries go their own way."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

M_ARENA_MAX = -8  # of mallopt


def give_back() -> None:
    """Give what was freed in small pieces back to the system, which glibc doesn't by itself. That takes milliseconds.

    Loading a model frees much: weights of 16 bits and their copies in other forms.
    """
    _call("malloc_trim", 0)


def share_freed() -> None:
    """Let threads take what others have freed, instead of keeping it for themselves; for the rest of the process."""
    _call("mallopt", M_ARENA_MAX, 1)


def _call(name: str, *values: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library has no such function
            getattr(ctypes.CDLL(None), name)(*values)
