"""An evaluation as tables for people, and as files for programs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from photochrom.errors import OutputError
from photochrom.evaluation.evaluate import MEASURES, Evaluation, Scores
from photochrom.evaluation.html import format_html
from photochrom.evaluation.metrics import bootstrap_interval
from photochrom.photo.photograph import Photograph

SHEET_PHOTOGRAPHS = 12  # of the overview


def format_table(evaluation: Evaluation) -> str:
    """All figures as Markdown tables."""
    lines = [f"{len(evaluation.photographs)} photographs", "", *score_table(evaluation)]
    lines += ["", *distance_table(evaluation), "", *skin_table(evaluation)]
    for name, figures in evaluation.diversity.items():
        lines += [
            "",
            f"{name}: one sample's ΔE2000 is {figures['single_sample_delta_e']:.2f}, "
            f"the best of {figures['samples']:.0f} samples' {figures['best_sample_delta_e']:.2f} "
            f"({figures['best_over_single']:.3f} x; {figures['best_over_noise_0']:.3f} x noise 0's); "
            f"two samples are {figures['mean_pairwise_delta_e']:.2f} apart",
        ]
    if evaluation.hint_curves:
        lines += ["", *hint_table(evaluation)]
    if evaluation.historic:
        lines += ["", *historic_table(evaluation)]
    return "\n".join(lines)


def score_table(evaluation: Evaluation) -> list[str]:
    """Per-photograph measures, with 95 % bootstrap intervals of the first two ratios."""
    gray = evaluation["gray"].measures["delta_e"]
    lines = [
        "| | ΔE2000 (95 % interval) | ÷ gray (95 % interval) | colorfulness | ÷ truth | ΔCF of means "
        "| mean ΔCF | PSNR, dB | SSIM |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| truth | 0 | 0 | {evaluation.true_colorfulness.mean():.1f} | 1 | 0 | 0 | | 1 |",
    ]
    for scores in evaluation.scores:
        error, color = scores.measures["delta_e"], scores.measures["colorfulness"]
        low, high = bootstrap_interval(error)
        ratio, share = evaluation.ratio(scores.name)
        ratio_low, ratio_high = bootstrap_interval(error, gray)
        of_means, mean_of = colorfulness_differences(evaluation, scores)
        lines.append(
            f"| {scores.name} | {error.mean():.2f} ({low:.2f}-{high:.2f}) "
            f"| {ratio:.3f} ({ratio_low:.3f}-{ratio_high:.3f}) "
            f"| {color.mean():.1f} | {share:.2f} | {of_means:.1f} | {mean_of:.1f} "
            f"| {scores.measures['psnr'].mean():.2f} | {scores.measures['ssim'].mean():.4f} |"
        )
    return lines


def colorfulness_differences(evaluation: Evaluation, scores: Scores) -> tuple[float, float]:
    """Both definitions in use: |difference of the means|, and mean of the photographs' |difference|."""
    color, true_color = scores.measures["colorfulness"], evaluation.true_colorfulness
    return float(abs(color.mean() - true_color.mean())), float(np.abs(color - true_color).mean())


def distance_table(evaluation: Evaluation) -> list[str]:
    """Distances between the set of colored pictures and the set of true ones, on named networks."""
    gray = evaluation["gray"].distances
    if not gray:
        return ["Too few photographs for distances between sets."]
    published = "fid_inception" in gray
    lines = [
        "| EfficientNet-Lite0 features | FD-lite | KID-lite x 1000 (± s.d. over halves) | KID-lite ÷ gray's |"
        + (" FID (Inception, torch-fidelity) | LPIPS (AlexNet) |" if published else ""),
        "|---|---|---|---|" + ("---|---|" if published else ""),
    ]
    for scores in evaluation.scores:
        d = scores.distances
        line = f"| {scores.name} | {d['fd_lite']:.1f} | {d['kid_lite']:.2f} ± {d['kid_lite_std']:.2f} "
        line += f"| {d['kid_lite'] / gray['kid_lite']:.3f} |"
        if published:
            line += f" {d['fid_inception']:.2f} | {d['lpips_alex']:.4f} |"
        lines.append(line)
    return lines


def skin_table(evaluation: Evaluation) -> list[str]:
    """Hue and chroma of skin-toned regions against the truth's."""
    count = int(np.isfinite(evaluation["mean ab"].measures["skin_chroma"]).sum())
    if count == 0:
        return ["No photograph shows skin tones."]
    lines = [
        f"| skin tones, {count} photographs | hue difference, degrees (95 % interval) | its mean size "
        "| chroma ÷ truth's |",
        "|---|---|---|---|",
    ]
    for name in evaluation.contestants:
        hue, chroma = (evaluation[name].measures[m] for m in ("skin_hue", "skin_chroma"))
        low, high = bootstrap_interval(hue)
        mean, size, ratio = np.nanmean(hue), np.nanmean(np.abs(hue)), np.nanmean(chroma)
        lines.append(f"| {name} | {mean:+.1f} ({low:+.1f} to {high:+.1f}) | {size:.1f} | {ratio:.2f} |")
    return lines


def hint_table(evaluation: Evaluation) -> list[str]:
    """Delta E against the number of true-color points, over that without any."""
    counts = sorted({count for curve in evaluation.hint_curves.values() for count in curve})
    lines = ["| ΔE2000 with hints ÷ without |" + "".join(f" {c} |" for c in counts), "|---|" + "---|" * len(counts)]
    for name, curve in evaluation.hint_curves.items():
        without = evaluation[name].measures["delta_e"].mean()
        lines.append(f"| {name} |" + "".join(f" {curve[c].mean() / without:.3f} |" for c in counts))
    return lines


def historic_table(evaluation: Evaluation) -> list[str]:
    """What old age costs, way by way and strength by strength."""
    lines = [
        "| old photographs | strength | ΔE2000 | rises by | colorfulness | falls by |",
        "|---|---|---|---|---|---|",
    ]
    for row in evaluation.historic:
        lines.append(
            f"| {row['model']}: {row['way']} | {row['strength']} | {row['delta_e']:.2f} | {row['delta_e_rise']:+.1%} "
            f"| {row['colorfulness']:.1f} | {row['colorfulness_fall']:+.1%} |"
        )
    return lines


def write_report(evaluation: Evaluation, folder: Path) -> None:
    """Write report.html, report.json, photographs.csv, sheet.jpg and the strips. Raises OutputError."""
    try:
        (folder / "strips").mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(_summary(evaluation), indent=1) + "\n")
        with (folder / "photographs.csv").open("w", newline="") as file:
            _write_csv(evaluation, csv.writer(file))
        (folder / "report.html").write_text(format_html(evaluation, format_table(evaluation)))
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder}: {(error.strerror or str(error)).lower()}") from error
    for number, strip in evaluation.strips.items():
        Photograph(strip).save(folder / "strips" / f"{number}.jpg", quality=85)
    overview = [i for kinds in evaluation.chosen.values() for i in kinds["median"]][:SHEET_PHOTOGRAPHS]
    sheet = np.concatenate([evaluation.strips[i] for i in dict.fromkeys(overview)])
    Photograph(sheet).save(folder / "sheet.jpg", quality=90)


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
            **s.distances,
        }
    return {
        "settings": evaluation.settings,
        "photographs": len(evaluation.photographs),
        "true_colorfulness": float(evaluation.true_colorfulness.mean()),
        "scores": scores,
        "diversity": evaluation.diversity,
        "hints": {n: {c: float(v.mean()) for c, v in curve.items()} for n, curve in evaluation.hint_curves.items()},
        "historic": evaluation.historic,
    }


def _write_csv(evaluation: Evaluation, writer) -> None:  # type: ignore[no-untyped-def]  # csv's writer has no name
    columns = [(f"{s.name}: {m}", s.measures[m]) for s in evaluation.scores for m in MEASURES]
    writer.writerow(["photograph", "truth: colorfulness", *(title for title, _ in columns)])
    for number, name in enumerate(evaluation.photographs):
        values = [evaluation.true_colorfulness[number], *(v[number] for _, v in columns)]
        writer.writerow([name, *("" if np.isnan(v) else f"{v:.4f}" for v in values)])
