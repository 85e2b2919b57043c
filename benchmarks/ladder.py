"""The ladder: what each part of the method gains, with the same budget of training and the same photographs.

Usage: python benchmarks/ladder.py TRAIN... --validation PHOTOS --out FOLDER [--minutes 3] [--limit 150]

Every rung adds one part to another rung, or removes one that had not paid. All rungs are trained for about the same
time on the same machine; all except pix2pix see the same number of photographs at the same size. Needs the dev extra.
Each finished rung leaves a JSON file in benchmarks/ladder/ (small text, kept in the repository) and is not repeated;
the table is written to benchmarks/LADDER.md. The rungs so far were trained on squares of 224 pixels, drawn as they are.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from speed_parts import machine

from photochrom.evaluation.evaluate import Evaluation, evaluate
from photochrom.evaluation.metrics import bootstrap_interval

HERE = Path(__file__).parent
LOGS = HERE / "ladder"
TABLE = HERE / "LADDER.md"
SIZE, BATCH, WORKING_SIZE = 128, 32, 128
RATES = {"default": 38.0, "pix2pix": 2.2}  # photographs per second on the 2 cores that these numbers come from
BARE = (  # the default network with nothing but its U-Net and L1
    "pretrained=false",
    "pixel_loss=l1",
    "pixel_weight=30",
    "classification_weight=0",
    "difference_weight=0",
    "noisy=0",
    "candidates=1",
    "augmentation.hinted=0",
    "augmentation.degraded=0",
)


@dataclass(frozen=True)
class Rung:
    """One training: the rung it starts from, its changes, its preset, and the weight of its adversarial loss."""

    name: str
    title: str
    base: str = ""
    changes: tuple[str, ...] = ()
    preset: str = "default"
    adversarial: float = 0.0


LADDER = (
    Rung("pix2pix", "pix2pix preset (256 px, batches of 1)", preset="pix2pix", adversarial=1.0),
    Rung("scratch", "default network from scratch, L1 only", "pix2pix", BARE),
    Rung("pretrained", "+ encoder pretrained on ImageNet", "scratch", ("pretrained=true",)),
    Rung(
        "classification",
        "+ classification on the palette",
        "pretrained",
        ("classification_weight=1", "pixel_loss=smooth-l1"),
    ),
    Rung("adversarial", "+ adversarial (hinge, weight 0.2)", "classification", adversarial=0.2),
    Rung("noise", "+ noise, best of 3", "adversarial", ("noisy=0.4", "candidates=3")),
    Rung("hints", "+ hints", "noise", ("augmentation.hinted=0.4",)),
    Rung("degraded", "+ old-photo degradations", "hints", ("augmentation.degraded=0.5",)),
    Rung(
        "no-classification",
        "all but classification: L1 alone",
        "degraded",
        ("classification_weight=0", "pixel_loss=l1"),
    ),
    Rung("degraded-again", "old-photo degradations, once more: the program of 2026-11-26", "degraded"),
    Rung(
        "difference",
        "+ CIEDE2000 (weight 0.7; pixel 18, classification 0.2)",
        "degraded-again",
        ("difference_weight=0.7", "pixel_weight=18", "classification_weight=0.2"),
    ),
    Rung("edges", "+ edges and dullness (1.0 and 0.2)", "difference", ("edge_weight=1.0", "dullness_weight=0.2")),
    Rung(
        "mixed",
        "CIEDE2000 + CutMix, skipped blocks",
        "difference",
        ("augmentation.mixed=0.4", "generator.drop_path=0.12"),
    ),
    Rung("edges-alone", "CIEDE2000 + edges (1.0)", "difference", ("edge_weight=1.0",)),
    Rung(
        "wide",
        "CIEDE2000 + a decoder 1.5 times as wide",
        "difference",
        ("generator.decoder_channels=[384,240,144]",),
    ),
)
RUNGS = {rung.name: rung for rung in LADDER}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", nargs="+", type=Path)
    parser.add_argument("--validation", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path, help="folder for the trainings: large, not kept")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--limit", type=int, default=150, help="number of validation photographs")
    options = parser.parse_args()
    LOGS.mkdir(exist_ok=True)
    for rung in LADDER:
        log = LOGS / f"{rung.name}.json"
        if not log.exists():
            climb(rung, options, log)
    TABLE.write_text(format_table() + "\n")
    print(TABLE.read_text())


def below(rung: Rung) -> list[Rung]:
    """A rung and all rungs of its preset that it builds on, the lowest one first."""
    base = RUNGS.get(rung.base)
    return [*below(base), rung] if base and base.preset == rung.preset else [rung]


def climb(rung: Rung, options: argparse.Namespace, log: Path) -> None:
    """Train and measure one rung, and write its log."""
    changes = [change for step in below(rung) for change in step.changes]  # a later change of the same value counts
    adversarial = max(step.adversarial for step in below(rung))
    views = int(RATES[rung.preset] * options.minutes * 60)
    batch, size, rate = (BATCH, SIZE, 1e-3) if rung.preset == "default" else (1, 256, 2e-4)
    stage = {"name": "ladder", "steps": views // batch, "size": size, "batch_size": batch, "learning_rate": rate}
    stage |= {"adversarial": adversarial}
    run = options.out / rung.name
    command = [sys.executable, "-m", "photochrom", "train", *map(str, options.photographs), "--out", str(run)]
    command += ["--preset", rung.preset, "--validation", str(options.validation)]
    ema = 0.99 if rung.preset == "default" else 0.999  # short trainings need a short memory
    settings = [f"stages={json.dumps([stage])}", "sample_every=100000", f"ema_decay={ema}", *changes]
    for change in settings:
        command += ["--set", change]
    share_photographs(run, options.out / f"photographs-{rung.preset}")
    subprocess.run([*command, "--steps", "1"], check=True)  # decodes the photographs, before the time is measured
    (run / "checkpoint.pt").unlink()
    began = time.perf_counter()
    subprocess.run(command, check=True)
    minutes = (time.perf_counter() - began) / 60
    found = evaluate(
        [options.validation],
        [str(run)],
        limit=options.limit,
        samples=8,
        hint_counts=(10,),
        historic=("middle",),
        working_size=WORKING_SIZE if rung.preset == "default" else 256,
    )
    log.write_text(json.dumps(summary(rung, found, str(run), views, minutes, settings), indent=1) + "\n")


def share_photographs(run: Path, photographs: Path) -> None:
    """Make all runs of a preset use the same decoded photographs."""
    for folder in (run, photographs):
        folder.mkdir(parents=True, exist_ok=True)
    (run / "photographs").unlink(missing_ok=True)
    (run / "photographs").symlink_to(photographs.resolve())


def summary(rung: Rung, found: Evaluation, model: str, views: int, minutes: float, settings: list[str]) -> dict:
    """The content of a rung's log."""
    gray, scores = found["gray"], found[model]
    matched = next(s for s in found.scores if "matched" in s.name)
    return {
        "title": rung.title,
        "machine": machine(),
        "views": views,
        "minutes": round(minutes, 2),
        "settings": settings,
        "photographs": len(found.photographs),
        "delta_e": [round(float(v), 4) for v in scores.measures["delta_e"]],
        "gray_delta_e": [round(float(v), 4) for v in gray.measures["delta_e"]],
        "colorfulness_ratio": found.ratio(model)[1],
        "matched_ratio": found.ratio(matched.name)[0],
        "kid_ratio": scores.distances["kid_lite"] / gray.distances["kid_lite"],
        "best_over_single": found.diversity[model]["best_over_single"],
        "sample_distance": found.diversity[model]["mean_pairwise_delta_e"],
        "hints_ratio": float(found.hint_curves[model][10].mean() / scores.measures["delta_e"].mean()),
        "old_colorfulness_fall": float(np.mean([row["colorfulness_fall"] for row in found.historic])),
        "old_delta_e_rise": float(np.mean([row["delta_e_rise"] for row in found.historic])),
    }


def format_table() -> str:
    """The table of all finished rungs, with paired intervals of the change from the rung each starts from."""
    paths = {name: LOGS / f"{name}.json" for name in RUNGS}
    logs = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    first = next(iter(logs.values()))
    minutes = np.mean([log["minutes"] for log in logs.values()])
    lines = [
        "# The ladder",
        "",
        f"Written by `benchmarks/ladder.py`: about {minutes:.0f} minutes of training a rung on {first['machine']}; "
        f"measured on {first['photographs']} photographs. ΔE2000 is over the gray photograph's, colorfulness over the "
        "truth's; old photographs: the mean over six kinds at the middle strength.",
        "",
        "| rung | views | minutes | ΔE2000 ÷ gray (95 %) | change to the rung it goes on from (95 %) | colorfulness "
        "| ΔE2000 at matched colorfulness | KID-lite ÷ gray's | best of 8 ÷ one sample | samples apart, ΔE2000 "
        "| 10 hints ÷ none | old photographs: ΔE2000 rises | colorfulness falls |",
        "|" + "---|" * 13,
    ]
    for name, log in logs.items():
        error, gray = np.array(log["delta_e"]), np.array(log["gray_delta_e"])
        low, high = bootstrap_interval(error, gray)
        change = ""
        if RUNGS[name].base:
            before = np.array(logs[RUNGS[name].base]["delta_e"])
            change_low, change_high = bootstrap_interval(error - before, gray)
            change = f"{(error - before).mean() / gray.mean():+.3f} ({change_low:+.3f} to {change_high:+.3f})"
        lines.append(
            f"| {log['title']} | {log['views']:,} | {log['minutes']:.1f} | {error.mean() / gray.mean():.3f} "
            f"({low:.3f}-{high:.3f}) | {change} | {log['colorfulness_ratio']:.2f} | {log['matched_ratio']:.3f} "
            f"| {log['kid_ratio']:.2f} | {log['best_over_single']:.3f} | {log['sample_distance']:.1f} "
            f"| {log['hints_ratio']:.3f} | {log['old_delta_e_rise']:+.1%} | {log['old_colorfulness_fall']:+.1%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
