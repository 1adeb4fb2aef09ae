"""`wfdeploy rollout pause`"""

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
    "pause",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy rollout pause migrate -e production
    """,
)
@click.argument("group", metavar="GROUP")
@options.target
@options.view
def command(app: App, target: TargetFlags, group: str) -> None:
    """Let no more runs go, for now.

    Runs that were let go run on. `wfdeploy rollout resume` goes on.
    """
    from wfdeploy.cli import steering

    steering.steer(app, target, group, "pause")
