"""libvips without its warnings: import pyvips from here.

photochrom says itself what is wrong with a file. libvips would also write warnings to standard error.
"""

import os

os.environ.setdefault("VIPS_WARNING", "0")

import pyvips

# pyvips handles libvips' warnings in Python. Garbage collection there may close a damaged file, which warns too, and
# GLib aborts a process that warns inside a warning. Two of 20,000 damaged files ended their process that way.
pyvips._remove_log_handler()

__all__ = ["first_line", "pyvips"]


def first_line(error: Exception) -> str:
    """The line of a libvips error that says what is wrong; the one before it only names the operation."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 else lines[0] if lines else "unknown reason"
