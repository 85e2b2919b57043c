"""The page: its files, and what it has to know of this server. It colors by the API alone."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from photochrom.server.problems import Refusal
from photochrom.service.service import Service
from photochrom.settings import READABLE_SUFFIXES
from photochrom.web.files import media_type_of, page_files, setup_of

PROMISE = "Your photographs go to this server and nowhere else."
UNCACHED = {"Cache-Control": "no-cache"}  # browsers ask whether a file is still the same


def add_page(app: FastAPI, service: Service) -> None:
    """The routes of the page, behind all others."""
    made = page_files()
    del made["sw.js"]  # without the server the page can't color
    info = service.colorizer.model_info
    setup = setup_of("http", PROMISE, info.name or info.preset, service.colorizer.working_size)
    setup["accept"] = ",".join(sorted(READABLE_SUFFIXES))

    @app.api_route("/setup.json", methods=["GET", "HEAD"], include_in_schema=False)
    async def read_setup() -> Response:
        return JSONResponse(setup, headers=UNCACHED)

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def read_file(path: str) -> Response:
        name = path or "index.html"
        if name not in made:
            raise Refusal(404, f"there is no page /{path}")
        return Response(made[name], media_type=media_type_of(name), headers=UNCACHED)
