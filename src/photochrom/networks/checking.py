"""Checks of configurations: a wrong value is a TrainingError of one line that says what the value may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from photochrom.errors import TrainingError


@dataclass(frozen=True)
class Bounds:
    """The numbers from low to high, both included unless said otherwise, and multiples of a number only."""

    low: float
    high: float = math.inf
    low_included: bool = True
    high_included: bool = True
    multiple_of: int = 1

    def allow(self, number: float) -> bool:
        above = number >= self.low if self.low_included else number > self.low
        below = number <= self.high if self.high_included else number < self.high
        return (
            above
            and below
            and (isinstance(number, int) or math.isfinite(number))
            and (self.multiple_of == 1 or number % self.multiple_of == 0)
        )

    def __str__(self) -> str:
        """What comes after "a number": " above 0", " from 0 to 1"."""
        if self.low_included and self.high_included and self.high < math.inf:
            return f" from {self.low} to {self.high}"
        low = f" of at least {self.low}" if self.low_included else f" above {self.low}"
        return low if self.high == math.inf else f"{low} and below {self.high}"


ANY_NUMBER = Bounds(-math.inf)
COUNT = Bounds(1)
NOT_NEGATIVE = Bounds(0)
POSITIVE = Bounds(0, low_included=False)
PORTION = Bounds(0, 1)
PORTION_BELOW_ONE = Bounds(0, 1, high_included=False)


def check_config(
    config: object, prefix: str, *, choices: dict[str, tuple[str, ...]] | None = None, **limits: Bounds
) -> None:
    """Check every field of a configuration dataclass against its type, and against its limits if it has any.

    prefix: what stands before a field's name in messages, such as "generator.". choices: of fields that are text.
    limits: of fields that are numbers or lists of numbers. Raises TrainingError for the first wrong value.
    """
    for name, kind in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if choices and name in choices:
            kind = Literal[choices[name]]
        if not _fits(value, kind, limits.get(name, ANY_NUMBER)):
            wanted = _describe(kind, limits.get(name, ANY_NUMBER))
            raise TrainingError(f"{prefix}{name} must be {wanted}, not {_shown(value)}")


def _fits(value: Any, kind: Any, limits: Bounds) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(_fits(value, each, limits) for each in arguments)
    if origin is tuple:
        kinds = arguments[:1] * len(value) if _any_length(arguments) and isinstance(value, tuple) else arguments
        pairs_up = isinstance(value, tuple) and len(value) == len(kinds)
        return pairs_up and all(_fits(v, k, limits) for v, k in zip(value, kinds, strict=True))
    if kind is float or kind is int:
        allowed_types = int if kind is int else (int, float)
        fits = isinstance(value, allowed_types) and not isinstance(value, bool) and limits.allow(value)
        return fits and (isinstance(value, float) or abs(value) < 2**63)  # PyTorch counts with 64 bits
    return isinstance(value, kind)


def _describe(kind: Any, limits: Bounds) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is tuple:
        length = "list" if _any_length(arguments) else f"list of {len(arguments)}"
        return f"a {length}, each {_describe(arguments[0], limits)}"
    if kind is float or kind is int:
        noun = "a whole number" if kind is int else "a number"
        if limits.multiple_of > 1:
            noun = f"a multiple of {limits.multiple_of}"
        return noun if limits == ANY_NUMBER else f"{noun}{limits}"
    return {bool: "true or false", str: "text"}.get(kind, getattr(kind, "__name__", str(kind)))


def _any_length(arguments: tuple[Any, ...]) -> bool:
    return len(arguments) == 2 and arguments[1] is Ellipsis


def _shown(value: Any) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
