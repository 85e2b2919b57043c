"""Refuse files above 1 MB: a repository keeps what was once in it for ever.

Usage: python tools/large_files.py FILE...      (pre-commit calls it with the files of a commit)

Weights are the exception, because they are what the package is for.
"""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 1_000_000  # bytes
WEIGHTS = {".onnx", ".pt"}


def main() -> None:
    large = [name for name in sys.argv[1:] if is_too_large(Path(name))]
    for name in large:
        print(f"{name} has {Path(name).stat().st_size / 1e6:.1f} MB; the limit is {LIMIT / 1e6:g} MB: leave it out")
    sys.exit(bool(large))


def is_too_large(path: Path) -> bool:
    return path.is_file() and path.suffix not in WEIGHTS and path.stat().st_size > LIMIT


if __name__ == "__main__":
    main()
