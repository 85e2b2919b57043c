"""The report of benchmarks/corpus.py as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpus import Finding

VERDICTS = ("right", "unjudged", "refused", "false reason", "wrong", "traceback", "crash", "hang")


def report(findings: Sequence[Finding], commits: dict[str, str], seconds: float) -> str:
    taken = [f for f in findings if f.taken]
    total = Counter(f.verdict for f in taken)
    internal = sum(f.internal for f in findings)
    noisy = sum(bool(f.noise) for f in findings)
    parts = [
        "# Public test pictures",
        f"Written by `benchmarks/corpus.py`: {len(findings):,} pictures in {seconds / 60:.0f} minutes. "
        f"A folder's run takes {len(taken):,} of them by their suffixes: " + counts(total) + ". "
        f"{internal} messages have internal names in them; libraries wrote to standard error for {noisy} files.",
        table("Project (commit)", [(project(f, commits), f) for f in findings]),
        table("Format by first bytes", [(f.format, f) for f in findings]),
        "## Reasons of refusals\n\n" + reasons([f for f in findings if f.verdict in ("refused", "false reason")]),
    ]
    for verdict in ("wrong", "false reason", "traceback", "crash", "hang", "unjudged"):
        some = [f for f in findings if f.verdict == verdict]
        if some:
            parts.append(f"## {verdict.capitalize()}\n\n" + "\n".join(line(f) for f in some))
    return "\n\n".join(parts) + "\n"


def counts(total: Counter[str]) -> str:
    return ", ".join(f"{total[verdict]:,} {verdict}" for verdict in VERDICTS)


def table(title: str, rows: Sequence[tuple[str, Finding]]) -> str:
    """A table of counts: a line for each group, a column for each verdict."""
    groups: dict[str, Counter[str]] = {}
    for group, finding in rows:
        groups.setdefault(group, Counter())[finding.verdict] += 1
    groups["all"] = Counter(finding.verdict for _, finding in rows)
    lines = [f"| {title} | pictures | " + " | ".join(VERDICTS) + " |", "|---" * (len(VERDICTS) + 2) + "|"]
    for group, total in groups.items():
        cells = [f"{total[verdict]:,}" for verdict in VERDICTS]
        lines.append(f"| {group} | {total.total():,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def reasons(refused: Sequence[Finding]) -> str:
    """Reasons without their numbers, the most frequent ones first, and how many other readers open."""
    total = Counter(general(f.message) for f in refused)
    opened = Counter(general(f.message) for f in refused if f.opens)
    lines = ["| reason | pictures | others open |", "|---|---|---|"]
    lines += [
        f"| {reason.replace('|', '/')} | {count:,} | {opened[reason]:,} |" for reason, count in total.most_common()
    ]
    return "\n".join(lines)


def general(message: str) -> str:
    return re.sub(r"\d[\d.]*", "N", message.replace("\n", " "))[:160]


def project(finding: Finding, commits: dict[str, str]) -> str:
    name = finding.path.split("/")[0]
    return f"{name.replace('+', '/')} ({commits.get(name, 'unknown')[:10]})"


def line(finding: Finding) -> str:
    opens = f" (opened by {', '.join(finding.opens)})" if finding.opens else ""
    return f"- `{finding.path}`: {finding.message[:200]}{opens}".replace("\n", " ")
