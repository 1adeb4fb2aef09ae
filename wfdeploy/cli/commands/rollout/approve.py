"""`wfdeploy rollout approve`"""

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
    "approve",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy rollout approve migrate -e production
    """,
)
@click.argument("group", metavar="GROUP")
@options.target
@options.view
def command(app: App, target: TargetFlags, group: str) -> None:
    """Let the step that waits for approval pass.

    For steps with `pauseUntil: approved`. It holds for the step that the rollout is at: each such step is approved on
    its own, and may be approved before its runs have ended.
    """
    from wfdeploy.cli import steering

    steering.steer(app, target, group, "approve")
