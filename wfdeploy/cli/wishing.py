"""What `cancel`, `resume`, `restart` and `retrigger` share: a plan of that alone, consent, and an apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfdeploy.cli.output import View
from wfdeploy.errors import ExitCode, Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.options import TargetFlags
    from wfdeploy.model.options import ApplyOptions
    from wfdeploy.model.plan import Wish

EXITS = (ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL, ExitCode.WITHHELD)


def carry_out(
    app: App,
    target: TargetFlags,
    wish: Wish,
    *,
    globs: Sequence[str],
    labels: Sequence[str],
    limits: ApplyOptions,
    yes: bool,
    variables: Mapping[str, str] | None = None,
) -> ExitCode:
    """Do to the selected runs what is wished, by the same rules as an apply."""
    from wfdeploy.cli import exit_codes, progress, settings, signals, wiring
    from wfdeploy.cli.confirm import asker
    from wfdeploy.cli.next_step import command_line
    from wfdeploy.model.plan import Selection
    from wfdeploy.operations import apply as operation
    from wfdeploy.render import report as view

    chosen = settings.resolve(target, app.environ)
    output = app.output
    selection = Selection(targets=tuple(globs), labels=tuple(labels), wish=wish, variables=variables or {})
    with (
        progress.listener(output) as listener,
        wiring.workspace(app, chosen, listener, budget_s=limits.timeout_s) as workspace,
        signals.stop_on_signal() as stopper,
    ):
        try:
            report = operation.apply(
                workspace,
                paths=None,
                selection=selection,
                plan_file=None,
                options=limits,
                confirm=asker(output, stopper, listener, yes=yes, question=f"{wish.value.capitalize()} these runs?"),
                stop=stopper.flag,
            )
        except Interrupted as error:
            if stopper.exit_code is not None:
                error.exit_code = stopper.exit_code
            raise
    if output.view is View.JSON:
        output.payload(view.json_text(report))
    else:
        status = command_line("status", target)
        everything = output.verbosity > 0
        output.payload(view.text(report, output.style, width=output.width, everything=everything, status=status))
    return exit_codes.of_report(report, stopper.exit_code)
