"""`wfdeploy rollout abort`"""

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
    "abort",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy rollout abort migrate -e production
    """,
)
@click.argument("group", metavar="GROUP")
@options.target
@options.view
def command(app: App, target: TargetFlags, group: str) -> None:
    """Give a rollout up: no more runs are let go.

    Runs that were let go run on (`wfdeploy cancel` ends them). The rollout begins anew when what it let go is changed
    in the manifest; `wfdeploy rollout resume` goes on with it as it is.
    """
    from wfdeploy.cli import steering

    steering.steer(app, target, group, "abort")
