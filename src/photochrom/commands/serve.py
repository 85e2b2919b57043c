"""`photochrom serve`."""

from __future__ import annotations

import click

from photochrom.commands.options import (
    FiniteRange,
    device_option,
    max_pixels_option,
    model_option,
    whole,
    working_size_option,
)
from photochrom.errors import InputError
from photochrom.settings import JOBS, PORT, VARIANTS, Limits

LIMITS = Limits()


@click.command(short_help="Serve a web page and an HTTP API.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 takes any free one.",
)
@click.option(
    "--token",
    envvar="PHOTOCHROM_TOKEN",
    help="Token that requests must carry. It is safer in the environment variable PHOTOCHROM_TOKEN.",
)
@click.option("--insecure", is_flag=True, help="Listen on a public address without a token.")
@click.option(
    "--max-body",
    type=FiniteRange(0.01),
    default=LIMITS.body / 1e6,
    show_default=True,
    help="Largest request, in MB.",
)
@max_pixels_option(LIMITS.pixels)
@click.option(
    "--queue",
    type=click.IntRange(1),
    default=LIMITS.queue,
    show_default=True,
    help="Number of requests that are waiting or being worked on; more are refused.",
)
@click.option(
    "--workers",
    type=whole(JOBS),
    default=LIMITS.workers,
    show_default=True,
    help="Number of photographs that are colored at the same time.",
)
@click.option(
    "--timeout",
    type=FiniteRange(0.1),
    default=LIMITS.seconds,
    show_default=True,
    help="Time limit per request, in seconds.",
)
@click.option(
    "--max-variants",
    type=whole(VARIANTS),
    default=LIMITS.variants,
    show_default=True,
    help="Largest number of variants in one request.",
)
@click.option(
    "--max-jobs",
    type=click.IntRange(1),
    default=LIMITS.jobs,
    show_default=True,
    help="Number of jobs that are kept, with their results.",
)
@click.option(
    "--keep",
    type=FiniteRange(1),
    default=LIMITS.keep,
    show_default=True,
    help="Time for which a finished job is kept, in seconds.",
)
@model_option
@working_size_option
@device_option
def serve(
    host: str,
    port: int,
    token: str | None,
    insecure: bool,
    max_body: float,
    max_pixels: float,
    queue: int,
    workers: int,
    timeout: float,
    max_variants: int,
    max_jobs: int,
    keep: float,
    model: str,
    working_size: int,
    device: str,
) -> None:
    """Serve a web page that colors photographs, and an HTTP API.

    The page is at /, and /docs describes the API. Both stay on this machine unless --host says otherwise. Ctrl-C stops
    the server when the photographs that it is coloring are done. Needs the extra "app".

    \b
      photochrom serve
      photochrom serve --port 8000 --workers 4
      PHOTOCHROM_TOKEN=secret photochrom serve --host 0.0.0.0
      curl -F file=@old.jpg http://127.0.0.1:7878/v1/colorize -o new.jpg
    """
    from photochrom.inference.colorizer import Colorizer
    from photochrom.serve import serve as run_server

    if token and not (token.isascii() and token.isprintable()):
        raise InputError("the token has characters that HTTP can't carry: use letters, digits and signs of ASCII")
    limits = Limits(
        body=round(max_body * 1e6),
        pixels=round(max_pixels * 1e6),
        queue=queue,
        workers=workers,
        seconds=timeout,
        variants=max_variants,
        jobs=max_jobs,
        keep=keep,
    )
    colorizer = Colorizer(model, working_size=working_size, device=device)
    run_server(colorizer, host, port, limits, token or None, insecure, tell=click.echo)
