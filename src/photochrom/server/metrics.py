"""Figures for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photochrom.server.routing import api_routes
from photochrom.service.service import Service

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)  # buckets of the response times
BATCHES = (1, 2, 4, 8)


class Metrics:
    """The figures of one application, in a registry of its own."""

    def __init__(self, service: Service):
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("photochrom_requests", "Requests answered", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "photochrom_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=registry
        )
        held = Gauge("photochrom_held", "Photographs waiting or in work", registry=registry)
        held.set_function(lambda: service.held)
        batches = Histogram("photochrom_batch_size", "Photographs per prediction", buckets=BATCHES, registry=registry)
        service.batcher.observe = batches.observe

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)


class Measurement:
    """ASGI middleware that counts and times the answers of the API's own routes."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[BaseRoute]):
        self.app, self.metrics, self.routes = app, metrics, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, observe)
        finally:
            route = self._route_of(scope)
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)

    def _route_of(self, scope: Scope) -> str:
        """The path of the route that a request is for, as it was declared: /v1/jobs/{id}, or "unknown"."""
        return next((route.path for route in api_routes(self.routes, scope)), "unknown")
