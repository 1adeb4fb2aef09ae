"""`wfdeploy schema`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command

if TYPE_CHECKING:
    from wfdeploy.cli.app import App

NAMES = ("manifest", "project")


@click.command(
    "schema",
    cls=Command,
    examples="""
        wfdeploy schema                                  that of manifests
        wfdeploy schema project
        wfdeploy schema > .vscode/wfdeploy.schema.json   for an editor without network
    """,
)
@click.argument("name", metavar="[manifest|project]", type=click.Choice(NAMES), default=NAMES[0])
@options.log
def command(app: App, name: str) -> None:
    """Print the JSON Schema of manifests or of the project file.

    Draft 2020-12. An editor that knows it completes fields and explains them.
    """
    from wfdeploy.pipeline.validate.schemas import schema_text

    app.output.payload(schema_text(name))
