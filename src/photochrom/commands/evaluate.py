"""`photochrom evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from photochrom.commands.options import (
    ANY_PATH,
    EXISTING,
    device_option,
    need_extra,
    report_collections,
    working_size_option,
)
from photochrom.errors import InputError
from photochrom.settings import MAX_HINTS, PROTOCOL_NAMES


@click.command(short_help="Measure colorizers on color photographs.")
@click.argument("photographs", nargs=-1, required=True, type=EXISTING, metavar="PHOTOS...")
@click.option(
    "--model", "models", multiple=True, metavar="NAME|PATH", help="A model to evaluate; repeatable.  [default: default]"
)
@click.option(
    "--outputs",
    multiple=True,
    metavar="NAME=FOLDER",
    help="A name, and a folder of pictures that another tool colored; repeatable. See --inputs.",
)
@click.option(
    "--out",
    type=ANY_PATH,
    metavar="REPORT",
    help="Write report.html, strips/, sheet.jpg, report.json and photographs.csv to this folder.",
)
@click.option(
    "--inputs", type=ANY_PATH, metavar="FOLDER", help="Write the gray photographs to this folder, for other tools."
)
@click.option(
    "--protocol",
    "protocol_name",
    type=click.Choice(PROTOCOL_NAMES),
    default="default",
    show_default=True,
    help="Which photographs are used, and how they become squares of 256 pixels.",
)
@click.option("--limit", type=click.IntRange(1), help="Evaluate this many photographs, evenly spread.")
@click.option(
    "--samples",
    type=click.IntRange(0, 64),
    default=0,
    show_default=True,
    help="Number of other colorings per photograph, for diversity and best-of-many.",
)
@click.option(
    "--hints",
    "hint_counts",
    default="",
    metavar="N,N,...",
    help=f"Color again with these numbers of true-color points, each at most {MAX_HINTS:,}.",
)
@click.option(
    "--historic", is_flag=True, help="Color again with the photographs made old: faded, grainy, sepia, scratched..."
)
@click.option(
    "--published", is_flag=True, help="Add FID and LPIPS, as in published tables; this downloads their networks."
)
@working_size_option
@device_option
def evaluate(
    photographs: tuple[Path, ...],
    models: tuple[str, ...],
    outputs: tuple[str, ...],
    out: Path | None,
    inputs: Path | None,
    protocol_name: str,
    limit: int | None,
    samples: int,
    hint_counts: str,
    historic: bool,
    published: bool,
    working_size: int,
    device: str,
) -> None:
    """Measure colorizers on color photographs: remove the color, let them restore it, and compare.

    PHOTOS are folders or ZIP archives of color photographs. Any other tool can be measured beside photochrom's
    models: let it color the photographs that --inputs writes, keep the file names, and pass its folder with
    --outputs. This command needs the extra "evaluate".

    \b
      photochrom evaluate val.zip
      photochrom evaluate val.zip --model default --model run/ --out report
      photochrom evaluate val.zip --samples 8 --hints 1,2,5,10,20,50 --limit 200
      photochrom evaluate val.zip --inputs gray/
      photochrom evaluate val.zip --outputs other=colored/ --model default --out report
    """
    need_extra("photochrom evaluate", "evaluate", "torch", "skimage")
    from photochrom.evaluation.evaluate import evaluate as measure
    from photochrom.evaluation.historic import STRENGTHS
    from photochrom.evaluation.protocols import PROTOCOLS
    from photochrom.evaluation.report import format_table, write_report

    others = _parse_outputs(outputs)
    status = report_collections(photographs, [*others.values(), *([out] if out is not None else [])])
    evaluation = measure(
        list(photographs),
        list(models) or ([] if others else ["default"]),
        outputs=others,
        protocol=PROTOCOLS[protocol_name],
        limit=limit,
        samples=samples,
        hint_counts=_parse_counts(hint_counts),
        historic=tuple(STRENGTHS) if historic else (),
        published=published,
        inputs=inputs,
        report=out,
        working_size=working_size,
        device=device,
    )
    click.echo(format_table(evaluation))
    if out is not None:
        write_report(evaluation, out)
        click.echo(f"The report is {out / 'report.html'}")
    if status:
        sys.exit(status)


def _parse_outputs(texts: Sequence[str]) -> dict[str, Path]:
    """Folders by name, from NAME=FOLDER."""
    folders: dict[str, Path] = {}
    for text in texts:
        name, _, folder = text.partition("=")
        if not name or not folder or not Path(folder).exists():
            raise InputError(f"--outputs takes NAME=FOLDER with an existing folder, not {text!r}")
        if name in folders:
            raise InputError(f"--outputs has the name {name!r} twice: give each folder a name of its own")
        folders[name] = Path(folder)
    return folders


def _parse_counts(text: str) -> tuple[int, ...]:
    """Numbers of hints, from N,N,..."""
    try:
        counts = tuple(int(number) for number in text.split(",") if number)
    except ValueError:
        counts = (-1,)
    if any(not 0 <= count <= MAX_HINTS for count in counts):
        raise InputError(f"--hints takes numbers from 0 to {MAX_HINTS:,}, as in 1,10,50, not {text!r}")
    return counts
