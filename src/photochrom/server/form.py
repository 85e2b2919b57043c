"""The multipart form of an upload: its fields, and what is refused of others."""

from collections import Counter
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, FastAPI, File, Form, UploadFile
from fastapi import Request as HttpRequest
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from photochrom.coloring import Look, Output, Request
from photochrom.errors import advice_on
from photochrom.inference.weights import BUNDLED_MODELS
from photochrom.photo.hints import parse_hint_file
from photochrom.server.problems import Refusal
from photochrom.service.service import Upload
from photochrom.settings import (
    FORMATS,
    LOSSY_LABELS,
    MAX_SEED,
    QUALITY,
    STRENGTH,
    VARIANTS,
    WARMTH,
    WORKING_SIZE,
    Limits,
)

FormatName = Enum("FormatName", {name: name for name in FORMATS})  # type: ignore[misc]  # mypy reads literals only
ModelName = Enum("ModelName", {name: name for name in BUNDLED_MODELS})  # type: ignore[misc]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
WorkingSize = Annotated[int, Field(ge=WORKING_SIZE.low, le=WORKING_SIZE.high)]
Absent: TypeAlias = SkipJsonSchema[None]  # a form has no null: a field is present or not
FIELDS = ("file", "strength", "warmth", "seed", "variants", "hints", "format", "quality", "model", "working_size")


async def check_fields(request: HttpRequest) -> None:
    """Raises Refusal for a field that the form doesn't have, or has twice, and for a file or body that isn't one."""
    if request.query_params:
        raise Refusal(422, f"{next(iter(request.query_params))}: fields go into the form, not into the address")
    form = await request.form()
    if "file" not in form and not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(422, "the body is no form with a file: send multipart/form-data, as curl -F file=@old.jpg does")
    for name, count in Counter(name for name, _ in form.multi_items()).items():
        if name not in FIELDS:
            raise Refusal(422, f"{name}: there is no such field; {advice_on(name, FIELDS, 'fields')}")
        if count > 1:
            raise Refusal(422, f"{name}: this field is there {count} times")
    if isinstance(form.get("file"), str):
        text = (
            'file: this part of the form has no filename="...", so it is text and not a file; filename* does not count'
        )
        raise Refusal(422, text)


def upload_reader(limits: Limits) -> Callable[..., Awaitable[Upload]]:
    """A dependency that reads the multipart form of /v1/colorize and /v1/jobs."""
    low, high = STRENGTH.low, STRENGTH.high

    async def read_upload(
        checked: Annotated[None, Depends(check_fields)],
        file: Annotated[UploadFile, File(description="The photograph")],
        strength: Annotated[float, Form(ge=low, le=high, description="Multiplies the colors")] = STRENGTH.default,
        warmth: Annotated[
            float,
            Form(ge=WARMTH.low, le=WARMTH.high, description="White balance of the colors, from blue to yellow"),
        ] = WARMTH.default,
        seed: Annotated[Seed | Absent, Form(description="Number of another plausible coloring")] = None,
        variants: Annotated[
            int, Form(ge=VARIANTS.low, le=limits.variants, description="Number of different colorings, in a ZIP")
        ] = int(VARIANTS.default),
        hints: Annotated[str | Absent, Form(description="A hints file: JSON")] = None,
        format: Annotated[
            FormatName | Absent, Form(description="Format of the result.  [default: the photograph's own]")
        ] = None,
        quality: Annotated[
            int, Form(ge=QUALITY.low, le=QUALITY.high, description=f"Quality, 1-100, for {LOSSY_LABELS}")
        ] = int(QUALITY.default),
        model: Annotated[
            ModelName | Absent, Form(description="Name of a bundled model.  [default: the server's]")
        ] = None,
        working_size: Annotated[
            WorkingSize | Absent,
            Form(description="Short side, in pixels, of the picture that the network sees.  [default: the server's]"),
        ] = None,
    ) -> Upload:
        hint_file = parse_hint_file(hints, "the field hints") if hints else None
        look = Look(strength, seed, hint_file=hint_file, warmth=warmth)
        output = Output(format.value if format else None, quality)
        request = Request(look, output, limits.pixels)
        name = file.filename or "photograph"
        return Upload(file.file.read, name, request, variants, model.value if model else None, working_size)

    return read_upload


def describe_fields(app: FastAPI) -> None:
    """Let an application's OpenAPI description say that forms have no other fields."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        description = describe()
        for name, schema in description.get("components", {}).get("schemas", {}).items():
            if name.startswith("Body_"):
                schema["additionalProperties"] = False
        return description

    app.openapi = openapi  # type: ignore[method-assign]
