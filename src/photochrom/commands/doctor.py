"""`photochrom doctor` and `photochrom completion`."""

from __future__ import annotations

import sys

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print what a bug report needs.")
def doctor() -> None:
    """Print what a bug report needs, and whether a photograph can be colored here.

    It lists versions and formats, checks the model and colors a test picture. The exit status is 1 if something is
    wrong. Nothing is sent anywhere. A dash stands for the version of a package that is not installed.
    """
    from photochrom.doctor import diagnose

    fine = True
    for finding in diagnose():
        fine &= finding.fine
        click.echo(f"{finding.subject + ':':17}{'' if finding.fine else 'WRONG: '}{finding.text}")
    if not fine:
        sys.exit(1)


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands and options.

    \b
      photochrom completion bash > ~/.local/share/bash-completion/completions/photochrom
      photochrom completion zsh > ~/.zfunc/_photochrom
      photochrom completion fish > ~/.config/fish/completions/photochrom.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(context.find_root().command, {}, "photochrom", "_PHOTOCHROM_COMPLETE").source())
