"""Paths and methods that the API doesn't have: ASGI middleware in front of its routes.

Without it they would fall to the page, whose route takes every path and answers in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photochrom.server.problems import problem

MONITORING_PATHS = ("/healthz", "/readyz", "/metrics")


class ApiPaths:
    """Answers 404 and 405 for the API's part of the addresses, and HEAD wherever there is a GET."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]):
        self.app, self.routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_api_path(scope["path"]):
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        methods = self._methods_at(scope)
        if method == "HEAD" and "GET" in methods:
            await self.app({**scope, "method": "GET"}, receive, _without_body(send))
        elif method in methods:
            await self.app(scope, receive, send)
        elif methods:
            refused = problem(405, f"{path} takes {', '.join(methods)}, not {method}")
            refused.headers["Allow"] = ", ".join(methods)
            await refused(scope, receive, send)
        else:
            await problem(404, f"the API has no {path}: /docs says what it has")(scope, receive, send)

    def _methods_at(self, scope: Scope) -> list[str]:
        """The methods that the routes of a path take, in order; none if there is no route."""
        methods = {method for route in api_routes(self.routes, scope) for method in route.methods or ()}
        return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def api_routes(routes: Sequence[BaseRoute], scope: Scope) -> list[Route]:
    """The API's routes that a request's path is for, whatever its method; the page's takes every path and is none."""
    own = (route for route in routes if isinstance(route, Route) and is_api_path(route.path))
    return [route for route in own if route.matches(scope)[0] != Match.NONE]


def is_api_path(path: str) -> bool:
    """Whether a path is the API's and not the page's."""
    return path == "/v1" or path.startswith("/v1/") or path in MONITORING_PATHS


def _without_body(send: Send) -> Send:
    async def send_headers(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_headers
