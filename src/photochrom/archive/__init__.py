"""Coloring archives, which needs the extra "archive"."""

import os
from importlib.util import find_spec

from photochrom.errors import MissingExtra

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports to its makers unless it is told not to
if any(find_spec(module) is None for module in ("fsspec", "pebble", "pyarrow", "ray")):
    raise MissingExtra("coloring an archive", "archive")
