"""libvips, made quiet: import it from here.

What is wrong with a file this program says itself; libvips' warnings would go to standard error beside it.
"""

import os

os.environ.setdefault("VIPS_WARNING", "0")

import pyvips

# pyvips would run Python inside libvips' warnings. Garbage that is collected there may close a damaged file, which
# warns in its turn, and GLib aborts a process that warns while it warns: two of 20,000 damaged files killed theirs so.
pyvips._remove_log_handler()

__all__ = ["pyvips"]
