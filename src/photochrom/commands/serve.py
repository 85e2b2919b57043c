"""`photochrom serve`."""

from __future__ import annotations

import click

from photochrom.commands.options import model_option, working_size_option


@click.command(short_help="Open the darkroom: a web page and an HTTP API.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=7878, show_default=True, help="0 takes any free one.")
@click.option(
    "--token",
    envvar="PHOTOCHROM_TOKEN",
    help="What requests must carry; better in the environment: PHOTOCHROM_TOKEN.",
)
@click.option("--insecure", is_flag=True, help="Listen on a public address without a token.")
@click.option("--max-body", type=click.FloatRange(0.01), default=100.0, show_default=True, help="MB of a request.")
@click.option(
    "--max-pixels",
    type=click.FloatRange(0.01),
    default=100.0,
    show_default=True,
    help="Millions, of a photograph.",
)
@click.option("--queue", type=click.IntRange(1), default=64, show_default=True, help="Requests held; more are refused.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Photographs in work at a time."
)
@click.option("--timeout", type=click.FloatRange(0.1), default=120.0, show_default=True, help="Seconds of a request.")
@click.option("--max-variants", type=click.IntRange(1, 99), default=8, show_default=True, help="Of a request.")
@click.option("--max-jobs", type=click.IntRange(1), default=64, show_default=True, help="Kept, with their results.")
@click.option(
    "--keep", type=click.FloatRange(1), default=3600.0, show_default=True, help="Seconds a finished job is kept."
)
@model_option
@working_size_option
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
) -> None:
    """Open the darkroom: a web page that colors photographs, and an HTTP API.

    The API's description is at /docs. Both stay on this machine unless --host says otherwise. Ctrl-C stops
    the server, after the photographs in work are done. Needs the extra "app".

    \b
      photochrom serve
      photochrom serve --port 8000 --workers 4
      PHOTOCHROM_TOKEN=secret photochrom serve --host 0.0.0.0
      curl -F file=@old.jpg http://127.0.0.1:7878/v1/colorize -o new.jpg
    """
    from photochrom.inference.colorizer import Colorizer
    from photochrom.serve import serve as open_darkroom
    from photochrom.server.limits import Limits

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
    colorizer = Colorizer(model, working_size=working_size)
    open_darkroom(colorizer, host, port, limits, token or None, insecure, tell=click.echo)
