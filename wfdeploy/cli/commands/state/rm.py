"""`wfdeploy state rm`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags


@click.command(
    "rm",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state rm onboarding/acme
        wfdeploy state rm 'onboarding/*' -e staging
    """,
)
@click.argument("globs", metavar="ADDRESS-GLOB...", nargs=-1, required=True)
@options.target
@options.view
def command(app: App, target: TargetFlags, globs: Sequence[str]) -> None:
    """Forget recorded runs, without cancelling them.

    One that is still declared is triggered again by the next apply, as another generation: its highest generation is
    remembered.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import state as operation
    from wfdeploy.render.encode import dump
    from wfdeploy.render.printable import printable

    with wiring.offline_workspace(app, target) as workspace:
        removed = operation.remove(workspace, tuple(globs))
    output = app.output
    if output.view is View.JSON:
        output.payload(dump({"formatVersion": 1, "removed": list(removed)}) + "\n")
    else:
        output.payload(f"forgot {printable(address)}\n" for address in removed)
