"""What `photochrom colorize` tells while it works and at its end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from photochrom.commands.options import report_left_out
from photochrom.errors import one_line
from photochrom.folders import describe
from photochrom.photo.formats.hush import speaking

if TYPE_CHECKING:
    from photochrom.album import Outcome
    from photochrom.planning import Plan

NAMED = 10  # outputs that are named one by one; more are counted


def say(text: str) -> None:
    """Print a line on standard error."""
    with speaking:
        click.echo(one_line(text), err=True)


def with_bar(outcomes: Iterable[Outcome], count: int, quiet: bool) -> Iterator[Outcome]:
    """The same outcomes, while a terminal shows how far they are."""
    if quiet or not sys.stderr.isatty():
        yield from outcomes
        return
    with click.progressbar(outcomes, length=count, label="Coloring", show_pos=True, file=sys.stderr) as progress:
        yield from progress


def tell_troubles(outcome: Outcome) -> None:
    """Name what failed of a photograph, and what was left as it is."""
    for trouble in (*([outcome.error] if outcome.error else []), *outcome.left):
        say(f"photochrom: {trouble}")


def tell_plan_of(outcome: Outcome) -> None:
    """For a run that writes nothing: name a photograph and what would be made of it, on standard output."""
    if outcome.error is None:
        for path in outcome.wanted:
            click.echo(one_line(f"{outcome.task.source} -> {path}"))


def report(plan: Plan, outcomes: list[Outcome], *, dry: bool, quiet: bool) -> None:
    """Name what failed or was left. On a terminal, name what was made; count the rest."""
    for failure in plan.failures:
        say(f"photochrom: {failure.error}")
    for outcome in outcomes:
        tell_troubles(outcome)
        if dry:
            tell_plan_of(outcome)
    untried = len(plan.tasks) - len(outcomes)
    if untried:
        say(f"photochrom: {untried} were not tried: run the same command again when there is room")
    if quiet:
        return
    if left_out := describe(plan.left_out, plan.named):
        say(f"photochrom: left out {left_out}")
    report_left_out(Counter(what for outcome in outcomes for what in outcome.left_out))
    _summarize(plan, outcomes, dry)


def _summarize(plan: Plan, outcomes: list[Outcome], dry: bool) -> None:
    written = [new.path for outcome in outcomes for new in outcome.written]
    is_terminal = sys.stderr.isatty()
    if is_terminal and len(written) <= NAMED:
        for path in written:
            say(str(path))
    skipped = sum(outcome.skipped for outcome in outcomes)
    failed = len(plan.failures) + sum(outcome.failed for outcome in outcomes)
    several = len(outcomes) + len(plan.failures) > 1
    if several and (is_terminal or dry or failed):
        made = sum(not (o.error or o.skipped) and bool(o.wanted) for o in outcomes)
        left = sum(o.in_color or (bool(o.left) and not o.failed) for o in outcomes)
        parts = [f"{made} would be colored" if dry else f"{made} colored"]
        parts.append(f"{skipped} skipped because their outputs exist")
        parts += [f"{left} left as they are"] if left else []
        say(", ".join([*parts, f"{failed} failed"]))
    elif skipped:
        say(f"photochrom: {skipped} skipped because their outputs exist (--overwrite makes them again)")
    if unsaid := sum(outcome.unsaid for outcome in outcomes):
        say(
            f"photochrom: the outputs of {unsaid} can't say how they were made, so other settings make nothing anew "
            "(--overwrite does; --record keeps how they are made)"
        )


def status_of(plan: Plan, outcomes: list[Outcome]) -> int:
    """The exit status: 2 if the only photograph failed; 1 if some failed, or were left so that nothing is as asked."""
    if plan.failures or any(outcome.failed for outcome in outcomes):
        return 2 if len(plan.tasks) + len(plan.failures) == 1 else 1
    return int(any(outcome.left for outcome in outcomes) or all(outcome.in_color for outcome in outcomes))
