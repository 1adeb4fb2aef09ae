"""`wfdeploy history`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.cli.recorded import recorded_runs
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags


@click.command(
    "history",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy history onboarding/acme -e production
        wfdeploy history 'onboarding/*' --output json
    """,
)
@recorded_runs(required=False)
@options.target
@options.view
def command(app: App, target: TargetFlags, globs: Sequence[str], labels: Sequence[str]) -> None:
    """Show every run that an address had: triggered, resumed, restarted, replaced.

    The state tells; the server is not asked. A run shows as it was last observed.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import looking as operation
    from wfdeploy.render import looking as view

    with wiring.offline_workspace(app, target) as workspace:
        past = operation.history(workspace, tuple(globs), tuple(labels))
    runs = [(run.record, run.ended, run.ended_at_ms) for run in past]
    output = app.output
    output.payload(
        view.history_json(runs)
        if output.view is View.JSON
        else view.history_text(runs, output.style, width=output.width)
    )
