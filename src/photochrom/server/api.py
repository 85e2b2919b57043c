"""The HTTP API: its routes, and what they take and give."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Depends, FastAPI, File, Form, Security, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from photochrom import __version__
from photochrom.photo.files import DEFAULT_QUALITY, FORMATS
from photochrom.photo.hints import parse_hint_file
from photochrom.server.gate import Gate, Guard
from photochrom.server.jobs import Job, Jobs
from photochrom.server.limits import Limits
from photochrom.server.metrics import Measure, Metrics
from photochrom.server.problems import Refusal, add_handlers, documented
from photochrom.server.studio import NO_HINTS, Order, Studio

FormatName = Literal["jpeg", "png", "webp", "tiff", "bmp", "avif"]  # as photo.files.FORMATS; a test holds them equal
Seed = Annotated[int, Field(ge=0, lt=2**53)]  # what JSON's numbers hold exactly
Absent: TypeAlias = SkipJsonSchema[None]  # a form has no null: a field is there or not
BINARY = {"schema": {"type": "string", "format": "binary"}}
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture in color, or a ZIP of several",
        "content": {f"image/{name}": BINARY for name in FORMATS} | {"application/zip": BINARY},
    }
}
DESCRIPTION = "Colors black-and-white photographs. Errors are problem+json (RFC 9457), with one sentence in `detail`."


class JobState(BaseModel):
    """How far a job is; `result` is where to fetch it when it is done, `detail` says why it failed."""

    id: str
    state: Literal["waiting", "working", "done", "failed"]
    detail: str | None = None
    result: str | None = None


def create_app(studio: Studio, token: str | None = None, hosts: frozenset[str] = frozenset()) -> FastAPI:
    """The API over a studio, which it closes at its end. token, hosts: as Guard takes them."""
    metrics, jobs = Metrics(studio), Jobs(studio)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        studio.close()
        jobs.close()

    app = FastAPIOffline(title="photochrom", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    app.add_middleware(Gate, studio=studio)
    app.add_middleware(Measure, metrics=metrics)
    app.add_middleware(Guard, token=token, hosts=hosts)
    add_handlers(app)
    add_watching(app, studio, metrics)
    read_order = order_reader(studio.limits)
    guarded = [Security(HTTPBearer(auto_error=False))] if token else []
    refusals = (401, 403) if token else (403,)

    @app.post(
        "/v1/colorize",
        response_class=FileResponse,
        responses=PICTURES | documented(400, 413, 422, 429, 503, *refusals),
        dependencies=guarded,
    )
    async def colorize(
        order: Annotated[Order, Depends(read_order)], folder: Annotated[Path, Depends(passing_folder)]
    ) -> FileResponse:
        """Color a photograph; with several variants, a ZIP of them."""
        delivery = await studio.do(lambda: studio.fill(order, folder))
        return FileResponse(delivery.path, media_type=delivery.media_type, filename=delivery.name)

    @app.post(
        "/v1/jobs",
        status_code=202,
        response_description="The job waits for its turn",
        responses=documented(400, 413, 422, 429, 503, *refusals),
        dependencies=guarded,
    )
    def start_job(
        order: Annotated[Order, Depends(read_order)], file: Annotated[UploadFile, File()], response: Response
    ) -> JobState:
        """Take a photograph now, to be fetched in color later."""
        job = jobs.start(order, file.file)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return state_of(job)

    @app.get("/v1/jobs/{id}", responses=documented(404, 422, *refusals), dependencies=guarded)
    async def find_job(id: str) -> JobState:
        """How far a job is."""
        return state_of(jobs.find(id))

    @app.get(
        "/v1/jobs/{id}/result",
        response_class=FileResponse,
        responses=PICTURES | documented(404, 409, 422, *refusals),
        dependencies=guarded,
    )
    async def fetch_result(id: str) -> FileResponse:
        """What came of a job."""
        job = jobs.find(id)
        if job.state != "done" or job.delivery is None:
            raise Refusal(409, f"the job is {job.state}" + (f": {job.detail}" if job.detail else ""))
        return FileResponse(job.delivery.path, media_type=job.delivery.media_type, filename=job.delivery.name)

    @app.delete("/v1/jobs/{id}", status_code=204, responses=documented(404, 422, *refusals), dependencies=guarded)
    async def forget_job(id: str) -> None:
        """Drop a job and its result."""
        jobs.forget(jobs.find(id))

    return app


def add_watching(app: FastAPI, studio: Studio, metrics: Metrics) -> None:
    """The routes for whoever watches over the server."""

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Whether the process lives."""
        return "ok"

    @app.get("/readyz", response_class=PlainTextResponse, responses=documented(503))
    async def readyz() -> str:
        """Whether it takes photographs now."""
        if studio.closing or studio.held >= studio.limits.queue:
            raise Refusal(503, "the server takes no photographs now", retry_after=5)
        return "ok"

    @app.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def order_reader(limits: Limits) -> Callable[..., Awaitable[Order]]:
    """A dependency that reads the multipart form of both ways to order."""

    async def read_order(
        file: Annotated[UploadFile, File(description="The photograph")],
        strength: Annotated[float, Form(ge=0, le=10, description="Multiplies the colors")] = 1.0,
        seed: Annotated[Seed | Absent, Form(description="Another plausible coloring")] = None,
        variants: Annotated[int, Form(ge=1, le=limits.variants, description="Different colorings, in a ZIP")] = 1,
        hints: Annotated[str | Absent, Form(description="A hints file: JSON")] = None,
        format: Annotated[FormatName | Absent, Form(description="Of the result; else the photograph's own")] = None,
        quality: Annotated[int, Form(ge=1, le=100, description="Of JPEG, WebP and AVIF")] = DEFAULT_QUALITY,
    ) -> Order:
        hint_file = parse_hint_file(hints, "the field hints") if hints else NO_HINTS
        name = file.filename or "photograph"
        return Order(file.file.read, name, strength, seed, variants, hint_file, format, quality)

    return read_order


def passing_folder() -> Iterator[Path]:
    """A folder that is gone when the response is sent."""
    with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
        yield Path(folder)


def state_of(job: Job) -> JobState:
    """A job as the API tells of it."""
    result = f"/v1/jobs/{job.id}/result" if job.state == "done" else None
    return JobState(id=job.id, state=job.state, detail=job.detail, result=result)
