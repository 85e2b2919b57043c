"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

FORMAT_NAMES = ("jpeg", "png", "webp", "tiff", "bmp", "avif")  # as photo.files.FORMATS; a test holds them equal
EXISTING = click.Path(exists=True, path_type=Path)
ANY_PATH = click.Path(path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


def model_option(command: Command) -> Command:
    return click.option(
        "--model",
        default="default",
        show_default=True,
        metavar="NAME|PATH",
        help="A bundled model, an exported .onnx file or a training run.",
    )(command)


def max_pixels_option(command: Command) -> Command:
    return click.option(
        "--max-pixels",
        type=click.FloatRange(0.01),
        default=250.0,
        show_default=True,
        help="Millions, of a photograph; larger ones are refused. Coloring takes 14 MB a million.",
    )(command)


def working_size_option(command: Command) -> Command:
    return click.option(
        "--working-size",
        type=click.IntRange(32, 1024),
        default=256,
        show_default=True,
        help="Short side, in pixels, of the picture that the network sees.",
    )(command)
