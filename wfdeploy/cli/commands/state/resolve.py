"""`wfdeploy state resolve`"""

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
    "resolve",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state resolve onboarding/acme --triggered   it did start: it is in the console
        wfdeploy state resolve onboarding/acme --resend      it did not
        wfdeploy state resolve onboarding/acme --triggered --run-id wfr_5kDfS   a resume did
    """,
)
@click.argument("address")
@click.option("--triggered", "resolution", flag_value="triggered", help="The run was started: record it so.")
@click.option("--resend", "resolution", flag_value="resend", help="It was not: the next apply may send it again.")
@click.option(
    "--run-id",
    metavar="ID",
    help="With --triggered, of a resume: the id of the resumed run, which the server chose.",
)
@options.target
@options.log
def command(app: App, target: TargetFlags, address: str, resolution: str | None, run_id: str | None) -> None:
    """Settle by hand a run whose answer was lost.

    apply does it by itself from the server's logs. Only what is older than those logs remember needs a word from
    somebody who knows. A restart or a resume counts as an attempt of its group's policy either way.
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import state as operation

    if resolution is None:
        raise click.UsageError("Say what became of it: --triggered or --resend.")
    if run_id is not None and resolution != operation.Resolution.TRIGGERED.value:
        raise click.UsageError("--run-id goes with --triggered.")
    with wiring.offline_workspace(app, target) as workspace:
        operation.resolve(workspace, address, operation.Resolution(resolution), run_id)
    app.output.note(f"{address} is settled: {resolution}")
