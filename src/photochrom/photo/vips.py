"""libvips without its warnings: import pyvips from here.

photochrom says itself what is wrong with a file. libvips would also write warnings to standard error.
"""

import os

os.environ.setdefault("VIPS_WARNING", "0")

import pyvips

# pyvips handles libvips' warnings in Python. Garbage collection there may close a damaged file, which warns too, and
# GLib aborts a process that warns inside a warning. Two of 20,000 damaged files ended their process that way.
pyvips._remove_log_handler()

__all__ = ["pyvips"]
