"""`wfdeploy state show`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags


@click.command(
    "show",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state show onboarding/acme
        wfdeploy state show onboarding/acme --output json | jq .record.request
    """,
)
@click.argument("address")
@options.target
@options.view
def command(app: App, target: TargetFlags, address: str) -> None:
    """Show everything that is recorded of an address.

    The recorded run, the request it was made from (secrets by name), an attempt whose outcome is open, and the runs
    before it.
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import state as operation
    from wfdeploy.render import state as view

    with wiring.offline_workspace(app, target) as workspace:
        shown = operation.show(workspace, address)
    output = app.output
    output.payload(view.show_json(shown) if output.view is View.JSON else view.show_text(shown, output.style))
