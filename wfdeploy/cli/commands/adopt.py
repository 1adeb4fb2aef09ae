"""`wfdeploy adopt`"""

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
    from wfdeploy.model.plan import Selection


@click.command(
    "adopt",
    cls=Command,
    exits=(ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.WITHHELD),
    examples="""
        wfdeploy adopt -e production                   take over a system that runs already
        wfdeploy adopt --target 'onboarding/*' --yes   after the app moved to another domain
    """,
)
@options.paths
@click.option("-y", "--yes", is_flag=True, help="Don't ask. (Without a terminal nobody is asked anyway.)")
@options.selection(replace=False, prune=False)
@options.target
@options.view
def command(*, app: App, target: TargetFlags, selection: Selection, paths: Sequence[str] | None, yes: bool) -> ExitCode:
    """Record declared runs as already triggered, without triggering them.

    For runs, new or changed, that were started in another way, or that must not start again. Shows them and asks, as
    apply does. Nothing is sent.

    PATH is a folder, a file, or - for standard input.  [default: the project's manifests]
    """
    from wfdeploy.cli import exit_codes, progress, settings, signals, wiring
    from wfdeploy.cli.confirm import Asker
    from wfdeploy.operations import adopt as operation
    from wfdeploy.render import report as view

    chosen = settings.resolve(target, app.environ)
    wiring.warn_of_shared_names(app, chosen)
    output = app.output
    with (
        progress.listener(output) as listener,
        wiring.workspace(app, chosen, listener) as workspace,
        signals.stop_on_signal() as stopper,
    ):
        confirm = Asker(output, stopper, listener, yes=yes, question="Record these as already triggered?")
        report = operation.adopt(
            workspace,
            paths=paths,
            selection=selection,
            confirm=confirm,
        )
    confirm.warn(report.warnings)
    if output.view is View.JSON:
        output.payload(view.json_text(report))
    else:
        output.payload(view.text(report, output.style, width=output.width, everything=output.verbosity > 0))
    return exit_codes.of_report(report, stopper.exit_code)
