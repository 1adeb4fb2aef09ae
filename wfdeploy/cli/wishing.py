"""What `cancel`, `resume`, `restart` and `retrigger` share: a plan of that alone, consent, and an apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.cli.recorded import recorded_runs
from wfdeploy.errors import ExitCode, Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags
    from wfdeploy.model.options import ApplyOptions

_EXITS = (ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL, ExitCode.WITHHELD)
_GLOBS = "In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal."


def command_for(wish: str, *, help_: str, examples: str, declared: bool) -> click.Command:
    """The command that carries out a `Wish` of that name. `declared`: it sends what manifests declare, and so takes
    variables."""

    def command(
        *,
        app: App,
        target: TargetFlags,
        limits: ApplyOptions,
        globs: Sequence[str],
        labels: Sequence[str],
        yes: bool,
        variables: Mapping[str, str] | None = None,
    ) -> ExitCode:
        return _carry_out(app, target, wish, globs, labels, limits=limits, yes=yes, variables=variables or {})

    asks = click.option("-y", "--yes", is_flag=True, help="Don't ask. (Without a terminal nobody is asked anyway.)")
    function = options.apply_limits(options.target(options.view(command)))
    if declared:
        function = options.variables(function)
    function = recorded_runs(required=True)(asks(function))
    make = click.command(wish, cls=Command, help=f"{help_}\n\n{_GLOBS}", exits=_EXITS, examples=examples)
    made: click.Command = make(function)
    return made


def _carry_out(
    app: App,
    target: TargetFlags,
    wish: str,
    globs: Sequence[str],
    labels: Sequence[str],
    *,
    limits: ApplyOptions,
    yes: bool,
    variables: Mapping[str, str],
) -> ExitCode:
    from wfdeploy.cli import exit_codes, progress, settings, signals, wiring
    from wfdeploy.cli.confirm import Asker
    from wfdeploy.cli.next_step import command_line
    from wfdeploy.model.plan import Selection, Wish
    from wfdeploy.operations import apply as operation
    from wfdeploy.render import report as view

    chosen = settings.resolve(target, app.environ)
    output = app.output
    selection = Selection(targets=tuple(globs), labels=tuple(labels), wish=Wish(wish), variables=variables)
    with (
        progress.listener(output) as listener,
        wiring.workspace(app, chosen, listener, budget_s=limits.timeout_s) as workspace,
        signals.stop_on_signal() as stopper,
    ):
        confirm = Asker(output, stopper, listener, yes=yes, question=f"{wish.capitalize()} these runs?")
        try:
            report = operation.apply(
                workspace,
                paths=None,
                selection=selection,
                plan_file=None,
                options=limits,
                confirm=confirm,
                stop=stopper.flag,
            )
        except Interrupted as error:
            if stopper.exit_code is not None:
                error.exit_code = stopper.exit_code
            raise
    confirm.warn(report.warnings)
    if output.view is View.JSON:
        output.payload(view.json_text(report))
    else:
        status = command_line("status", target)
        everything = output.verbosity > 0
        output.payload(view.text(report, output.style, width=output.width, everything=everything, status=status))
    return exit_codes.of_report(report, stopper.exit_code)
