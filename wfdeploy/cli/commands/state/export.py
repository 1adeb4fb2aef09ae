"""`wfdeploy state export`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags


@click.command(
    "export",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state export -e production > backup.jsonl
        wfdeploy state export | jq -r 'select(.kind == "record").address'
    """,
)
@options.target
@options.log
def command(app: App, target: TargetFlags) -> None:
    """Print the state as sorted JSON Lines.

    The same state gives the same bytes. Secrets are not in it; request bodies are, unless they are redacted.
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import state as operation

    with wiring.offline_workspace(app, target) as workspace:
        app.output.payload(f"{line}\n" for line in operation.export(workspace))
