"""Errors as problem+json (RFC 9457), with one sentence for people."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from photochrom.errors import OUR_FAULT, Busy, InputError, PhotochromError, Stopping, TooLargeError, UnknownJob

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"


class Refusal(PhotochromError):
    """A request that the API refuses. status: the HTTP status of the answer. retry_after: seconds."""

    def __init__(self, status: int, message: str, retry_after: int | None = None):
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


class Problem(BaseModel):
    """Why a request was refused."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


# The first class that matches counts.
STATUSES: dict[type[PhotochromError], int] = {
    TooLargeError: 413,
    InputError: 400,
    UnknownJob: 404,
    Stopping: 503,
    Busy: 429,
}
DESCRIPTIONS = {
    400: "The photograph or an option can't be used",
    401: "The token is missing or wrong",
    403: "The request comes from another site's page",
    404: "There is no such job",
    409: "The job is not done",
    413: "The body or the photograph is too large",
    422: "A field is missing or of the wrong kind",
    429: "Too many photographs are waiting",
    503: "The server is stopping, or the request took too long",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of these refusals."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": DESCRIPTIONS[status], "content": content} for status in statuses}


def problem(status: int, detail: str, retry_after: int | None = None) -> JSONResponse:
    """The response to a request that is refused."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def problem_of(error: PhotochromError) -> JSONResponse | None:
    """The response to an error of the user's or of the moment; None for one of ours."""
    if isinstance(error, Refusal):
        return problem(error.status, str(error), error.retry_after)
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), None)
    return None if status is None else problem(status, str(error), getattr(error, "retry_after", None))


def add_handlers(app: FastAPI) -> None:
    """Make an application answer every error with problem+json."""

    @app.exception_handler(PhotochromError)
    async def refuse(request: Request, error: PhotochromError) -> JSONResponse:
        response = problem_of(error)
        if response is None:
            log.error("%s", error)
        return response or problem(500, OUR_FAULT)

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where, *names = first["loc"]  # the field, and which of its types it failed
        place = names[0] if names else where
        return problem(422, f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}")

    @app.exception_handler(HTTPException)
    async def pass_on(request: Request, error: HTTPException) -> JSONResponse:
        response = problem(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def apologize(request: Request, error: Exception) -> JSONResponse:
        return problem(500, OUR_FAULT)
