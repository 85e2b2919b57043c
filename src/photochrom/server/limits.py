"""What a server lends to strangers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Everything that bounds a server's memory and time; each is a flag of `photochrom serve`.

    A photograph in work takes up to about 14 bytes a pixel, so memory is about workers x pixels x 14 bytes, plus
    the model; what waits is on disk.
    """

    body: int = 100_000_000  # bytes of a request
    pixels: int = 100_000_000  # of a photograph
    queue: int = 64  # requests waiting or in work; more are refused
    workers: int = 2  # photographs in work at a time: each is in memory, decoded
    seconds: float = 120.0  # a request may upload, wait and work
    variants: int = 8  # colorings a request
    jobs: int = 64  # waiting or finished jobs that are kept
    keep: float = 3600.0  # seconds a finished job or an untouched page is kept
