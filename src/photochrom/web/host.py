"""A small server of the page's folder on this machine, with the headers that allow threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from photochrom.errors import InputError, reason_of
from photochrom.web.files import MEDIA_TYPES

HOST = "127.0.0.1"
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": "default-src 'self' blob: data:; script-src 'self' blob: 'wasm-unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class PageHandler(SimpleHTTPRequestHandler):
    """Serves files of a folder."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | MEDIA_TYPES

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *values: Any) -> None:
        """Say nothing of single requests."""


def serve_folder(folder: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve a folder on this machine until it is interrupted. Raises InputError if the port can't be used."""
    try:
        server = ThreadingHTTPServer((HOST, port), partial(PageHandler, directory=str(folder)))
    except OSError as error:
        raise InputError(f"cannot listen on {HOST} port {port}: {reason_of(error)}; take another --port") from error
    with server:
        tell(f"The page is at http://{HOST}:{server.server_address[1]}/ (Ctrl-C ends it)")
        server.serve_forever()
