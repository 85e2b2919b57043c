"""An evaluation as a table for people, and as files for programs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from photochrom.errors import OutputError
from photochrom.evaluation.evaluate import Evaluation
from photochrom.evaluation.metrics import bootstrap_interval
from photochrom.photo.files import Photograph, write_photograph


def format_table(evaluation: Evaluation) -> str:
    """The scores as a Markdown table, the samples' figures below."""
    lines = [
        f"{len(evaluation.photographs)} photographs",
        "",
        "| | ΔE2000 (95 % interval) | ÷ gray | colorfulness | ÷ truth |",
        "|---|---|---|---|---|",
    ]
    for scores in evaluation.scores:
        low, high = bootstrap_interval(scores.delta_e)
        delta_e_ratio, colorfulness_ratio = evaluation.ratio(scores.name)
        lines.append(
            f"| {scores.name} | {scores.delta_e.mean():.2f} ({low:.2f}-{high:.2f}) | {delta_e_ratio:.3f} "
            f"| {scores.colorfulness.mean():.1f} | {colorfulness_ratio:.2f} |"
        )
    for name, figures in evaluation.figures.items():
        lines += [
            "",
            f"{name}: one sample's ΔE2000 is {figures['single_sample_delta_e']:.2f}, "
            f"the best of {figures['samples']:.0f} samples' {figures['best_sample_delta_e']:.2f} "
            f"({figures['best_over_single']:.3f} x); two samples are {figures['mean_pairwise_delta_e']:.2f} apart",
        ]
    return "\n".join(lines)


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write report.json, photographs.csv and sheet.jpg. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        summary = {
            "settings": evaluation.settings,
            "photographs": len(evaluation.photographs),
            "scores": {
                s.name: {
                    "delta_e": float(s.delta_e.mean()),
                    "delta_e_interval": bootstrap_interval(s.delta_e),
                    "delta_e_ratio": evaluation.ratio(s.name)[0],
                    "colorfulness": float(s.colorfulness.mean()),
                    "colorfulness_ratio": evaluation.ratio(s.name)[1],
                }
                for s in evaluation.scores
            },
            "figures": evaluation.figures,
        }
        (folder / "report.json").write_text(json.dumps(summary, indent=1) + "\n")
        with (folder / "photographs.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            measures = [
                (f"{s.name}: {m}", getattr(s, m)) for s in evaluation.scores for m in ("delta_e", "colorfulness")
            ]
            writer.writerow(["photograph", *(title for title, _ in measures)])
            for number, name in enumerate(evaluation.photographs):
                writer.writerow([name, *(f"{values[number]:.4f}" for _, values in measures)])
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder}: {(error.strerror or str(error)).lower()}") from error
    if evaluation.sheet is not None:
        write_photograph(Photograph(evaluation.sheet), folder / "sheet.jpg", quality=90)
