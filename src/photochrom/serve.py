"""`photochrom serve`: the page and the API on one port, and how they stop."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from types import FrameType

from photochrom.errors import InputError, MissingExtra, reason_of
from photochrom.inference.colorizer import Colorizer
from photochrom.settings import Limits

try:
    import uvicorn
    from fastapi import FastAPI

    from photochrom.server.api import create_app
    from photochrom.server.page import add_page
    from photochrom.service.service import Service
except ImportError as error:
    raise MissingExtra("serving", "app") from error

GRACE_SECONDS = 2  # for open pages to disconnect, after all photographs are done
BACKLOG = 2048  # connections that may wait to be accepted, as in uvicorn
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def build_app(
    colorizer: Colorizer, limits: Limits, token: str | None = None, hosts: frozenset[str] = frozenset()
) -> tuple[FastAPI, Service]:
    """The app with the page and the API, and their service."""
    service = Service(colorizer, limits)
    app = create_app(service, token, hosts)
    add_page(app, service)
    return app, service


def serve(
    colorizer: Colorizer,
    host: str,
    port: int,
    limits: Limits,
    token: str | None = None,
    insecure: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve until Ctrl-C or SIGTERM; then finish the requests that are held.

    Raises InputError if the address can't be used, or if it is public and there is no token.
    """
    local = is_loopback(host)
    if not local and token is None and not insecure:
        raise InputError(
            f"{host} can be reached from other machines: set a token (--token or PHOTOCHROM_TOKEN), "
            "or use --insecure to let everybody in"
        )
    listener = listen(host, port)
    names = LOOPBACK_NAMES | {host} if local and token is None else frozenset()
    app, service = build_app(colorizer, limits, token, names)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
    tell(f"photochrom is at {address}" + ("?token=... (the token you set)" if token else ""))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_SECONDS, server_header=False)
    GracefulServer(config, service).run([listener])


class GracefulServer(uvicorn.Server):
    """A server that takes no new requests and finishes those it holds before it closes."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self.service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own handler raises the signal again at the end, which would leave temporary files behind
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.service.closing = True
        while self.service.held and not self.force_exit:  # a second signal ends the waiting
            await asyncio.sleep(0.05)
        if self.force_exit:  # uvicorn leaves out the lifespan's end then
            self.service.give_up()
        await super().shutdown(sockets)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached only from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises InputError."""
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # a program that reads the address we print may connect at once
        except OSError:
            listener.close()
            raise
        return listener
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} of {host} is taken: choose another with --port") from error
        raise InputError(f"cannot listen on {host} port {port}: {reason_of(error)}") from error
