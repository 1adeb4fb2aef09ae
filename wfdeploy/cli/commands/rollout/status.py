"""`wfdeploy rollout status`"""

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
    "status",
    cls=Command,
    exits=(ExitCode.INVALID, ExitCode.STATE),
    examples="""
        wfdeploy rollout status -e production
        wfdeploy rollout status migrate --output json
    """,
)
@click.argument("groups", metavar="[GROUP]...", nargs=-1)
@options.target
@options.view
def command(app: App, target: TargetFlags, groups: Sequence[str]) -> None:
    """Show how far the rollouts are.

    Reads the project's manifests and the state; runs are shown as they were last observed (`wfdeploy refresh` asks the
    server).
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import rollouts as operation
    from wfdeploy.render import rollouts as view

    with wiring.offline_workspace(app, target) as workspace:
        views = operation.status(workspace, tuple(groups))
    output = app.output
    if output.view is View.JSON:
        output.payload(view.json_text(views))
    else:
        output.payload(view.text(views, output.style, width=output.width))
