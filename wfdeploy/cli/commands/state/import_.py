"""`wfdeploy state import`"""

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
    "import",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state import backup.jsonl -e production
        ssh runner wfdeploy state export -e production | wfdeploy state import - -e production
    """,
)
@click.argument("file", type=click.Path())
@options.target
@options.log
def command(app: App, target: TargetFlags, file: str) -> None:
    """Make the state from exported lines.

    FILE is what `wfdeploy state export` printed; - is standard input. All of it is imported or nothing, and a state
    that exists is never replaced.
    """
    from pathlib import Path

    from wfdeploy.cli import wiring
    from wfdeploy.cli.named import require_as_named
    from wfdeploy.operations import state as operation

    with wiring.offline_workspace(app, target) as workspace:
        if file != "-":
            require_as_named("the export", file, folder=Path.cwd(), bounds=workspace.project.bounds)
        with wiring.exported_lines(file) as lines:
            count = operation.import_(workspace, lines)
    app.output.note(f"imported {count:,} record{'' if count == 1 else 's'}")
