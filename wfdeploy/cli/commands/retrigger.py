"""`wfdeploy retrigger`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options, wishing
from wfdeploy.cli.command import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.options import TargetFlags
    from wfdeploy.errors import ExitCode
    from wfdeploy.model.options import ApplyOptions


@click.command(
    "retrigger",
    cls=Command,
    exits=wishing.EXITS,
    examples="""
        wfdeploy retrigger reports/monthly -e production
        wfdeploy retrigger 'reports/*' --yes --allow-retrigger
    """,
)
@options.recorded_runs(required=True)
@click.option("-y", "--yes", is_flag=True, help="Don't ask. (Without a terminal nobody is asked anyway.)")
@options.variables
@options.apply_limits
@options.target
@options.view
def command(
    *,
    app: App,
    target: TargetFlags,
    limits: ApplyOptions,
    globs: Sequence[str],
    labels: Sequence[str],
    yes: bool,
    variables: Mapping[str, str],
) -> ExitCode:
    """Trigger declared runs anew, however they did.

    Each is triggered as a new generation of what is declared now, with the attempts of its policy before it. The
    group's policy.replaceRunning says what becomes of a run that is still going. `wfdeploy apply --replace` does the
    same for single addresses, beside everything else.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.model.plan import Wish

    return wishing.carry_out(
        app, target, Wish.RETRIGGER, globs=globs, labels=labels, limits=limits, yes=yes, variables=variables
    )
