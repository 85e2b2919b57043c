"""`photochrom web`."""

from __future__ import annotations

from pathlib import Path

import click

from photochrom.commands.options import ANY_PATH, model_option, need_extra, working_size_option
from photochrom.settings import PORT


@click.command(short_help="Make a web page that colors in the browser.")
@click.argument("folder", type=ANY_PATH, required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to serve on, without FOLDER; 0 takes any free one.",
)
@click.option(
    "--runtime",
    type=ANY_PATH,
    metavar="FOLDER",
    help="Folder dist of the npm package onnxruntime-web.  [default: it is downloaded once]",
)
@model_option
@working_size_option
def web(folder: Path | None, port: int, runtime: Path | None, model: str, working_size: int) -> None:
    """Make a web page that colors photographs in the visitor's browser, so that they never leave it.

    With FOLDER its files are written there, for any web host. Without, they are served on this machine until Ctrl-C.
    The first time, onnxruntime-web is downloaded from the npm registry (33 MB) and kept. Needs the extra "pipeline".

    \b
      photochrom web
      photochrom web page
    """
    from tempfile import TemporaryDirectory

    from photochrom.errors import OutputError

    need_extra("making the page", "pipeline", "onnx")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder for the page")
    from photochrom.web.build import build, write_folder
    from photochrom.web.host import serve_folder
    from photochrom.web.runtime import read_runtime

    made = build(model, working_size, read_runtime(runtime, click.echo))
    if folder is not None:
        write_folder(made, folder)
        size = sum(map(len, made.values())) / 1e6
        click.echo(f"{folder}: {len(made)} files, {size:.1f} MB; any web host can serve it")
        return
    with TemporaryDirectory(prefix="photochrom-") as temporary:
        write_folder(made, Path(temporary))
        serve_folder(Path(temporary), port, click.echo)
