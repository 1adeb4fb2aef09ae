"""`wfdeploy resume`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options, wishing
from wfdeploy.cli.command import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.options import TargetFlags
    from wfdeploy.errors import ExitCode
    from wfdeploy.model.options import ApplyOptions


@click.command(
    "resume",
    cls=Command,
    exits=wishing.EXITS,
    examples="""
        wfdeploy resume onboarding/acme -e production
        wfdeploy resume 'onboarding/*' --yes
    """,
)
@options.recorded_runs(required=True)
@click.option("-y", "--yes", is_flag=True, help="Don't ask. (Without a terminal nobody is asked anyway.)")
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
) -> ExitCode:
    """Resume failed runs where they failed, by the dead-letter queue.

    Finished steps are not repeated. Asked for by hand, it is done whatever the group's policy says, and counts as one
    of its attempts. Safe to repeat: a resume whose answer was lost is looked up by its label, never sent blindly again.
    The manifests are not read.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.model.plan import Wish

    return wishing.carry_out(app, target, Wish.RESUME, globs=globs, labels=labels, limits=limits, yes=yes)
