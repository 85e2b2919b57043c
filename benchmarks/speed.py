"""Measure photochrom's speed, memory and size, side by side in one run; write benchmarks/RESULTS.md and RESULTS.json.

    python benchmarks/speed.py [PART...] [--against PATH_OR_COMMIT]    (nothing else should run; needs the dev extra)

Parts: photographs, growth, folder, generator, training, stages, size. Without any, all are measured, which takes about
an hour. Figures of parts that are left out stay from the JSON that is there. --against: what this build is compared
with: a wheel, a folder with a checkout, or a commit of this repository (`git worktree` makes a folder for the run).
All builds run with the packages that are installed here. What runs side by side runs in turn, again and again.
Figures that got worse than those in the JSON are named: ratios always, seconds and memory if the machine is the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import speed_parts
from processes import Build, build_of
from speed_tables import TABLES, figures_of

RESULTS = Path(__file__).with_name("RESULTS.md")
FIGURES = RESULTS.with_suffix(".json")
AGAINST = "38401e0"
NOISE = 1.1  # a figure is worse if it is worse by more than this factor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(TABLES)}; all if none is named")
    parser.add_argument("--against", default=AGAINST, help="wheel, folder or commit to compare with")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each contestant")
    parser.add_argument("--sizes", type=float, nargs="*", help="of `photographs` and `growth`, in millions of pixels")
    parser.add_argument("--count", type=int, default=500, help="photographs of `folder`")
    parser.add_argument("--steps", type=int, default=8, help="of the trainings, each time")
    parser.add_argument("--out", type=Path, default=FIGURES, help="JSON to write; the Markdown goes beside it")
    options = parser.parse_args()
    options.steps = max(options.steps, 3)  # the first ones warm up
    if unknown := set(options.parts) - set(TABLES):
        parser.error(f"no part {', '.join(sorted(unknown))}: name some of {', '.join(TABLES)}")
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    measured = dict(known)
    with build_of(options.against) as before, tempfile.TemporaryDirectory() as folder:
        for part in options.parts or TABLES:
            print(f"measuring {part}", flush=True)
            measured[part] = measure(part, before, Path(folder), options) | {"machine": speed_parts.machine()}
            options.out.write_text(json.dumps(measured, indent=1) + "\n")  # a run that is stopped has this much
    losses = worse(known, measured)
    options.out.with_suffix(".md").write_text(page(measured, losses))
    print(options.out.with_suffix(".md").read_text())


def measure(part: str, before: Build, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one part, as plain JSON types."""
    repeats = options.repeats
    if part == "photographs":
        return speed_parts.photographs(before, folder, options.sizes or (1, 24, 100), repeats)
    if part == "growth":
        return speed_parts.growth(folder, options.sizes or speed_parts.GROWTH, repeats)
    if part == "folder":
        return speed_parts.folder(before, folder, options.count, min(repeats, 3))
    if part == "generator":
        return speed_parts.generators(max(5, 4 * repeats))
    if part == "training":
        return speed_parts.training(folder, options.steps, min(repeats, 3))
    if part == "stages":
        return speed_parts.stages(folder, options.steps)
    return speed_parts.sizes()


def worse(known: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """A line for each figure that got worse than before."""
    lines = []
    for part in measured:
        old, new = figures_of(part, known.get(part)), figures_of(part, measured[part])
        same = known.get(part, {}).get("machine") == measured[part]["machine"]
        for name, figure in new.items():
            if name not in old or not (same or figure.is_ratio) or not (np.isfinite(figure.value) and old[name].value):
                continue
            change = figure.value / old[name].value
            if (1 / change if figure.more_is_better else change) > NOISE:
                lines.append(f"{part}, {name}: {figure.value:.4g}, was {old[name].value:.4g}")
    return lines


def page(measured: dict[str, Any], losses: list[str]) -> str:
    """The Markdown of all figures."""
    sections = [
        "# Speed, memory, size",
        "Written by `benchmarks/speed.py`; medians. Compare the ratios, not the seconds: machines differ. CPU is the "
        "time of all threads and processes together; peak is the largest resident memory of a process. "
        "RESULTS.json has the figures.",
    ]
    machines = list(dict.fromkeys(part["machine"] for part in measured.values()))
    sections += [f"Machine: {machines[0]}."] if len(machines) == 1 else []
    for part, table in TABLES.items():
        if part in measured:
            sections.append(table(measured[part]))
            sections += [f"Machine: {measured[part]['machine']}."] if len(machines) > 1 else []
    said = "\n".join(f"- {line}" for line in losses) or "No figure is worse than in the JSON before."
    return "\n\n".join([*sections, "## Worse than before", said]) + "\n"


if __name__ == "__main__":
    main()
