"""`wfdeploy status`"""

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
    from wfdeploy.cli.options import TargetFlags


@click.command(
    "status",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy status -e production
        wfdeploy status 'onboarding/*'
        wfdeploy status --output json | jq '.summary'
    """,
)
@click.argument("globs", metavar="[ADDRESS-GLOB]...", nargs=-1)
@options.target
@options.view
def command(app: App, target: TargetFlags, globs: Sequence[str]) -> None:
    """Show recorded runs with their live state.

    The state says which runs there are, the server's logs say how they do. A run that is older than the server's logs
    is shown as it was last seen.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import progress, settings, wiring
    from wfdeploy.operations import status as operation
    from wfdeploy.render import status as view

    chosen = settings.resolve(target, app.environ)
    output = app.output
    with progress.listener(output) as listener, wiring.workspace(app, chosen, listener) as workspace:
        rows = operation.status(workspace, tuple(globs))
    output.payload(
        view.json_text(rows) if output.view is View.JSON else view.text(rows, output.style, width=output.width)
    )
