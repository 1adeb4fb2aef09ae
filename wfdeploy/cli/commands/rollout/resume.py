"""`wfdeploy rollout resume`"""

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
    "resume",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy rollout resume migrate -e production
    """,
)
@click.argument("group", metavar="GROUP")
@options.target
@options.view
def command(app: App, target: TargetFlags, group: str) -> None:
    """Go on after a pause, a stop or an abort.

    Failures so far are taken note of: after a stop, only that many more are too many. The next apply goes on with the
    step that the rollout was at.
    """
    from wfdeploy.cli import steering

    steering.steer(app, target, group, "resume")
