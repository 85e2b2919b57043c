"""The HTTP API: its routes, forms and answers."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, File, Security, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel

from photochrom import __version__
from photochrom.errors import one_line
from photochrom.server.auth import Authorization
from photochrom.server.form import describe_fields, upload_reader
from photochrom.server.limits import RequestLimits
from photochrom.server.metrics import Measurement, Metrics
from photochrom.server.problems import Refusal, add_handlers, documented
from photochrom.server.routing import ApiPaths
from photochrom.service.jobs import Job, Jobs
from photochrom.service.service import Result, Service, Upload
from photochrom.settings import FORMATS

BINARY = {"schema": {"type": "string", "format": "binary"}}
LEFT_OUT = "Photochrom-Left-Out"  # a header
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture in color, or a ZIP of several",
        "content": {f"image/{name}": BINARY for name in FORMATS} | {"application/zip": BINARY},
        "headers": {
            LEFT_OUT: {
                "description": "What of the photograph's file the picture doesn't have; absent if it has all",
                "schema": {"type": "string"},
            }
        },
    }
}
DESCRIPTION = "Colors black-and-white photographs. Errors are problem+json (RFC 9457), with one sentence in `detail`."


class JobState(BaseModel):
    """The state of a job. `result` is the address of the result, if it is done. `detail` says why it failed.

    `left_out` names what of the photograph's file the result doesn't have.
    """

    id: str
    state: Literal["waiting", "working", "done", "failed"]
    detail: str | None = None
    result: str | None = None
    left_out: list[str] = []


def create_app(service: Service, token: str | None = None, hosts: frozenset[str] = frozenset()) -> FastAPI:
    """The API for a service, which it closes at its end. token, hosts: see Authorization."""
    metrics, jobs = Metrics(service), Jobs(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.closing = True
        await asyncio.to_thread(jobs.close)
        await asyncio.to_thread(service.close)

    app = FastAPIOffline(title="photochrom", version=__version__, description=DESCRIPTION, lifespan=lifespan)
    app.add_middleware(RequestLimits, service=service)
    app.add_middleware(ApiPaths, routes=app.routes)
    app.add_middleware(Measurement, metrics=metrics, routes=app.routes)
    app.add_middleware(Authorization, token=token, hosts=hosts)
    add_handlers(app)
    describe_fields(app)
    add_monitoring(app, service, metrics)
    read_upload = upload_reader(service.limits)
    guarded = [Security(HTTPBearer(auto_error=False))] if token else []
    refusals = (401, 403) if token else (403,)

    @app.post(
        "/v1/colorize",
        response_class=FileResponse,
        responses=PICTURES | documented(400, 413, 422, 429, 503, *refusals),
        dependencies=guarded,
    )
    async def colorize(
        upload: Annotated[Upload, Depends(read_upload)], folder: Annotated[Path, Depends(temporary_folder)]
    ) -> FileResponse:
        """Color a photograph; with several variants, a ZIP of them."""
        # An abandoned request's work is dropped: what waits is cancelled, and what is in work finds its folder gone.
        work = partial(service.color, upload, folder, is_abandoned=lambda: not folder.exists())
        result = await asyncio.wrap_future(service.submit(work))
        return answer_with(result)

    @app.post(
        "/v1/jobs",
        status_code=202,
        response_description="The job waits for its turn",
        responses=documented(400, 413, 422, 429, 503, *refusals),
        dependencies=guarded,
    )
    def start_job(
        upload: Annotated[Upload, Depends(read_upload)], file: Annotated[UploadFile, File()], response: Response
    ) -> JobState:
        """Upload a photograph now, and fetch it in color later."""
        job = jobs.start(upload, file.file)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return state_of(job)

    @app.get("/v1/jobs/{id}", responses=documented(404, 422, *refusals), dependencies=guarded)
    def find_job(id: str) -> JobState:
        """The state of a job."""
        return state_of(jobs.find(id))

    @app.get(
        "/v1/jobs/{id}/result",
        response_class=FileResponse,
        responses=PICTURES | documented(404, 409, 422, *refusals),
        dependencies=guarded,
    )
    def fetch_result(id: str) -> FileResponse:
        """The result of a job."""
        job = jobs.find(id)
        if job.state != "done" or job.result is None:
            raise Refusal(409, f"the job is {job.state}" + (f": {job.detail}" if job.detail else ""))
        return answer_with(job.result)

    @app.delete("/v1/jobs/{id}", status_code=204, responses=documented(404, 422, *refusals), dependencies=guarded)
    def forget_job(id: str) -> None:
        """Delete a job and its result."""
        jobs.forget(jobs.find(id))

    return app


def add_monitoring(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """The routes that monitor the server."""

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Whether the process lives."""
        return "ok"

    @app.get("/readyz", response_class=PlainTextResponse, responses=documented(503))
    async def readyz() -> str:
        """Whether the server takes photographs now."""
        if service.closing or service.held >= service.limits.queue:
            raise Refusal(503, "the server takes no photographs now", retry_after=5)
        return "ok"

    @app.get("/metrics", response_class=PlainTextResponse)
    async def read_metrics() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def temporary_folder() -> Iterator[Path]:
    """A folder that is deleted after the response."""
    with tempfile.TemporaryDirectory(prefix="photochrom-") as folder:
        yield Path(folder)


def answer_with(result: Result) -> FileResponse:
    """The file of a result; a header names what it doesn't have of the photograph's file, if anything."""
    answer = FileResponse(result.path, media_type=result.media_type, filename=result.name)
    if result.left_out:
        answer.headers[LEFT_OUT] = "; ".join(map(one_line, result.left_out)).encode("ascii", "replace").decode()
    return answer


def state_of(job: Job) -> JobState:
    """A job's state as the API returns it."""
    result = f"/v1/jobs/{job.id}/result" if job.state == "done" else None
    left_out = list(job.result.left_out) if job.result else []
    return JobState(id=job.id, state=job.state, detail=job.detail, result=result, left_out=left_out)
