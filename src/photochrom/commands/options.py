"""Options that several commands share, and the values that they stand for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from photochrom.errors import one_line
from photochrom.folders import describe
from photochrom.settings import (
    AUTO,
    DEFAULT_MODEL,
    DEVICES,
    FORMATS,
    LOSSY_LABELS,
    MAX_PIXELS,
    MAX_SEED,
    MEGAPIXEL_DISK,
    QUALITY,
    STRENGTH,
    WARMTH,
    WORKING_SIZE,
    Range,
)

if TYPE_CHECKING:
    from photochrom.coloring import Output


class NamedPath(click.Path):
    """A path that is not empty: an empty one, of a variable that isn't set, would mean the current folder."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if value == "":
            self.fail("the name is empty", parameter, context)
        if "\0" in str(value):
            self.fail("the name has a null character", parameter, context)
        return super().convert(value, parameter, context)

    def fail(self, message: str, param: click.Parameter | None = None, ctx: click.Context | None = None) -> NoReturn:
        """A name's line breaks don't break the message."""
        super().fail(one_line(message), param, ctx)


class FiniteRange(click.FloatRange):
    """A number of a range; NaN and infinity are none."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        number = super().convert(value, parameter, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", parameter, context)
        return number


LEFT_OUT_SHOWN = 50  # lines
EXISTING = NamedPath(exists=True, path_type=Path)
ANY_PATH = NamedPath(path_type=Path, readable=False)  # what can't be read is said for each file
Command = TypeVar("Command", bound=Callable[..., Any])


def whole(range: Range) -> click.IntRange:
    """The type of an option that takes whole numbers of a range."""
    return click.IntRange(int(range.low), int(range.high))


def given(**values: Any) -> dict[str, Any]:
    """Those of a command's options that the user gave."""
    context = click.get_current_context()
    return {k: v for k, v in values.items() if context.get_parameter_source(k) != ParameterSource.DEFAULT}


def recolor_option(command: Command) -> Command:
    """--recolor."""
    return click.option(
        "--recolor",
        is_flag=True,
        help="Color photographs that are in color already, too. By default they are named and left.",
    )(command)


def look_options(command: Command) -> Command:
    """--strength, --warmth and --seed."""
    seed = click.option(
        "--seed",
        type=click.IntRange(0, MAX_SEED),
        help="Seed of another plausible coloring.  [default: the likeliest coloring]",
    )
    strength = click.option(
        "--strength",
        type=FiniteRange(STRENGTH.low, STRENGTH.high),
        default=STRENGTH.default,
        show_default=True,
        help="Multiplies the colors: 0 is gray.",
    )
    warmth = click.option(
        "--warmth",
        type=FiniteRange(WARMTH.low, WARMTH.high),
        default=WARMTH.default,
        show_default=True,
        help="White balance of the colors, from -1 (cold, blue) to 1 (warm, yellow).",
    )
    return strength(warmth(seed(command)))


def output_options(command: Command) -> Command:
    """--format (as format_name), --quality, --no-mark and --label."""
    label = click.option("--label", metavar="TEXT", help="Line of text in the lower right corner.  [default: none]")
    no_mark = click.option(
        "--no-mark", is_flag=True, help="Leave out the metadata that say that the colors were made by AI, and how."
    )
    quality = click.option(
        "--quality",
        type=whole(QUALITY),
        default=int(QUALITY.default),
        show_default=True,
        help=f"Quality, 1-100, for {LOSSY_LABELS}.",
    )
    format = click.option(
        "--format",
        "format_name",
        type=click.Choice(list(FORMATS)),
        help="File format of the output.  [default: the input's]",
    )
    return format(quality(no_mark(label(command))))


def output_of(format_name: str | None, quality: int, no_mark: bool, label: str | None) -> Output:
    """What `output_options` give. Raises InputError for a label that can't be drawn."""
    from photochrom.coloring import Output
    from photochrom.photo.label import check_label

    return Output(format_name, quality, not no_mark, "" if label is None else check_label(label))


def crop_option(command: Command) -> Command:
    """--crop-border."""
    return click.option(
        "--crop-border",
        is_flag=True,
        help="Find the print on a desk or scanner bed, and leave out what surrounds it. If no edges are clear, the "
        "photograph stays whole, and is named.",
    )(command)


def keeping_options(command: Command) -> Command:
    """--sidecars, --keep-date and --record (as record_path)."""
    record = click.option(
        "--record",
        "record_path",
        type=ANY_PATH,
        metavar="FILE",
        help="Add a line per photograph to FILE.jsonl or FILE.csv: hashes, model, settings, outcome and time.",
    )
    keep_date = click.option("--keep-date", is_flag=True, help="Give each output the date of its source file.")
    sidecars = click.option(
        "--sidecars", is_flag=True, help="Copy NAME.xmp and NAME.EXT.xmp along, under the names of the outputs."
    )
    return sidecars(keep_date(record(command)))


def report_collections(sources: Iterable[Path], avoid: Collection[Path] = ()) -> int:
    """Say what of folders and ZIP archives is left out. Returns the exit status of a command that takes the rest.

    avoid: folders that the command itself writes to; they are not entered. Raises InputError for a source without a
    photograph.
    """
    from photochrom.photo.collections import look_through

    found = look_through(sources, avoid)
    for problem in found.problems:
        click.echo(f"photochrom: {one_line(problem)}", err=True)
    if left_out := describe(found.left_out):
        click.echo(f"photochrom: left out {left_out}", err=True)
    return 1 if found.problems else 0


def report_left_out(counts: Counter[str]) -> None:
    """Name what outputs don't have of their sources, each once, and how many of them; not more than some lines."""
    for what, count in list(counts.items())[:LEFT_OUT_SHOWN]:
        click.echo(f"photochrom: left out{f' of {count} photographs' if count > 1 else ''}: {what}", err=True)
    if len(counts) > LEFT_OUT_SHOWN:
        click.echo(f"photochrom: {len(counts) - LEFT_OUT_SHOWN:,} more things were left out", err=True)


def max_pixels_option(default: int = MAX_PIXELS) -> Callable[[Command], Command]:
    """--max-pixels, in millions."""
    return click.option(
        "--max-pixels",
        type=FiniteRange(0.01),
        default=default / 1e6,
        show_default=True,
        help="Largest photograph, in millions of pixels. Where there are many, each million takes up to "
        f"{MEGAPIXEL_DISK} MB in temporary files.",
    )


def model_option(command: Command) -> Command:
    """--model."""
    return click.option(
        "--model",
        default=DEFAULT_MODEL,
        show_default=True,
        metavar="NAME|PATH",
        help="Name of a bundled model, or path of an exported .onnx file or a training run.",
    )(command)


def device_option(command: Command) -> Command:
    """--device."""
    return click.option(
        "--device",
        default=AUTO,
        show_default=True,
        metavar="NAME",
        help=f"Where the network runs: {', '.join(DEVICES)}; cuda:1 is the second of several. What ONNX Runtime's "
        "installed build doesn't have is named, with what to install.",
    )(command)


def working_size_option(command: Command) -> Command:
    """--working-size."""
    return click.option(
        "--working-size",
        type=whole(WORKING_SIZE),
        default=int(WORKING_SIZE.default),
        show_default=True,
        help="Short side, in pixels, of the picture that the network sees.",
    )(command)


def need_extra(what: str, extra: str, *packages: str) -> None:
    """Raises MissingExtra for what a command does, unless all of these packages of an extra are installed."""
    from importlib.util import find_spec

    from photochrom.errors import MissingExtra

    if any(find_spec(package) is None for package in packages):
        raise MissingExtra(what, extra)
