"""Compare two models on color photographs that neither was trained on, and say whether one is better.

Usage: python examples/compare_models.py PHOTOS ONE TWO [--limit 100] [--out report]

ONE and TWO are names or files as for `photochrom colorize --model`.
"""

import argparse
from pathlib import Path

import numpy as np

from photochrom.evaluation.evaluate import evaluate
from photochrom.evaluation.report import format_table, write_report

RESAMPLINGS = 2000


def paired_interval(one: np.ndarray, two: np.ndarray) -> tuple[float, float, float]:
    """The mean difference two - one over the photographs, and its 95 % bootstrap interval."""
    difference, source = two - one, np.random.default_rng(0)
    means = difference[source.integers(len(difference), size=(RESAMPLINGS, len(difference)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(difference.mean()), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("models", nargs=2)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("report"))
    options = parser.parse_args()
    evaluation = evaluate([options.photographs], options.models, limit=options.limit)
    print(format_table(evaluation))
    write_report(evaluation, options.out)
    for measure, title in (("delta_e", "ΔE2000"), ("delta_e_95", "95th percentile of ΔE2000")):
        one, two = (evaluation[name].measures[measure] for name in options.models)
        mean, low, high = paired_interval(one, two)
        better = f"{options.models[mean < 0]} is closer to the truth"
        verdict = "no difference beyond chance" if low <= 0 <= high else better
        print(
            f"{title} of {options.models[1]} minus {options.models[0]}: {mean:+.2f} ({low:+.2f} to {high:+.2f}): "
            f"{verdict}"
        )
    print(f"The pictures side by side: {options.out / 'report.html'}")


if __name__ == "__main__":
    main()
