"""A photograph's output that is there already: the rule of existing.py, with what the mark in it or a record says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from photochrom.coloring import Look, Request, mark_of
from photochrom.errors import InputError
from photochrom.existing import Fate, Made, fate
from photochrom.inference.model import ModelInfo
from photochrom.photo.credentials import SIGNABLE
from photochrom.photo.marked import Marked, marked
from photochrom.photo.metadata.mark import NOT_FOUND
from photochrom.photo.metadata.writing import HOLDS_MARK
from photochrom.photo.print_border import Box
from photochrom.records import Line
from photochrom.settings import FORMATS


def fate_of(
    content: bytes,
    request: Request,
    model: ModelInfo,
    working_size: int,
    *,
    source: str,
    any_model: bool = False,
    line: Line | None = None,
) -> Fate:
    """What becomes of an output of this content, where a request is made of it.

    request: with the format of the output. source: the SHA-256 of the photograph.
    any_model: the user named no model. line: a record's last one about this output.
    """
    found = mark_in(content)
    if found is not None:
        return fate_by_mark(found, request, model, working_size, source=source, any_model=any_model)
    if line is not None:
        there = Made(line.source_sha256, line.model, line.model_sha256, line.settings)
        settings = json.loads(json.dumps(settings_in_record(request, working_size)))
        wanted = Made(source, model.name or model.preset, model.digest, settings)
        unchanged = hashlib.sha256(content).hexdigest() == line.output_sha256
        return fate(there, wanted, lambda: unchanged, any_model=any_model)
    says = request.output.mark and request.output.format in HOLDS_MARK
    return fate(None, Made(source, model.name, model.digest, None), lambda: None, says=says)


def fate_by_mark(
    found: Marked, request: Request, model: ModelInfo, working_size: int, *, source: str, any_model: bool
) -> Fate:
    """What becomes of an output with a mark; as `fate_of`."""
    there = Made(found.mark.source_sha256, found.mark.model, found.mark.model_sha256, _settings_in(found))
    wanted = _wanted_in_mark(found, request, model, working_size, source)
    return fate(there, wanted, lambda: found.unchanged, any_model=any_model)


def settings_in_record(request: Request, working_size: int) -> dict[str, Any]:
    """Everything except source and model that determines an output, as a record's line has it."""
    output = asdict(replace(request.output, credentials=None))
    del output["credentials"]  # a private key is in no record
    return asdict(request.look) | output | {"working_size": working_size, "crop_border": request.crop_border}


def mark_in(content: bytes) -> Marked | None:
    """The mark of a file; None if it has none, or one that another program changed."""
    try:
        return marked(content)
    except InputError:
        return None


def _settings_in(found: Marked) -> tuple[str, bool, bool]:
    """What a mark says of the settings, without the model; whether its file is signed; that it has a mark."""
    return replace(found.mark, model_sha256="").settings_sha256, found.is_signed, True


def _wanted_in_mark(found: Marked, request: Request, model: ModelInfo, working_size: int, source: str) -> Made:
    """What a request makes, as it would say in a mark on a photograph of the same size."""
    output, size, crop = request.output, found.mark.size, ""
    look = request.look
    if request.crop_border:
        crop = found.mark.crop or NOT_FOUND
        look = _within(look, crop)
    mark = mark_of(look, output, model, working_size, look.hints_on(*size), size, source, crop)
    quality = output.quality if FORMATS[str(output.format)].lossy else 0
    mark = replace(mark, format=str(output.format), quality=quality, model_sha256="")
    is_signed = output.credentials is not None and output.format in SIGNABLE
    settings = (mark.settings_sha256, is_signed, output.mark)
    return Made(source, mark.model, model.digest, settings)


def _within(look: Look, crop: str) -> Look:
    """The look for a print, by the crop in a mark. The same source has the same print in it.

    The mark doesn't say how large the source is, so hints that were made on a picture of another size can't be put
    at their places: they count as others, and the output is made again.
    """
    if crop == NOT_FOUND or not look.hints_on(1, 1):
        return look
    try:
        box = Box(*map(int, crop.split(",")))
        return look.within(box.left + box.width, box.top + box.height, box)
    except (ValueError, TypeError, InputError):  # another program changed the mark, or a hint is outside
        return look
