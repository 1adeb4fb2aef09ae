"""`wfdeploy status`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options, values
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.cli.recorded import recorded_runs
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags
    from wfdeploy.model.status import StatusRow


@click.command(
    "status",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy status -e production
        wfdeploy status 'onboarding/*' --watch
        wfdeploy status --label tenant-7
        wfdeploy status --output json | jq '.summary'
    """,
)
@recorded_runs(required=False)
@click.option("-w", "--watch", is_flag=True, help="Show it again and again, until every run has ended or ^C.")
@click.option(
    "--interval",
    "interval_s",
    metavar="SECONDS",
    type=values.Amount(min=0.1),
    default=5.0,
    help="With --watch: how long between two looks.  [default: 5]",
)
@options.target
@options.view
def command(
    *, app: App, target: TargetFlags, globs: Sequence[str], labels: Sequence[str], watch: bool, interval_s: float
) -> None:
    """Show recorded runs with their live state.

    The state says which runs there are, the server's logs say how they do. A run that is older than the server's logs
    is shown as it was last seen.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import progress, settings, signals, wiring
    from wfdeploy.operations import status as operation
    from wfdeploy.render import status as view

    chosen = settings.resolve(target, app.environ)
    output = app.output

    def show(rows: Sequence[StatusRow]) -> None:
        if output.view is View.JSON:
            text = "".join(view.json_text(rows))
            output.payload(text.replace("\n", "") + "\n" if watch else text)
        elif watch:
            output.redraw("".join(view.text(rows, output.style, width=output.width)))
        else:
            output.payload(view.text(rows, output.style, width=output.width))

    with progress.listener(output) as listener, wiring.workspace(app, chosen, listener) as workspace:
        if not watch:
            show(operation.status(workspace, tuple(globs), tuple(labels)))
            return
        with signals.stop_on_signal() as stopper:
            operation.watch(workspace, tuple(globs), tuple(labels), interval_s=interval_s, show=show, stop=stopper.flag)
