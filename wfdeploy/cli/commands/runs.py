"""Commands about recorded runs: what the state and the server know about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options, run_selection
from wfdeploy.cli.command import Command, Option
from wfdeploy.cli.fail_on import also_blocked, matching, require_all_runs, worse
from wfdeploy.cli.fail_on import fail_on as fail_on_
from wfdeploy.cli.report_formats import ReportFormat
from wfdeploy.cli.reports import with_reports
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from wfdeploy.cli.output import App
    from wfdeploy.cli.reports import Reports
    from wfdeploy.model.blocking import Condition
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.model.status import ShownState
    from wfdeploy.operations.waiting import Waited


@click.command(
    "status",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL),
    examples="""
        wfdeploy status -e production
        wfdeploy status 'onboarding/*' --watch
        wfdeploy status --failed --label tenant-7
        wfdeploy status --run-state running,missing
        wfdeploy status --all                     every run, also of thousands
        wfdeploy status --output json | jq '.summary'
        wfdeploy status --fail-on failed,missing  in a pipeline: exit code 7 if there are such runs
    """,
)
@run_selection.runs_in_states
@click.option("-w", "--watch", is_flag=True, help="Update the output until every run has ended, or until ^C.")
@click.option(
    "--interval",
    "interval_s",
    cls=Option,
    metavar="SECONDS",
    type=options.FiniteRange(min=0.1),
    default=5.0,
    help="With --watch: how long between two updates.  [default: 5]",
)
@click.option("--all", "everything", is_flag=True, help="List every run, also of many.")
@fail_on_
@with_reports("status")
@options.offline
@options.target
@options.view
def status(
    *,
    app: App,
    reports: Reports,
    target: TargetOptions,
    globs: Sequence[str],
    labels: Sequence[str],
    states: Collection[ShownState],
    watch: bool,
    interval_s: float,
    everything: bool,
    offline: bool,
    fail_on: frozenset[FailState] | None,
) -> ExitCode:
    """Show recorded runs with their live state.

    The most urgent come first: failed ones with the reason and the next command to type. Of many runs the numbers by
    group are shown, and those that need somebody; --all lists every run.

    The state says which runs there are, the server's logs say in which state they are. A run that the server doesn't
    show is shown as it was last observed, with the time. Nothing is recorded: `wfdeploy refresh` does that.
    --run-state goes by the state that is shown, and so does --fail-on; whether runs are blocked, it reads from the
    state.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.cli.watching import StatusView
    from wfdeploy.operations import status as operation
    from wfdeploy.wiring.settings import resolve

    if watch and offline:
        raise click.UsageError("--watch asks the server again and again, so it makes no sense beside --offline.")
    require_all_runs(fail_on, globs, labels, states)
    if watch and reports.has_files:
        raise click.UsageError("--watch shows runs again and again, so --report makes no sense beside it.")
    output = app.output
    view = StatusView(output, target, globs, labels, states, everything=everything, fail_on=fail_on)
    if watch:
        return worse(output, ExitCode.OK, view.watch(app, interval_s=interval_s))
    chosen = resolve(target, app.environ)
    reports.about(chosen.target)
    with surroundings.opened(app, chosen, online=not offline) as workspace:
        rows = operation.status(workspace, globs, labels, states, offline=offline)
        failed_on = view.failed_on(workspace, rows)
        now_ms = workspace.clock.now_ms()
    project, versions = chosen.target.project, workspace.state_backend.versions

    def markdown(limit: int) -> Iterator[str]:
        from wfdeploy.render import status_markdown

        return status_markdown.text(
            rows,
            project=project.name,
            environment=project.environment,
            now_ms=now_ms,
            command=view.command,
            limit=limit,
        )

    def json(_: int) -> Iterator[str]:
        from wfdeploy.render import status

        return status.json_text(rows, versions, failed_on=failed_on)

    reports.write({ReportFormat.MARKDOWN: markdown, ReportFormat.JSON: json})
    view.show(rows, now_ms, workspace, failed_on)
    return worse(output, ExitCode.OK, failed_on)


@click.command(
    "wait",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL),
    examples="""
        wfdeploy wait -e production
        wfdeploy wait 'seed/*' --for finished --timeout 600
        wfdeploy wait onboarding/acme --output json
    """,
)
@run_selection.runs_in_states
@click.option(
    "--for",
    "condition",
    type=click.Choice(["succeeded", "finished"]),
    default="succeeded",
    help="What to wait for: that all have succeeded, or have ended in any way.  [default: succeeded]",
)
@click.option(
    "--timeout",
    "timeout_s",
    cls=Option,
    metavar="SECONDS",
    type=options.FiniteRange(min=0),
    default=3600.0,
    help="How long to wait.  [default: 3600]",
)
@fail_on_
@with_reports("wait")
@options.target
@options.view
def wait(
    *,
    app: App,
    reports: Reports,
    target: TargetOptions,
    globs: Sequence[str],
    labels: Sequence[str],
    states: Collection[ShownState],
    condition: str,
    timeout_s: float,
    fail_on: frozenset[FailState] | None,
) -> ExitCode:
    """Wait until recorded runs have ended.

    Reads the server's logs and changes nothing. Runs that another process triggers, resumes or restarts meanwhile are
    waited for too. --run-state goes by their states as the wait begins. The exit code is 7 when all runs have ended and
    some not as wanted, or when the time is over. With --for finished, --fail-on says which ends count as bad.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import signals, surroundings
    from wfdeploy.model.address import shell_word
    from wfdeploy.model.blocking import Condition
    from wfdeploy.model.observed import RunState
    from wfdeploy.operations import waiting as operation
    from wfdeploy.render import status as view

    require_all_runs(fail_on, globs, labels, states)
    output = app.output
    with surroundings.opened(app, target) as workspace, signals.stop_on_signal() as stopper:
        ended = operation.wait(
            workspace,
            tuple(globs),
            tuple(labels),
            states,
            condition=Condition(condition),
            timeout_s=timeout_s,
            stop=stopper.flag,
        )
        failed_on = matching(fail_on, also_blocked(workspace, fail_on, ended.fail_states))
        left_running = operation.left_running(workspace)
    reports.write({ReportFormat.JUNIT: lambda _: _waited_junit(ended, Condition(condition))})
    next_step = cut_short = None
    if ended.timed_out or ended.interrupted:
        cut_short = "Interrupted" if ended.interrupted else f"Timed out after {timeout_s:g} s"
        again = " ".join(map(shell_word, ("wfdeploy", *app.arguments)))
        longer = "" if ended.interrupted else ", or longer with --timeout"
        next_step = f"{left_running} To wait again{longer}: {again}"
    elif ended.states.get(RunState.FAILED):
        logs = surroundings.command_line("logs", target, tuple(globs))
        labelled = "".join(f" --label {shell_word(label)}" for label in labels)
        next_step = f"`{logs}{labelled} --failed` shows what went wrong."
    output.show(
        view.waited_json(
            ended.states,
            fulfilled=ended.fulfilled,
            timed_out=ended.timed_out,
            interrupted=ended.interrupted,
            unknown_outcomes=ended.unknown_outcomes,
            failed_on=failed_on,
        ),
        view.waited_text(
            ended.states,
            fulfilled=ended.fulfilled,
            cut_short=cut_short,
            unknown_outcomes=ended.unknown_outcomes,
            next_step=next_step,
            style=output.style,
        ),
    )
    if ended.fulfilled:
        return worse(output, ExitCode.OK, failed_on)
    return stopper.exit_code or ExitCode.PARTIAL


def _waited_junit(ended: Waited, condition: Condition) -> Iterator[str]:
    from wfdeploy.model.blocking import Condition
    from wfdeploy.model.observed import RunState
    from wfdeploy.render import junit

    as_wanted = {RunState.SUCCESS} if condition is Condition.SUCCEEDED else {one for one in RunState if one.is_final}
    return junit.of_wait(ended.runs, unmet=set(RunState) - as_wanted, unknown_outcomes=ended.unknown_outcomes)


@click.command(
    "logs",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy logs onboarding/acme -e production
        wfdeploy logs --failed --label tenant-7
        wfdeploy logs onboarding/acme --output json | jq '.runs[].steps'
    """,
)
@run_selection.runs_in_states
@options.target
@options.view
def logs(
    app: App, target: TargetOptions, globs: Sequence[str], labels: Sequence[str], states: Collection[ShownState]
) -> None:
    """Show the steps of recorded runs as a tree: times, retries, errors.

    They come from the server's logs, with one request for each run, at most 100 runs at once. Values that steps return
    are not shown. --run-state goes by the states that `wfdeploy status` shows.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.model.status import none_in
    from wfdeploy.operations import status as operation
    from wfdeploy.render import logs as view

    output = app.output
    with surroundings.opened(app, target) as workspace:
        runs = operation.logs(workspace, tuple(globs), tuple(labels), states)
    if states and not runs:
        output.note(none_in(states))
    output.show(view.logs_json(runs), view.logs_text(runs, output.style, width=output.width))


@click.command(
    "history",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy history onboarding/acme -e production
        wfdeploy history 'onboarding/*' --output json
    """,
)
@run_selection.recorded_runs
@options.target
@options.view
def history(app: App, target: TargetOptions, globs: Sequence[str], labels: Sequence[str]) -> None:
    """Show every run that an address had: triggered, resumed, restarted, replaced.

    Read from the state; the server is not contacted. Runs are shown as they were last observed, with the time.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import status as operation
    from wfdeploy.render import logs as view
    from wfdeploy.render.encode import state_line

    with surroundings.opened(app, target, online=False) as workspace:
        runs = operation.history(workspace, tuple(globs), tuple(labels))
        now_ms = workspace.clock.now_ms()
    output = app.output
    refresh = surroundings.command_line("refresh", target)
    text = list(view.history_text(runs, output.style, width=output.width, now_ms=now_ms, refresh=refresh))
    versions = workspace.state_backend.versions
    text += state_line(workspace.target.state_name, versions, output.style)
    output.show(view.history_json(runs, versions), text)


@click.command(
    "refresh",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy refresh -e production
        wfdeploy refresh 'onboarding/*' --output json | jq '.summary'
    """,
)
@run_selection.recorded_runs
@options.target
@options.view
def refresh(app: App, target: TargetOptions, globs: Sequence[str], labels: Sequence[str]) -> None:
    """Update the recorded run states from the server.

    One listing serves all of them; runs that are known to have ended are left out, but for failed ones: where somebody
    resumed or restarted one in the console, its record follows the run that continues it. Nothing is triggered and
    nothing cancelled. `plan` and `apply` refresh by themselves what they depend on.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import refresh as operation
    from wfdeploy.render import status as view

    output = app.output
    with surroundings.opened(app, target) as workspace:
        found = operation.refresh(workspace, tuple(globs), tuple(labels))
    output.show(view.refreshed_json(found), view.refreshed_text(found, output.style, width=output.width))
