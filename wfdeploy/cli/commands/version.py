"""`wfdeploy version`"""

from __future__ import annotations

import click

from wfdeploy import __version__
from wfdeploy.cli import options
from wfdeploy.cli.app import App
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View


@click.command(
    "version",
    cls=Command,
    examples="""
        wfdeploy version
        wfdeploy version --output json
    """,
)
@options.view
def command(app: App) -> None:
    """Print the version."""
    if app.output.view is View.JSON:
        import json

        app.output.payload(json.dumps({"formatVersion": 1, "version": __version__}) + "\n")
    else:
        app.output.payload(f"wfdeploy {__version__}\n")
