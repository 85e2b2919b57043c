"""`photochrom models`."""

from __future__ import annotations

import click


@click.command()
def models() -> None:
    """List the models that come with the package."""
    from photochrom.inference.weights import BUNDLED_MODELS, read_bundled

    for name, description in BUNDLED_MODELS.items():
        click.echo(f"{name:10} {len(read_bundled(name)) / 1e6:5.1f} MB  {description}")
