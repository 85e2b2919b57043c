"""How large a request may be, and how long it may take: ASGI middleware."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photochrom.errors import Busy
from photochrom.server.problems import problem, problem_of
from photochrom.service.service import Service


class RequestLimits:
    """Limits the requests that upload a photograph to the API: their number, bytes and seconds."""

    def __init__(self, app: ASGIApp, service: Service):
        self.app, self.service, self.limits = app, service, service.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self.limits.body:
            await problem(413, self.too_large)(scope, receive, send)
            return
        try:
            self.service.take_slot()
        except Busy as busy:
            response = problem_of(busy)
            assert response is not None
            await response(scope, receive, send)
            return
        exchange = Exchange(self, receive, send)
        try:
            await asyncio.wait_for(self.app(scope, exchange.receive, exchange.send), self.limits.seconds)
        except asyncio.TimeoutError:
            if exchange.answered:
                raise  # the answer has begun already: the connection is closed
            text = f"this took longer than {self.limits.seconds:g} seconds: try a smaller photograph, or a job"
            await problem(503, text, retry_after=5)(scope, receive, exchange.send)
        finally:
            exchange.free_slot()

    @property
    def too_large(self) -> str:
        """Why a request is refused."""
        return f"the request is larger than {self.limits.body / 1e6:g} MB, the most this server takes"


class Exchange:
    """One request and its answer: counts the bytes, and frees the slot just before the answer ends."""

    def __init__(self, bounds: RequestLimits, receive: Receive, send: Send):
        self.bounds, self._receive, self._send = bounds, receive, send
        self.answered = False
        self._bytes, self._freed = 0, False

    async def receive(self) -> Message:
        """The next piece of the request. Raises HTTPException when there are too many bytes."""
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self.bounds.limits.body:
            raise HTTPException(413, self.bounds.too_large)
        return message

    async def send(self, message: Message) -> None:
        """The next piece of the answer."""
        self.answered = True
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.free_slot()  # a client that has the answer may send its next request at once
        await self._send(message)

    def free_slot(self) -> None:
        """Free the slot, once."""
        if not self._freed:
            self._freed = True
            self.bounds.service.free_slot()
