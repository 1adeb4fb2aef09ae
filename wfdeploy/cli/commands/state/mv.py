"""`wfdeploy state mv`"""

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
    "mv",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state mv onboarding/acme onboarding/acme-gmbh
    """,
)
@click.argument("origin", metavar="OLD-ADDRESS")
@click.argument("to", metavar="NEW-ADDRESS")
@options.target
@options.log
def command(app: App, target: TargetFlags, origin: str, to: str) -> None:
    """Give a recorded run another address.

    Renames it in this one state. A `moved:` entry in the manifest or the project file does it in every environment,
    and also when the state was lost: prefer that.
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import state as operation

    with wiring.offline_workspace(app, target) as workspace:
        operation.move(workspace, origin, to)
    app.output.note(f"{origin} is now {to}")
