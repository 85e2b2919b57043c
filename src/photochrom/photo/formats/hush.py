"""Standard error without what libraries in C print there: photochrom says itself what is wrong with a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

speaking = threading.Lock()  # who has it is heard


@contextmanager
def hushed() -> Iterator[None]:
    """Discard what is written to standard error while this lasts, by any thread that doesn't hold `speaking`."""
    with speaking:
        try:
            kept = os.dup(2)
        except OSError:  # standard error is closed
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
