"""An evaluation as tables for people, and as files for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np

from photochrom.errors import OutputError, reason_of
from photochrom.evaluation.html import format_html
from photochrom.evaluation.metrics import Estimate, bootstrap_interval
from photochrom.evaluation.places import MEASURES_FILE, PAGE, SHEET, STRIPS, SUMMARY
from photochrom.evaluation.results import MEASURES, Evaluation, Scores
from photochrom.evaluation.table import Block, Table, blocks_to_markdown
from photochrom.photo.photograph import Photograph

SHEET_PHOTOGRAPHS = 12  # of the overview


def format_table(evaluation: Evaluation) -> str:
    """All figures as Markdown tables."""
    return blocks_to_markdown(report_blocks(evaluation))


def report_blocks(evaluation: Evaluation) -> list[Block]:
    """All figures as tables and paragraphs."""
    blocks: list[Block] = [
        f"{len(evaluation.photographs)} photographs",
        score_table(evaluation),
        fault_table(evaluation),
        distance_table(evaluation),
        skin_table(evaluation),
    ]
    blocks += [_diversity_line(name, figures) for name, figures in evaluation.diversity.items()]
    if evaluation.hint_curves:
        blocks.append(hint_table(evaluation))
    if evaluation.historic:
        blocks.append(historic_table(evaluation))
    return blocks


def score_table(evaluation: Evaluation) -> Table:
    """Measures per photograph, with 95 % bootstrap intervals of the first two figures."""
    gray = evaluation["gray"].measures["delta_e"]
    head = ["", "ΔE2000 (95 % interval)", "÷ gray (95 % interval)", "colorfulness", "÷ truth", "ΔCF of means"]
    head += ["mean ΔCF", "PSNR, dB", "SSIM"]
    rows = [["truth", "0", "0", f"{evaluation.true.colorfulness.mean():.1f}", "1", "0", "0", "", "1"]]
    for scores in evaluation.scores:
        error, color = scores.measures["delta_e"], scores.measures["colorfulness"]
        low, high = bootstrap_interval(error)
        ratio, share = evaluation.ratio(scores.name)
        ratio_low, ratio_high = bootstrap_interval(error, gray)
        of_means, mean_of = colorfulness_differences(evaluation, scores)
        rows.append(
            [
                scores.name,
                f"{error.mean():.2f} ({low:.2f}-{high:.2f})",
                f"{ratio:.3f} ({ratio_low:.3f}-{ratio_high:.3f})",
                f"{color.mean():.1f}",
                f"{share:.2f}",
                f"{of_means:.1f}",
                f"{mean_of:.1f}",
                f"{scores.measures['psnr'].mean():.2f}",
                f"{scores.measures['ssim'].mean():.4f}",
            ]
        )
    return Table(head, rows)


def colorfulness_differences(evaluation: Evaluation, scores: Scores) -> tuple[float, float]:
    """Both definitions in use: |difference of the means|, and mean of the photographs' |difference|."""
    color, true_color = scores.measures["colorfulness"], evaluation.true.colorfulness
    return float(abs(color.mean() - true_color.mean())), float(np.abs(color - true_color).mean())


def fault_table(evaluation: Evaluation) -> Table:
    """The faults that people notice first, with 95 % bootstrap intervals."""
    head = ["faults", "95th percentile of ΔE2000", "÷ gray", "left gray", "patchy ÷ truth", "green or purple skin"]
    rows = [["truth", "0", "0", "0.0%", "1", "0.0%"]]
    for scores in evaluation.scores:
        faults = evaluation.faults(scores.name)
        rows.append(
            [
                scores.name,
                _with_interval(faults["delta_e_95"], ".2f"),
                _with_interval(faults["delta_e_95_ratio"], ".3f"),
                _with_interval(faults["left_gray"], ".1%"),
                _with_interval(faults["patchy_ratio"], ".2f"),
                _with_interval(faults["wrong_skin"], ".1%"),
            ]
        )
    return Table(head, rows)


def _with_interval(figure: Estimate, form: str) -> str:
    """A figure and its interval as text; empty if there is none."""
    if math.isnan(figure.value):
        return ""
    return f"{figure.value:{form}} ({figure.low:{form}}-{figure.high:{form}})"


def distance_table(evaluation: Evaluation) -> Block:
    """Distances between the set of colored pictures and the set of true ones, on named networks."""
    gray = evaluation["gray"].distances
    if not gray:
        return "Too few photographs for distances between sets."
    published = "fid_inception" in gray
    head = ["EfficientNet-Lite0 features", "FD-lite", "KID-lite x 1000 (± s.d. over halves)", "KID-lite ÷ gray's"]
    head += ["FID (Inception, torch-fidelity)", "LPIPS (AlexNet)"] if published else []
    rows = []
    for scores in evaluation.scores:
        d = scores.distances
        row = [scores.name, f"{d['fd_lite']:.1f}", f"{d['kid_lite']:.2f} ± {d['kid_lite_std']:.2f}"]
        row.append(f"{d['kid_lite'] / gray['kid_lite']:.3f}")
        rows.append(row + ([f"{d['fid_inception']:.2f}", f"{d['lpips_alex']:.4f}"] if published else []))
    return Table(head, rows)


def skin_table(evaluation: Evaluation) -> Block:
    """Hue and chroma of skin-toned regions against the truth's."""
    count = int(np.isfinite(evaluation["mean ab"].measures["skin_chroma"]).sum())
    if count == 0:
        return "No photograph shows skin tones."
    head = [f"skin tones, {count} photographs", "hue difference, degrees (95 % interval)", "its mean size"]
    head.append("chroma ÷ truth's")
    rows = []
    for name in evaluation.contestants:
        hue, chroma = (evaluation[name].measures[m] for m in ("skin_hue", "skin_chroma"))
        low, high = bootstrap_interval(hue)
        mean, size, ratio = np.nanmean(hue), np.nanmean(np.abs(hue)), np.nanmean(chroma)
        rows.append([name, f"{mean:+.1f} ({low:+.1f} to {high:+.1f})", f"{size:.1f}", f"{ratio:.2f}"])
    return Table(head, rows)


def _diversity_line(name: str, figures: dict[str, float]) -> str:
    return (
        f"{name}: one sample's ΔE2000 is {figures['single_sample_delta_e']:.2f}, "
        f"the best of {figures['samples']:.0f} samples' {figures['best_sample_delta_e']:.2f} "
        f"({figures['best_over_single']:.3f} x; {figures['best_over_noise_0']:.3f} x noise 0's); "
        f"two samples are {figures['mean_pairwise_delta_e']:.2f} apart; "
        f"{figures['variance_along_one_axis']:.0%} of their variance is along one axis"
    )


def hint_table(evaluation: Evaluation) -> Table:
    """Delta E for each number of true-color points, divided by delta E without any."""
    counts = sorted({count for curve in evaluation.hint_curves.values() for count in curve})
    rows = []
    for name, curve in evaluation.hint_curves.items():
        without = evaluation[name].mean("delta_e")
        rows.append([name, *(f"{curve[c].mean() / without:.3f}" for c in counts)])
    return Table(["ΔE2000 with hints ÷ without", *map(str, counts)], rows)


def historic_table(evaluation: Evaluation) -> Table:
    """How much worse old photographs become, by the kind of damage and its strength."""
    rows = [
        [
            f"{row['model']}: {row['way']}",
            f"{row['strength']}",
            f"{row['delta_e']:.2f}",
            f"{row['delta_e_rise']:+.1%}",
            f"{row['colorfulness']:.1f}",
            f"{row['colorfulness_fall']:+.1%}",
        ]
        for row in evaluation.historic
    ]
    return Table(["old photographs", "strength", "ΔE2000", "rises by", "colorfulness", "falls by"], rows)


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write report.html, report.json, photographs.csv, sheet.jpg and the strips. Raises OutputError."""
    try:
        (folder / STRIPS).mkdir(parents=True, exist_ok=True)
        _write_text(json.dumps(_summary(evaluation), indent=1) + "\n", folder / SUMMARY)
        _write_text(_format_csv(evaluation), folder / MEASURES_FILE)
        _write_text(format_html(evaluation, report_blocks(evaluation)), folder / PAGE)
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder}: {reason_of(error)}") from error
    for number, strip in evaluation.strips.items():
        Photograph(strip).save(folder / STRIPS / f"{number}.jpg", quality=85)
    overview = [i for kinds in evaluation.chosen.values() for i in kinds["median"]][:SHEET_PHOTOGRAPHS]
    sheet = np.concatenate([evaluation.strips[i] for i in dict.fromkeys(overview)])
    Photograph(sheet).save(folder / SHEET, quality=90)


def _write_text(text: str, path: Path) -> None:
    """In UTF-8 on every system; a photograph's name may hold bytes that aren't text, which are written as \\udcXX"""
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _summary(evaluation: Evaluation) -> dict[str, object]:
    gray = evaluation["gray"].measures["delta_e"]
    scores = {}
    for s in evaluation.scores:
        of_means, mean_of = colorfulness_differences(evaluation, s)
        scores[s.name] = {
            **{m: float(np.nanmean(v)) if np.isfinite(v).any() else None for m, v in s.measures.items()},
            "delta_e_interval": bootstrap_interval(s.measures["delta_e"]),
            "delta_e_ratio": evaluation.ratio(s.name)[0],
            "delta_e_ratio_interval": bootstrap_interval(s.measures["delta_e"], gray),
            "colorfulness_interval": bootstrap_interval(s.measures["colorfulness"]),
            "colorfulness_ratio": evaluation.ratio(s.name)[1],
            "colorfulness_difference_of_means": of_means,
            "mean_colorfulness_difference": mean_of,
            **_fault_summary(evaluation, s.name),
            **s.distances,
        }
    return {
        "settings": evaluation.settings,
        "photographs": len(evaluation.photographs),
        "true_colorfulness": float(evaluation.true.colorfulness.mean()),
        "scores": scores,
        "diversity": evaluation.diversity,
        "hints": {n: {c: float(v.mean()) for c, v in curve.items()} for n, curve in evaluation.hint_curves.items()},
        "historic": evaluation.historic,
    }


def _fault_summary(evaluation: Evaluation, name: str) -> dict[str, object]:
    """Each fault's figure and interval, or None where there is nothing to measure."""
    found: dict[str, object] = {}
    for fault, (value, low, high) in evaluation.faults(name).items():
        found[fault] = None if math.isnan(value) else value
        found[f"{fault}_interval"] = None if math.isnan(value) else (low, high)
    return found


def _format_csv(evaluation: Evaluation) -> str:
    """Every measure of every photograph."""
    columns = [(f"truth: {m}", v) for m, v in vars(evaluation.true).items()]
    columns += [(f"{s.name}: {m}", s.measures[m]) for s in evaluation.scores for m in MEASURES]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["photograph", *(title for title, _ in columns)])
    for number, name in enumerate(evaluation.photographs):
        writer.writerow([name, *("" if np.isnan(v[number]) else f"{v[number]:.4f}" for _, v in columns)])
    return text.getvalue()
