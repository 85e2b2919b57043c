"""Options that several commands share, and the values that they stand for."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from photochrom.settings import (
    DEFAULT_MODEL,
    FORMATS,
    LOSSY_LABELS,
    MAX_PIXELS,
    MEGAPIXEL_MEMORY,
    QUALITY,
    STRENGTH,
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
        return super().convert(value, parameter, context)


class FiniteRange(click.FloatRange):
    """A number of a range; NaN and infinity are none."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        number = super().convert(value, parameter, context)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", parameter, context)
        return number


EXISTING = NamedPath(exists=True, path_type=Path)
ANY_PATH = NamedPath(path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


def whole(range: Range) -> click.IntRange:
    """The type of an option that takes whole numbers of a range."""
    return click.IntRange(int(range.low), None if range.high is None else int(range.high))


def look_options(command: Command) -> Command:
    """--strength and --seed."""
    seed = click.option(
        "--seed", type=click.IntRange(0), help="Seed of another plausible coloring.  [default: the likeliest coloring]"
    )
    strength = click.option(
        "--strength",
        type=FiniteRange(STRENGTH.low, STRENGTH.high),
        default=STRENGTH.default,
        show_default=True,
        help="Multiplies the colors: 0 is gray.",
    )
    return strength(seed(command))


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


def max_pixels_option(default: int = MAX_PIXELS) -> Callable[[Command], Command]:
    """--max-pixels, in millions."""
    return click.option(
        "--max-pixels",
        type=FiniteRange(0.01),
        default=default / 1e6,
        show_default=True,
        help=f"Largest photograph, in millions of pixels. Each million takes {MEGAPIXEL_MEMORY} MB of memory.",
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


def working_size_option(command: Command) -> Command:
    """--working-size."""
    return click.option(
        "--working-size",
        type=whole(WORKING_SIZE),
        default=int(WORKING_SIZE.default),
        show_default=True,
        help="Short side, in pixels, of the picture that the network sees.",
    )(command)
