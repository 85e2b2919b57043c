"""Check that quick tests reach every module: that something in it ran, not only its import.

Usage: python tools/reached.py REPORT.json      (`coverage json` writes it; make quick calls this)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "src" / "photochrom"


def main() -> None:
    files = json.loads(Path(sys.argv[1]).read_text())["files"]
    reports = {Path(name).resolve(): report for name, report in files.items()}
    missed = [path for path in sorted(PACKAGE.rglob("*.py")) if not is_reached(path, reports)]
    for path in missed:
        print(f"no quick test reaches {path.relative_to(PACKAGE)}: give it one, or take a mark `slow` off one it has")
    sys.exit(bool(missed))


def is_reached(path: Path, reports: dict[Path, Any]) -> bool:
    """Whether a function of the module ran, or, if it has none with statements, the module itself."""
    if not path.read_text().strip():
        return True
    if path not in reports:
        return False
    parts = {
        name: part["summary"] for name, part in reports[path]["functions"].items() if part["summary"]["num_statements"]
    }
    own = [summary for name, summary in parts.items() if name]
    return not parts or any(summary["covered_lines"] for summary in own or parts.values())


if __name__ == "__main__":
    main()
