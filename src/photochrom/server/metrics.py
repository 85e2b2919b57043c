"""What a server tells Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photochrom.server.studio import Studio

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)  # buckets of the response times
BATCHES = (1, 2, 4, 8)


class Metrics:
    """The figures of one application, in a registry of its own."""

    def __init__(self, studio: Studio):
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("photochrom_requests", "Requests answered", ["route", "status"], registry=registry)
        self.seconds = Histogram(
            "photochrom_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=registry
        )
        held = Gauge("photochrom_held", "Photographs waiting or in work", registry=registry)
        held.set_function(lambda: studio.held)
        batches = Histogram("photochrom_batch_size", "Photographs a prediction", buckets=BATCHES, registry=registry)
        studio.batcher.observe = batches.observe

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)


class Measure:
    """ASGI middleware that counts and times the answers of the API's own routes."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self.app, self.metrics = app, metrics

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
            route = "/v1/jobs" if scope["path"].startswith("/v1/jobs") else "/v1/colorize"
            self.metrics.requests.labels(route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
