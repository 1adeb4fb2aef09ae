"""`wfdeploy apply`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.errors import ExitCode, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags
    from wfdeploy.model.options import ApplyOptions
    from wfdeploy.model.plan import Selection


@click.command(
    "apply",
    cls=Command,
    exits=(ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL, ExitCode.WITHHELD),
    examples="""
        wfdeploy apply --local                     on this machine, no account needed
        wfdeploy apply manifests/ -e production    asks first, at a terminal
        wfdeploy apply -e production --yes         in CI, as often as you like
        wfdeploy apply tonight.plan                what that plan says, or nothing
        wfdeploy apply --max-rate 50 --max-triggers 1000
        wfdeploy apply -e production --yes --wait  group after group, step after step, to the end
    """,
)
@options.paths
@click.option("-y", "--yes", is_flag=True, help="Don't ask. (Without a terminal nobody is asked anyway.)")
@click.option(
    "--wait",
    is_flag=True,
    help="Follow through: release what this plan holds back, until all runs have ended. The exit code says how.",
)
@options.selection()
@options.apply_limits
@options.target
@options.view
def command(
    *,
    app: App,
    target: TargetFlags,
    selection: Selection,
    limits: ApplyOptions,
    paths: Sequence[str] | None,
    yes: bool,
    wait: bool,
) -> ExitCode:
    """Trigger what is declared and missing, exactly once.

    Plans first and shows the plan. Safe to repeat at any time, after any crash: what was sent is written down before
    it is sent, and what became of it is looked up, never guessed. ^C stops after the requests that are under way.

    Triggered means accepted by the server, not finished. Runs that have to wait (for other groups, for the steps of a
    rollout) are blocked until a later apply finds that their time has come, or until this one does, with --wait.

    PATH is a folder, a file, - for standard input, or a plan saved by `wfdeploy plan --out`.
    [default: the project's manifests]
    """
    from dataclasses import replace

    from wfdeploy.cli import exit_codes, progress, settings, signals, wiring
    from wfdeploy.cli.confirm import Asker
    from wfdeploy.cli.next_step import command_line
    from wfdeploy.operations import apply as operation
    from wfdeploy.render import report as view

    plan_file = _plan_file(paths, selection)
    chosen = settings.resolve(target, app.environ)
    if plan_file is not None:
        wiring.require_own_plan(plan_file, chosen)
    wiring.warn_of_shared_names(app, chosen)
    output = app.output
    with (
        progress.listener(output) as listener,
        wiring.workspace(app, chosen, listener, budget_s=limits.timeout_s) as workspace,
        signals.stop_on_signal() as stopper,
    ):
        confirm = Asker(output, stopper, listener, yes=yes, question="Carry this out?")
        try:
            report = operation.apply(
                workspace,
                paths=None if plan_file else paths,
                selection=selection,
                plan_file=plan_file,
                options=replace(limits, wait=wait),
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
        output.payload(
            view.text(
                report,
                output.style,
                width=output.width,
                everything=output.verbosity > 0,
                status=command_line("status", target),
            )
        )
    return exit_codes.of_report(report, stopper.exit_code)


def _plan_file(paths: Sequence[str] | None, selection: Selection) -> Path | None:
    """The saved plan among the paths, known by its content. It stands alone: it says what it is about."""
    from pathlib import Path

    from wfdeploy.model.plan import Selection as Everything
    from wfdeploy.operations.saved_plan import is_plan_file

    plans = [path for path in paths or () if path != "-" and is_plan_file(Path(path))]
    if not plans:
        return None
    if len(paths or ()) > 1:
        raise UsageError(f"{plans[0]} is a saved plan; it is applied alone, without other paths")
    if selection != Everything():
        raise UsageError(
            f"{plans[0]} is a saved plan; it says already what it is about",
            hint="leave out --target, --replace, --limit, --prune, --refresh and --var, or make a new plan with them",
        )
    return Path(plans[0])
