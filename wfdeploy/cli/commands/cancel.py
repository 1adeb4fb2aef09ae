"""`wfdeploy cancel`"""

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
    "cancel",
    cls=Command,
    exits=wishing.EXITS,
    examples="""
        wfdeploy cancel onboarding/acme -e production
        wfdeploy cancel 'nightly/*' --yes
        wfdeploy cancel --label tenant-7
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
    """Cancel recorded runs that are still going.

    They stay recorded as cancelled: no policy starts them again, and an unchanged declaration triggers nothing. The
    manifests are not read. A run that has ended is left as it is.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.model.plan import Wish

    return wishing.carry_out(app, target, Wish.CANCEL, globs=globs, labels=labels, limits=limits, yes=yes)
