"""Waiting in tests: for a condition, not for a time, so that a busy machine only takes longer."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Return once the condition holds. Fails, saying what did not come, after a time that no machine needs."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"after {seconds:g} seconds still not so: {what}"
        time.sleep(0.01)
