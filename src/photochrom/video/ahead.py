"""Work that is done ahead, in another thread: decoding, coloring and encoding a film go on at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
FRAMES = 4  # so many are ready and wait, at most


def ahead(items: Iterator[Item], count: int = FRAMES) -> Iterator[Item]:
    """The same items, each made in another thread before it is asked for; at most `count` wait. Errors come in turn."""
    end = object()
    pool = ThreadPoolExecutor(1)
    try:
        waiting = deque(pool.submit(next, items, end) for _ in range(count))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc] # it isn't the end
    finally:
        pool.shutdown(cancel_futures=True)
