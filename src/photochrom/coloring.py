"""The path of every photograph: an encoded photograph in, its color version out.

    decode  ->  predict  ->  apply  ->  encode

The command line, standard input, `photochrom.colorize`, archives, the HTTP API and the page all use this module. Only
three functions look at all pixels: Colorizer.small_luminance, which reduces the luminance to the size that the network
sees, Colorizer.apply, which joins luminance and chroma at full size, and the encoder (photo/encoding.py). The first
two already work on strips of rows. docs/design.md says how all three will do so, so that a large photograph need not
be in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from photochrom.errors import EncodingError
from photochrom.inference.colorizer import Coloring
from photochrom.photo.color import PixelArray
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.hints import Hint, HintFile
from photochrom.photo.photograph import DEFAULT_QUALITY, Photograph
from photochrom.settings import MAX_PIXELS, STRENGTH


@dataclass(frozen=True)
class Look:
    """Which of the plausible colorings a photograph gets, and how strong its colors are.

    strength multiplies the chroma. seed: None for the likeliest coloring, else the number of another one. hints: in
    the photograph's own pixels; hint_file: hints that may have been made on a picture of another size.
    """

    strength: float = STRENGTH.default
    seed: int | None = None
    hints: tuple[Hint, ...] = ()
    hint_file: HintFile | None = None

    def __post_init__(self) -> None:
        STRENGTH.check(self.strength, "strength")

    def hints_for(self, pixels: PixelArray) -> tuple[Hint, ...]:
        """All hints, in the pixels of a picture (H, W) or (H, W, 3)."""
        height, width = pixels.shape[:2]
        return self.hints + (self.hint_file.for_size(width, height) if self.hint_file else ())

    def variant(self, number: int) -> Look:
        """The look of variant `number`, from 0: the first is this one, the next have other seeds."""
        return replace(self, seed=(self.seed or 0) + number) if number else self


@dataclass(frozen=True)
class Output:
    """How a color version is written. format: None for the photograph's own; quality: of lossy formats, 1..100."""

    format: str | None = None
    quality: int = DEFAULT_QUALITY


@dataclass(frozen=True)
class Request:
    """Everything except the model that determines the color version of a photograph."""

    look: Look = field(default_factory=Look)
    output: Output = field(default_factory=Output)
    max_pixels: int = MAX_PIXELS


class Colored(NamedTuple):
    """The content of a color version's file, and the name of its format."""

    content: bytes
    format: str


class Predictor(Protocol):
    """Something that predicts colors: a Colorizer, or a batcher that lets several requests share one."""

    def predict_one(self, pixels: PixelArray, seed: int | None = None, hints: Sequence[Hint] = ()) -> Coloring:
        """The network's prediction for a photograph."""
        ...

    def apply(self, pixels: PixelArray, coloring: Coloring, strength: float = STRENGTH.default) -> PixelArray:
        """The photograph joined with its coloring, at full size."""
        ...


def color(
    encoded: bytes, name: str, request: Request, predictor: Predictor, variants: Iterable[int] = (0,)
) -> Iterator[Colored]:
    """Decode a photograph once; color and encode each variant that is asked for.

    name: for messages. variants: their numbers; 0 is the look of the request itself. Raises InputError.
    """
    photograph = decode_photograph(encoded, name, request.max_pixels)
    format = request.output.format or photograph.format
    for number in variants:
        colored = color_photograph(photograph, request.look.variant(number), predictor)
        try:
            yield Colored(colored.encode(format, request.output.quality), format)
        except EncodingError as error:
            raise EncodingError(f"{name} {error}: choose another --format") from error


def color_photograph(photograph: Photograph, look: Look, predictor: Predictor) -> Photograph:
    """The photograph in color, with the same size, bit depth and metadata. Raises InputError."""
    pixels, pages = photograph.pixels, photograph.pages
    coloring = predictor.predict_one(pixels, look.seed, look.hints_for(pixels))
    colored = predictor.apply(pixels, coloring, look.strength)
    plain = replace(look, hints=(), hint_file=None)  # hints are for the first page
    others = tuple(color_photograph(page, plain, predictor) for page in pages)
    return replace(photograph, pixels=colored, pages=others)
