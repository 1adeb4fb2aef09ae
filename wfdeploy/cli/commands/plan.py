"""`wfdeploy plan`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, offering
from wfdeploy.cli.output import View
from wfdeploy.cli.report_formats import ReportFormat
from wfdeploy.cli.reports import with_reports
from wfdeploy.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wfdeploy.cli.output import App, Output
    from wfdeploy.cli.reports import Reports
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.model.plan import Plan, Selection
    from wfdeploy.model.project import Target


@click.command(
    "plan",
    cls=Command,
    exits=(ExitCode.CHANGES, ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.WITHHELD),
    examples="""
        wfdeploy plan                                  the project's manifests
        wfdeploy plan manifests/ -e production
        wfdeploy plan --target 'onboarding/*' --replace onboarding/acme
        wfdeploy plan --out tonight.plan && wfdeploy apply tonight.plan
        wfdeploy plan --offline --output json          without contacting the server
    """,
)
@options.paths
@click.option(
    "--out",
    metavar="FILE",
    shell_complete=offering("files"),
    help="Save the plan for `apply FILE`, which applies exactly that; - for standard output.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there is something to do.")
@click.option("--offline", is_flag=True, help="Don't contact the server; the plan is unverified then.")
@click.option("--all", "everything", is_flag=True, help="List every run, unchanged ones too, and fold nothing.")
@with_reports("plan")
@options.selection()
@options.target
@options.view
def plan(
    *,
    app: App,
    reports: Reports,
    target: TargetOptions,
    selection: Selection,
    paths: Sequence[str] | None,
    out: str | None,
    detailed_exitcode: bool,
    offline: bool,
    everything: bool,
) -> ExitCode:
    """Show what apply would do, field by field.

    Changes that would take more than 200 lines are cut to a screenful, what needs a person first, and the rest is
    counted; --all lists every run.

    Compares the manifests with the state. If something would be triggered, runs that the state doesn't know are listed
    from the server. Without a token the plan is made offline, and is unverified. Nothing is changed anywhere.

    PATH is a folder, a file, or - for standard input.  [default: the project's manifests]
    """
    from contextlib import ExitStack
    from dataclasses import replace

    from wfdeploy.cli import surroundings
    from wfdeploy.operations import plan as operation
    from wfdeploy.operations.policing import require_no_violations
    from wfdeploy.wiring.assembly import warn_of_shared_names
    from wfdeploy.wiring.settings import as_typed, resolve

    chosen = resolve(target, app.environ, by_cache=out is None)
    reports.about(chosen.target)
    if out is not None and offline:
        raise UsageError("an unverified plan is never applied, so --out makes no sense beside --offline")
    if out == "-" and app.output.view is View.JSON:
        raise UsageError("--out - and --output json both write to standard output", hint="give --out a file")
    if out not in (None, "-"):
        from wfdeploy.wiring.checkout import require_as_named

        require_as_named("the plan", out, folder=chosen.cwd, bounds=chosen.target.project.bounds)
    with ExitStack() as stack:
        with surroundings.opened(app, chosen, online=not offline) as workspace:
            is_new = not workspace.has_state
            plan = stack.enter_context(
                operation.planned(workspace, paths=paths, selection=selection, offline=offline, keep_all=everything)
            )
        plan = replace(plan, state=as_typed(plan.state, chosen.cwd))
        warn_of_shared_names(app.output, chosen.target)
        output = app.output
        _report(plan, reports)
        if out is not None:
            from wfdeploy.planning.saved_plan import plan_file_text

            _save(plan_file_text(plan, paths=paths, selection=selection, new_state=is_new), out, output)
        if output.view is View.JSON:
            from wfdeploy.render import plan_json

            output.payload(plan_json.text(plan))
        else:
            from wfdeploy.render import plan_text

            next_step = None
            if plan.has_changes and out != "-" and not plan.is_forbidden:
                from wfdeploy.cli.surroundings import command_line

                if out is not None:
                    next_step = command_line("apply", target, [out])
                else:
                    next_step = command_line("apply", target, paths or (), selection)
            if next_step is not None and is_new:
                next_step = _beginning(next_step, chosen.target)
            if out == "-":  # standard output has the saved plan
                lines = plan_text.text(plan, output.error_style, width=output.error_width, everything=everything)
                output.block("".join(lines), always=True)
            else:
                output.payload(
                    plan_text.text(plan, output.style, width=output.width, everything=everything, next_step=next_step)
                )
        require_no_violations(plan)
        return ExitCode.CHANGES if detailed_exitcode and plan.has_changes else ExitCode.OK


def _report(plan: Plan, reports: Reports) -> None:
    def markdown(limit: int) -> Iterator[str]:
        from wfdeploy.render import plan_markdown

        return plan_markdown.text(plan, limit=limit)

    def json(_: int) -> Iterator[str]:
        from wfdeploy.render import plan_json

        return plan_json.text(plan)

    reports.write({ReportFormat.MARKDOWN: markdown, ReportFormat.JSON: json})


def _save(text: str, out: str, output: Output) -> None:
    from pathlib import Path

    from wfdeploy.planning.saved_plan import save_plan

    if out == "-":
        output.payload(text)
    else:
        save_plan(text, Path(out))


def _beginning(apply: str, target: Target) -> str:
    """What is to be done with a plan, where there is no state yet."""
    if target.state_url is not None:
        return f"{target.init_command}, since there is no state yet; then {apply}"
    if target.project.state_required:
        return f"{apply} --create-state   (there is no state yet, and the project requires one)"
    return apply
