"""Who may use the server: ASGI middleware that checks host, origin and token."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photochrom.server.problems import problem

COOKIE = "photochrom-token"
SECURITY_HEADERS = [  # the policy lets pages load only from this server, even if a library's page asks for more
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
OPEN_PATHS = ("/healthz", "/readyz")  # for monitoring; they reveal nothing


class Authorization:
    """Refuses requests of other sites' pages and, if there is a token, requests without it.

    A program sends the token as "Authorization: Bearer TOKEN". A person opens /?token=TOKEN once, and a cookie keeps
    the token. hosts: the host names that the server answers to; empty for any. Without this check, a web page could
    let its own host name point to this machine and then use the server (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: frozenset[str] = frozenset()):
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *SECURITY_HEADERS]
            await send(message)

        if scope["type"] == "http":
            await self._check(scope, receive, send_secured)
        else:
            await self.app(scope, receive, send)

    async def _check(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in OPEN_PATHS:
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            if self.hosts and name_of(f"//{host}") not in self.hosts:
                await problem(403, f"this server does not answer to the name {host!r}")(scope, receive, send)
                return
            if origin is not None and origin_host(origin) != host:
                await problem(403, "this server takes no requests from other sites' pages")(scope, receive, send)
                return
            if self.token is not None and not self._is_authorized(headers):
                await self._ask_for_token(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_authorized(self, headers: Headers) -> bool:
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        # All ports of a host share their cookies. Those of other programs may have any form and are ignored.
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return self._fits(bearer) or self._fits(cookie)

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
            text = "This page needs a token. Open its address with ?token=TOKEN at the end.\n"
            await PlainTextResponse(text, 401)(scope, receive, send)


def name_of(url: str) -> str:
    """The host name of a URL, "" if it has none or is malformed."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def origin_host(origin: str) -> str | None:
    """The host and port of an Origin header; None, which is no server's, if it is malformed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
