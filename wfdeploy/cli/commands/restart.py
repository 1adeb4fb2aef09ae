"""`wfdeploy restart`"""

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
    "restart",
    cls=Command,
    exits=wishing.EXITS,
    examples="""
        wfdeploy restart onboarding/acme -e production
        wfdeploy restart 'onboarding/*' --max-triggers 20
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
    """Start failed, cancelled or vanished runs again from the beginning.

    Each is triggered as a new generation of what is declared now. Asked for by hand, it is done whatever the group's
    policy says, and counts as one of its attempts. Runs that are going or have succeeded are left as they are.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.model.plan import Wish

    return wishing.carry_out(
        app, target, Wish.RESTART, globs=globs, labels=labels, limits=limits, yes=yes, variables=variables
    )
