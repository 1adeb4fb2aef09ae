"""`wfdeploy wait`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options, values
from wfdeploy.cli.command import Command, Option
from wfdeploy.cli.output import View
from wfdeploy.cli.recorded import recorded_runs
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags


@click.command(
    "wait",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL),
    examples="""
        wfdeploy wait -e production
        wfdeploy wait 'seed/*' --for finished --timeout 600
        wfdeploy wait onboarding/acme --output json
    """,
)
@recorded_runs(required=False)
@click.option(
    "--for",
    "condition",
    type=click.Choice(["succeeded", "finished"]),
    default="succeeded",
    help="What to wait for: that all have succeeded, or have ended in any way.  [default: succeeded]",
)
@click.option(
    "--timeout",
    "timeout_s",
    cls=Option,
    metavar="SECONDS",
    type=values.Amount(min=0),
    default=3600.0,
    help="How long to wait.  [default: 3600]",
)
@options.target
@options.view
def command(
    *,
    app: App,
    target: TargetFlags,
    globs: Sequence[str],
    labels: Sequence[str],
    condition: str,
    timeout_s: float,
) -> ExitCode:
    """Wait until recorded runs have ended.

    Asks the server's logs, and changes nothing; what another process triggers, resumes or restarts meanwhile is waited
    for too. Ends with exit code 7 when none of the runs is going any more and some didn't end as wanted, or when the
    time is over.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import progress, settings, signals, wiring
    from wfdeploy.model.order import Condition
    from wfdeploy.operations import waiting as operation
    from wfdeploy.render import status as view

    chosen = settings.resolve(target, app.environ)
    output = app.output
    with (
        progress.listener(output) as listener,
        wiring.workspace(app, chosen, listener) as workspace,
        signals.stop_on_signal() as stopper,
    ):
        ended = operation.wait(
            workspace,
            tuple(globs),
            tuple(labels),
            condition=Condition(condition),
            timeout_s=timeout_s,
            stop=stopper.flag,
        )
    if output.view is View.JSON:
        output.payload(view.waited_json(ended.states, fulfilled=ended.fulfilled))
    else:
        output.payload(view.waited_text(ended.states, fulfilled=ended.fulfilled, style=output.style))
    if ended.fulfilled:
        return ExitCode.OK
    return stopper.exit_code or ExitCode.PARTIAL
