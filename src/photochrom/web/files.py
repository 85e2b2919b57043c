"""The page's own files, as the package has them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

from photochrom.settings import FORMATS, WORKING_SIZE

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}


def page_files() -> dict[str, bytes]:
    """The files by their path below the page's address."""
    root = files("photochrom.web").joinpath("page")
    found = {each.name: each.read_bytes() for each in root.iterdir() if each.is_file()}
    return found | {f"examples/{each.name}": each.read_bytes() for each in root.joinpath("examples").iterdir()}


def media_type_of(path: str) -> str:
    """What a server says a file is."""
    return MEDIA_TYPES[PurePosixPath(path).suffix]


def setup_of(engine: str, promise: str, model: str, working_size: int) -> dict[str, Any]:
    """What every page has to know. engine: "browser" or "http". promise: what becomes of photographs, in a sentence."""
    formats = {name: {"label": each.label, "suffixes": each.suffixes} for name, each in FORMATS.items()}
    sizes = {"workingSize": working_size, "usualWorkingSize": WORKING_SIZE.default}
    return {"engine": engine, "promise": promise, "model": model, **sizes, "formats": formats}
