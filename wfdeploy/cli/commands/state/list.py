"""`wfdeploy state list`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags


@click.command(
    "list",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state list -e production
        wfdeploy state list 'onboarding/*' --output json
    """,
)
@click.argument("globs", metavar="[ADDRESS-GLOB]...", nargs=-1)
@options.target
@options.view
def command(app: App, target: TargetFlags, globs: Sequence[str]) -> None:
    """List what is recorded.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import state as operation
    from wfdeploy.render import state as view

    with wiring.offline_workspace(app, target) as workspace:
        rows = operation.list_records(workspace, tuple(globs))
    output = app.output
    if output.view is View.JSON:
        output.payload(view.list_json(rows))
    else:
        output.payload(view.list_text(rows, output.style, width=output.width))
