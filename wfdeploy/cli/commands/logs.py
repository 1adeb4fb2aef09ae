"""`wfdeploy logs`"""

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
    "logs",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy logs onboarding/acme -e production
        wfdeploy logs --label tenant-7
        wfdeploy logs onboarding/acme --output json | jq '.runs[].steps'
    """,
)
@recorded_runs(required=True)
@options.target
@options.view
def command(app: App, target: TargetFlags, globs: Sequence[str], labels: Sequence[str]) -> None:
    """Show the steps of recorded runs as a tree: times, retries, errors.

    They come from the server's logs, one request a run, at most 100 runs at once. Values that steps return are not
    shown.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import progress, settings, wiring
    from wfdeploy.operations import looking as operation
    from wfdeploy.render import looking as view

    chosen = settings.resolve(target, app.environ)
    output = app.output
    with progress.listener(output) as listener, wiring.workspace(app, chosen, listener) as workspace:
        runs = [(run.record, run.log) for run in operation.logs(workspace, tuple(globs), tuple(labels))]
    output.payload(
        view.logs_json(runs) if output.view is View.JSON else view.logs_text(runs, output.style, width=output.width)
    )
