"""The gate: who comes in, how much they may bring, and how long they may stay. ASGI middleware."""

from __future__ import annotations

import asyncio
import hmac
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photochrom.server.problems import Refusal, problem
from photochrom.server.studio import Studio

COOKIE = "photochrom-token"
FIREWALL = [  # browsers hold pages to it: whatever a library's page would like to load, nothing leaves the machine
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
OPEN_PATHS = ("/healthz", "/readyz")  # for those who watch over the server: they tell nothing


class Guard:
    """Refuses pages of other sites, and whoever lacks the token, if there is one.

    A program sends the token as "Authorization: Bearer TOKEN". A person opens /?token=TOKEN once; a cookie keeps
    it. hosts: the names by which the server may be asked; empty for any. Without this check, a web page could make
    a browser ask a server on its own machine, under the page's own name (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: frozenset[str] = frozenset()):
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def walled(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *FIREWALL]
            await send(message)

        if scope["type"] == "http":
            await self._check(scope, receive, walled)
        else:
            await self.app(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in OPEN_PATHS:
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            if self.hosts and (urlsplit(f"//{host}").hostname or "") not in self.hosts:
                await problem(403, f"this server does not answer to the name {host!r}")(scope, receive, send)
                return
            if origin is not None and urlsplit(origin).netloc != host:
                await problem(403, "this server takes no requests from other sites' pages")(scope, receive, send)
                return
            if self.token is not None and not self._is_welcome(headers):
                await self._ask_for_token(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_welcome(self, headers: Headers) -> bool:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        return self._fits(bearer) or (cookie is not None and self._fits(cookie.value))

    def _fits(self, offered: str) -> bool:
        return hmac.compare_digest(offered.encode(), (self.token or "").encode())

    async def _ask_for_token(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and self._fits(offered):
            welcome = RedirectResponse("/", 303)
            welcome.set_cookie(COOKIE, offered, httponly=True, samesite="strict")
            await welcome(scope, receive, send)
        elif scope["path"].startswith("/v1/"):
            refused = problem(401, "send the server's token: Authorization: Bearer TOKEN")
            refused.headers["WWW-Authenticate"] = "Bearer"
            await refused(scope, receive, send)
        else:
            text = "This darkroom is locked. Open its address with ?token=TOKEN at the end.\n"
            await PlainTextResponse(text, 401)(scope, receive, send)


class Gate:
    """Bounds every request that brings something to the API: room, bytes and seconds."""

    def __init__(self, app: ASGIApp, studio: Studio):
        self.app, self.studio, self.limits = app, studio, studio.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > self.limits.body:
            await problem(413, self.too_large)(scope, receive, send)
            return
        try:
            self.studio.take_place()
        except Refusal as refusal:
            await problem(refusal.status, str(refusal), refusal.retry_after)(scope, receive, send)
            return
        visit = Visit(self, receive, send)
        try:
            await asyncio.wait_for(self.app(scope, visit.receive, visit.send), self.limits.seconds)
        except asyncio.TimeoutError:
            if visit.answered:
                raise  # too late for another answer: the connection breaks
            text = f"this took longer than {self.limits.seconds:g} seconds: try a smaller photograph, or a job"
            await problem(503, text, retry_after=5)(scope, receive, visit.send)
        finally:
            visit.leave()

    @property
    def too_large(self) -> str:
        """Why a request is refused."""
        return f"the request is larger than {self.limits.body / 1e6:g} MB, the most this server takes"


class Visit:
    """One request inside the gate: its bytes are counted, and its place is free before its answer has ended."""

    def __init__(self, gate: Gate, receive: Receive, send: Send):
        self.gate, self._receive, self._send = gate, receive, send
        self.answered = False
        self._bytes, self._left = 0, False

    async def receive(self) -> Message:
        """The next piece of the request. Raises HTTPException when there are too many bytes."""
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self.gate.limits.body:
            raise HTTPException(413, self.gate.too_large)
        return message

    async def send(self, message: Message) -> None:
        """The next piece of the answer."""
        self.answered = True
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.leave()  # who has the answer may ask again at once, and shall find room
        await self._send(message)

    def leave(self) -> None:
        """Free the place, once."""
        if not self._left:
            self._left = True
            self.gate.studio.leave_place()
