"""`wfdeploy refresh`"""

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
    "refresh",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy refresh -e production
        wfdeploy refresh 'onboarding/*' --output json | jq '.summary'
    """,
)
@recorded_runs(required=False)
@options.target
@options.view
def command(app: App, target: TargetFlags, globs: Sequence[str], labels: Sequence[str]) -> None:
    """Ask the server how recorded runs do, and write it into the state.

    One listing serves all of them; runs that are known to have ended aren't asked after. Nothing is triggered and
    nothing cancelled. `plan` and `apply` do the same by themselves where something depends on it.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import progress, settings, wiring
    from wfdeploy.operations import refresh as operation
    from wfdeploy.render import status as view

    chosen = settings.resolve(target, app.environ)
    output = app.output
    with progress.listener(output) as listener, wiring.workspace(app, chosen, listener) as workspace:
        found = operation.refresh(workspace, tuple(globs), tuple(labels))
    turns = [(turn.address, turn.workflow_run_id, turn.before, turn.after) for turn in found.turns]
    output.payload(
        view.refreshed_json(found.asked, turns, found.states)
        if output.view is View.JSON
        else view.refreshed_text(found.asked, turns, found.states, output.style, width=output.width)
    )
