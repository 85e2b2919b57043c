"""The path of every photograph: an encoded photograph in, its color version out.

    decode  ->  predict  ->  apply  ->  encode

The command line, standard input, `photochrom.colorize`, archives, the HTTP API and the page all use this module. Only
three functions look at all pixels: Colorizer.small_luminance, which reduces the luminance to the size that the network
sees, Colorizer.apply, which joins luminance and chroma at full size, and the encoder (photo/encoding.py); and two more
where a print is cropped or shown beside its color version (photo/arranging.py). They work on strips of rows, so that a
large photograph need not be in memory as a whole (photo/spool.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from photochrom import __version__
from photochrom.errors import EncodingError, InColorError, InputError
from photochrom.inference.colorizer import Coloring, check_balance
from photochrom.inference.model import ModelInfo
from photochrom.photo.arranging import crop_to_print, side_by_side
from photochrom.photo.color import PixelArray
from photochrom.photo.credentials import SIGNABLE, Credentials, sign
from photochrom.photo.decoding import decode_photograph
from photochrom.photo.hints import Hint, HintFile, check_hints, check_places
from photochrom.photo.in_color import is_in_color
from photochrom.photo.label import draw_label
from photochrom.photo.metadata.mark import NOT_FOUND, Mark
from photochrom.photo.metadata.reading import format_by_content
from photochrom.photo.photograph import DEFAULT_QUALITY, Photograph
from photochrom.photo.print_border import Box
from photochrom.settings import FORMATS, MAX_PIXELS, MAX_SEED, STRENGTH, WARMTH


@dataclass(frozen=True)
class Look:
    """Which of the plausible colorings a photograph gets, and how strong its colors are.

    strength multiplies the chroma. seed: None for the likeliest coloring, else the number of another one. hints: in
    the photograph's own pixels; hint_file: hints that may have been made on a picture of another size. warmth: white
    balance of the colors, -1 to 1.
    """

    strength: float = STRENGTH.default
    seed: int | None = None
    hints: tuple[Hint, ...] = ()
    hint_file: HintFile | None = None
    warmth: float = WARMTH.default

    def __post_init__(self) -> None:
        check_balance(self.strength, self.warmth)

    def hints_for(self, pixels: PixelArray) -> tuple[Hint, ...]:
        """All hints, in the pixels of a picture (H, W) or (H, W, 3)."""
        return self.hints_on(pixels.shape[1], pixels.shape[0])

    def hints_on(self, width: int, height: int) -> tuple[Hint, ...]:
        """All hints, in the pixels of a picture of this size."""
        return self.hints + (self.hint_file.for_size(width, height) if self.hint_file else ())

    def within(self, width: int, height: int, box: Box, name: str = "the photograph") -> Look:
        """The look for a part of a picture of this size, with its hints where they are in the part.

        Hints that only fit a picture of their own shape are left to the part. Raises InputError for one outside, with
        the picture's name.
        """
        kept = self.hint_file if self.hint_file and self.hint_file.only_same_shape else None
        hints = self.hints if kept else self.hints_on(width, height)
        for hint in hints:
            for x, y in hint.points:
                if not (box.left <= x < box.left + box.width and box.top <= y < box.top + box.height):
                    place = f"the print that was found in {name}: {box.in_words}"
                    raise InputError(f"the hint at {x:g},{y:g} is outside {place}")
        moved = tuple(hint.moved_to(hint.x - box.left, hint.y - box.top) for hint in hints)
        return replace(self, hints=moved, hint_file=kept)

    def variant(self, number: int) -> Look:
        """The look of variant `number`, from 0: the first is this one, the next have other seeds."""
        return replace(self, seed=((self.seed or 0) + number) % (MAX_SEED + 1)) if number else self


@dataclass(frozen=True)
class Output:
    """How a color version is written.

    format: None for the photograph's own. quality: of lossy formats, 1..100. mark: whether its metadata say how it was
    made. label: a line of text in its lower right corner. credentials: what signs it. side_by_side: the photograph as
    it was stands to the left of its color version.
    """

    format: str | None = None
    quality: int = DEFAULT_QUALITY
    mark: bool = True
    label: str = ""
    credentials: Credentials | None = None
    side_by_side: bool = False


@dataclass(frozen=True)
class Request:
    """Everything except the model that determines the color version of a photograph.

    crop_border: the output is only the print that the photograph shows, without the desk or scanner around it.
    recolor: whether a photograph that is in color already is colored anyway.
    """

    look: Look = field(default_factory=Look)
    output: Output = field(default_factory=Output)
    max_pixels: int = MAX_PIXELS
    crop_border: bool = False
    recolor: bool = True


class Colored(NamedTuple):
    """The content of a color version's file, the name of its format, and what of its source it doesn't have."""

    content: bytes
    format: str
    left_out: tuple[str, ...] = ()


class Predictor(Protocol):
    """Something that predicts colors: a Colorizer, or a batcher that lets several requests share one."""

    @property
    def model_info(self) -> ModelInfo:
        """Facts about the model."""
        ...

    @property
    def working_size(self) -> int:
        """The short side, in pixels, of the picture that the network sees."""
        ...

    def predict_one(self, pixels: PixelArray, seed: int | None = None, hints: Sequence[Hint] = ()) -> Coloring:
        """The network's prediction for a photograph."""
        ...

    def apply(
        self,
        pixels: PixelArray,
        coloring: Coloring,
        strength: float = STRENGTH.default,
        warmth: float = WARMTH.default,
    ) -> PixelArray:
        """The photograph joined with its coloring, at full size."""
        ...


def color(
    encoded: bytes, name: str, request: Request, predictor: Predictor, variants: Iterable[int] = (0,)
) -> Iterator[Colored]:
    """Decode a photograph once; color and encode each variant that is asked for.

    name: for messages. variants: their numbers; 0 is the look of the request itself. Raises InputError.
    """
    photograph, wanted, crop = admit(encoded, name, request)
    output = replace(request.output, format=request.output.format or photograph.format)
    for number in variants:
        look = wanted.variant(number)
        colored = color_photograph(photograph, look, predictor, output, crop)
        left_out = colored.left_out(output.format)
        if crop == NOT_FOUND:
            left_out += (f"the crop of {name}, because no edges of a print are clear enough",)
        if look.hint_file and look.hint_file.hints and not look.hints_for(photograph.pixels):
            left_out += ("hints, because the photograph has another shape than the picture that they were made on",)
        try:
            content = colored.encode(output.format, output.quality)
        except EncodingError as error:
            raise EncodingError(f"{name} {error}: choose another format") from error
        if output.credentials and output.format in SIGNABLE:
            try:
                content = sign(content, str(output.format), output.credentials, encoded, format_by_content(encoded))
            except EncodingError as error:
                raise EncodingError(f"{name} {error}") from error
        elif output.credentials:
            left_out += (f"the signature, which {FORMATS[str(output.format)].label} can't hold",)
        yield Colored(content, str(output.format), left_out)


def admit(encoded: bytes, name: str, request: Request) -> tuple[Photograph, Look, str]:
    """Decode a photograph that is to be colored, and crop it if that is asked for.

    Returns it, the look with the hints where they are on it, and the crop as the mark has it. Raises InputError
    for hints that it can't have, and InColorError for one that is in color already, without what surrounds a print.
    """
    photograph = decode_photograph(encoded, name, request.max_pixels)
    look, crop = request.look, ""
    if request.crop_border:
        width, height = photograph.pixels.shape[1], photograph.pixels.shape[0]
        photograph, box = crop_to_print(photograph)
        look = look.within(width, height, box, name) if box else look
        crop = ",".join(map(str, box)) if box else NOT_FOUND
    if not request.recolor and any(is_in_color(page.pixels) for page in (photograph, *photograph.pages)):
        raise InColorError(name)
    height, width = photograph.pixels.shape[:2]
    check_places(check_hints(look.hints_on(width, height)), width, height, name)
    return photograph, look, crop


def color_photograph(
    photograph: Photograph, look: Look, predictor: Predictor, output: Output = Output(), crop: str = ""
) -> Photograph:
    """The photograph in color, with the same size, bit depth and metadata, and marked. Raises InputError.

    crop: for the mark, as it has it.
    """
    pixels = photograph.pixels
    if getattr(pixels, "ndim", 0) not in (2, 3):
        raise InputError("a photograph's pixels are an array (H, W) or (H, W, 3)")
    hints = look.hints_for(pixels)
    coloring = predictor.predict_one(pixels, look.seed, hints)
    colored = predictor.apply(pixels, coloring, look.strength, look.warmth)
    if output.label:
        draw_label(colored, output.label)
    metadata = photograph.metadata
    if output.mark:
        size = pixels.shape[1], pixels.shape[0]
        mark = mark_of(look, output, predictor.model_info, predictor.working_size, hints, size, metadata.source, crop)
        metadata = replace(metadata, mark=mark)
    plain = replace(look, hints=(), hint_file=None)  # hints are for the first page
    unmarked = replace(output, mark=False)  # the first page says it for all
    pages = tuple(color_photograph(page, plain, predictor, unmarked) for page in photograph.pages)
    made = replace(photograph, pixels=colored, metadata=metadata, pages=pages)
    return side_by_side(pixels, made) if output.side_by_side else made


def mark_of(
    look: Look, output: Output, model: ModelInfo, working_size: int, hints: tuple[Hint, ...], size: tuple[int, int],
    source: str, crop: str = "",
) -> Mark:  # fmt: skip
    """The mark of a color version.

    hints: on a picture of this size. source: the SHA-256 of what is colored. crop: as the mark has it.
    """
    return Mark(
        __version__, model.name or model.preset, model.digest, working_size, look.strength, look.seed, hints, size,
        source, label=output.label, warmth=look.warmth, crop=crop, side_by_side=output.side_by_side,
    )  # fmt: skip


def look_of(mark: Mark) -> Look:
    """The look of a color version, for another photograph: its hints count if that has the same shape."""
    hints = HintFile(mark.hints, mark.size, only_same_shape=True) if mark.hints else None
    return Look(mark.strength, mark.seed, hint_file=hints, warmth=mark.warmth)
