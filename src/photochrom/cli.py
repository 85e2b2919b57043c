"""The command line: its commands, in the order of the help text.

Each command has a module in `commands/`, which does its heavy imports when the command runs.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import click

from photochrom import __version__
from photochrom.commands.archive import archive
from photochrom.commands.colorize import colorize
from photochrom.commands.doctor import completion, doctor
from photochrom.commands.evaluate import evaluate
from photochrom.commands.in_place import in_place
from photochrom.commands.info import info
from photochrom.commands.models import models
from photochrom.commands.serve import serve
from photochrom.commands.train import export, train
from photochrom.commands.video import video
from photochrom.commands.web import web
from photochrom.errors import PhotochromError, one_line, reason_of
from photochrom.stopping import stoppable


class Commands(click.Group):
    """A group in which a user's mistake is one line and exit status 2, never a traceback."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)  # in our order, not alphabetically

    def invoke(self, context: click.Context) -> Any:
        try:
            with stoppable():
                return super().invoke(context)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads the output any more
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise  # click's own ways to end
        except (PhotochromError, MemoryError, OSError) as error:
            click.echo(f"photochrom: {one_line(message_of(error))}", err=True)
            context.exit(2)
        except Exception as error:  # of a library, in a case that nobody thought of
            fault = f"stopped by a fault of this program ({reason_of(error)}): please report it"
            click.echo(f"photochrom: {fault}", err=True)
            context.exit(2)


def message_of(error: Exception) -> str:
    """What is wrong, in one line. An OSError here is of a path that can't even be looked at, or of standard output."""
    if isinstance(error, OSError):
        return f"{error.filename or 'standard output'}: {reason_of(error)}"
    return str(error) or "there is not enough memory for this"


EPILOG = """
Exit status: 0 if all went well, 1 if some of many photographs failed, 2 for a mistake in the call or if nothing could
be done, 130 or 143 if the run was stopped (Ctrl-C, SIGTERM). `photochrom COMMAND --help` lists the options of a
command.
"""


@click.group(
    cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="photochrom")
def main() -> None:
    """Color black-and-white photographs, and train networks that do."""
    # Set before NumPy is imported: our matrices are small, and a matrix library's threads would only wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # photochrom says itself what is wrong with a file, as with libvips' warnings in photo/vips.py.
    warnings.filterwarnings("ignore", module="PIL")


for command in (
    colorize, in_place, info, video, archive, serve, web, train, export, evaluate, models, doctor, completion,
):  # fmt: skip
    main.add_command(command)


def external_editor() -> None:
    """The program photochrom-in-place: other programs start it with files and no command."""
    main(["in-place", *sys.argv[1:]])


if __name__ == "__main__":
    main()
