"""Commands that show what they would do, ask, and do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options, run_selection
from wfdeploy.cli.command import Command
from wfdeploy.cli.fail_on import fail_on as fail_on_
from wfdeploy.cli.reports import with_reports
from wfdeploy.errors import ExitCode, several

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wfdeploy.cli.confirm import Asker
    from wfdeploy.cli.output import App
    from wfdeploy.cli.reports import Reports
    from wfdeploy.model.event import ApplyReport
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.model.options import ApplyOptions, StopFlag, TargetOptions
    from wfdeploy.model.plan import Selection
    from wfdeploy.model.status import ShownState
    from wfdeploy.workspace import Workspace

_EXITS = (ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL, ExitCode.WITHHELD)


@click.command(
    "apply",
    cls=Command,
    exits=_EXITS,
    examples="""
        wfdeploy apply --local                     on this machine, no account needed
        wfdeploy apply manifests/ -e production    asks first, at a terminal
        wfdeploy apply -e production --yes         in CI, as often as you like
        wfdeploy apply tonight.plan                what that plan says, or nothing
        wfdeploy apply --max-rate 50 --max-triggers 1000
        wfdeploy apply -e production --yes --wait  group after group, step after step, to the end
        wfdeploy apply -e production --yes --fail-on failed,cancelled,missing
    """,
)
@options.paths
@options.yes("cancels")
@click.option(
    "--wait",
    is_flag=True,
    help="Continue until all runs have ended: release what this plan holds back. The exit code says how they ended.",
)
@fail_on_
@with_reports("apply")
@options.selection()
@options.apply_limits
@options.target
@options.view
def apply(
    *,
    app: App,
    reports: Reports,
    target: TargetOptions,
    selection: Selection,
    limits: ApplyOptions,
    paths: Sequence[str] | None,
    yes: bool,
    fail_on: frozenset[FailState] | None,
) -> ExitCode:
    """Trigger what is declared and missing, exactly once.

    Plans first and shows the plan. Safe to repeat at any time, after any crash: each request is recorded before it is
    sent, and a lost answer is looked up, never guessed. ^C stops once the pending requests are answered.

    Triggered means accepted by the server, not finished. Runs that have to wait (for other groups, for the steps of a
    rollout) are blocked until a later apply releases them, or until this one does, with --wait.

    Without a terminal it goes on without asking. Only where it would cancel runs, or trigger them again because of
    --replace, it needs --yes there, or a saved plan, which was reviewed.

    --fail-on is about the planned runs, in the states that are recorded or that this apply saw: it sends no request of
    its own. Another exit code than 0 stays.

    PATH is a folder, a file, - for standard input, or a plan saved by `wfdeploy plan --out`.
    [default: the project's manifests]
    """
    from wfdeploy.cli.confirm import confirm_and_report
    from wfdeploy.model.options import ApplyRequest
    from wfdeploy.operations import apply as operation
    from wfdeploy.planning.consent import needs_consent
    from wfdeploy.planning.saved_plan import read_plan, saved_plan_among
    from wfdeploy.wiring import checkout
    from wfdeploy.wiring.assembly import warn_of_shared_names
    from wfdeploy.wiring.settings import resolve

    plan_file = saved_plan_among(paths, selection)
    chosen = resolve(target, app.environ)
    reports.about(chosen.target)
    if plan_file is not None:
        checkout.require_own_plan(plan_file, folder=chosen.cwd, bounds=chosen.target.project.bounds)
    warn_of_shared_names(app.output, chosen.target)

    def act(workspace: Workspace, confirm: Asker, stop: StopFlag) -> ApplyReport:
        request = ApplyRequest(selection=selection, options=limits, confirm=confirm, stop=stop)
        saved = None if plan_file is None else read_plan(plan_file)
        return operation.apply(workspace, request, paths=paths, saved=saved)

    return confirm_and_report(
        app,
        target,
        chosen,
        act,
        question="Apply these changes?",
        yes=yes,
        weigh=lambda plan: None if plan_file is not None else needs_consent(plan, selection),
        budget_s=limits.timeout_s,
        fail_on=fail_on,
        reports=reports,
    )


@click.command(
    "adopt",
    cls=Command,
    exits=(ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.WITHHELD),
    examples="""
        wfdeploy adopt -e production                   take over a system that runs already
        wfdeploy adopt --target 'onboarding/*' --yes   after the app moved to another domain
        wfdeploy adopt --target jobs/acme --run-id wfr_5kDfS   somebody restarted it in the console
    """,
)
@options.paths
@click.option(
    "--run-id",
    metavar="ID",
    help="With one --target, whose run failed: the run that continues it, since somebody resumed or restarted it "
    "elsewhere.",
)
@options.yes("always")
@options.dry_run
@options.selection(replace=False, prune=False)
@options.target
@options.view
def adopt(
    *,
    app: App,
    target: TargetOptions,
    selection: Selection,
    paths: Sequence[str] | None,
    run_id: str | None,
    yes: bool,
    dry_run: bool,
) -> ExitCode:
    """Record declared runs as already triggered, without triggering them.

    For runs, new or changed, that were started in another way or must not start again. Shows them and asks, as apply
    does. Nothing is sent. With --run-id, the run of one address that failed is recorded as going on elsewhere.

    PATH is a folder, a file, or - for standard input.  [default: the project's manifests]
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.cli.confirm import confirm_and_report, show_plan
    from wfdeploy.model.plan import Action
    from wfdeploy.operations import adopt as operation
    from wfdeploy.wiring.assembly import warn_of_shared_names
    from wfdeploy.wiring.settings import resolve

    chosen = resolve(target, app.environ)
    warn_of_shared_names(app.output, chosen.target)
    if dry_run:
        with (
            surroundings.opened(app, chosen) as workspace,
            operation.adoptable(workspace, paths=paths, selection=selection, run_id=run_id) as plan,
        ):
            show_plan(app, chosen, plan)
        return ExitCode.OK

    def act(workspace: Workspace, confirm: Asker, _: StopFlag) -> ApplyReport:
        return operation.adopt(workspace, paths=paths, selection=selection, confirm=confirm, run_id=run_id)

    return confirm_and_report(
        app,
        target,
        chosen,
        act,
        question="Record these as already triggered?",
        yes=yes,
        weigh=lambda plan: f"record {several(plan.summary[Action.ADOPT])} as triggered",
    )


def _for_recorded_runs(
    requested: str, *, help_: str, examples: str, declared: bool = False, harmless: bool = False
) -> click.Command:
    """The command for a `RequestedAction` of that name. `declared`: it sends what manifests declare, and so takes
    variables. `harmless`: it needs no consent where nobody can be asked."""

    def command(
        *,
        app: App,
        target: TargetOptions,
        limits: ApplyOptions,
        globs: Sequence[str],
        labels: Sequence[str],
        states: frozenset[ShownState],
        yes: bool,
        dry_run: bool,
        variables: Mapping[str, str] | None = None,
    ) -> ExitCode:
        from wfdeploy.cli import surroundings
        from wfdeploy.cli.confirm import confirm_and_report, show_plan
        from wfdeploy.model.options import ApplyRequest
        from wfdeploy.model.plan import RequestedAction, Selection
        from wfdeploy.operations import apply as operation
        from wfdeploy.operations.plan import planned
        from wfdeploy.operations.policing import require_no_violations
        from wfdeploy.planning.consent import needs_consent, require_consent, require_no_state_needed
        from wfdeploy.wiring.settings import resolve

        selection = Selection(
            targets=tuple(globs),
            labels=tuple(labels),
            run_states=states,
            requested=RequestedAction(requested),
            variables=variables or {},
        )

        chosen = resolve(target, app.environ)
        if dry_run:
            with (
                surroundings.opened(app, chosen, budget_s=limits.timeout_s) as workspace,
                planned(workspace, paths=None, selection=selection, offline=False, keep_all=False) as plan,
            ):
                show_plan(app, chosen, plan)
                if not workspace.has_state:
                    require_no_state_needed(workspace.target, limits)
                require_no_violations(plan)
                require_consent(plan, limits, requested=selection.requested)
            return ExitCode.OK

        def act(workspace: Workspace, confirm: Asker, stop: StopFlag) -> ApplyReport:
            request = ApplyRequest(selection=selection, options=limits, confirm=confirm, stop=stop)
            return operation.apply(workspace, request, paths=None)

        return confirm_and_report(
            app,
            target,
            chosen,
            act,
            question=f"{requested.capitalize()} these runs?",
            yes=yes,
            weigh=lambda plan: needs_consent(plan, selection),
            budget_s=limits.timeout_s,
        )

    function = options.apply_limits(options.target(options.view(command)))
    if declared:
        function = options.variables(function)
    globs = (
        "--run-state goes by the states on the server, and by the recorded one of a run that its logs don't show.\n\n"
        "In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal."
    )
    make = click.command(requested, cls=Command, help=f"{help_}\n\n{globs}", exits=_EXITS, examples=examples)
    yes_ = options.yes("never" if harmless else "always")
    made: click.Command = make(run_selection.runs_in_states(yes_(options.dry_run(function))))
    return made


cancel = _for_recorded_runs(
    "cancel",
    help_="""Cancel recorded runs that are still running.

They stay recorded as cancelled: no policy starts them again, and an unchanged declaration triggers nothing. The
manifests are not read. A run that has ended stays as it is.""",
    examples="""
        wfdeploy cancel onboarding/acme -e production
        wfdeploy cancel 'nightly/*' --yes
        wfdeploy cancel --run-state running --label tenant-7
    """,
)

resume = _for_recorded_runs(
    "resume",
    help_="""Resume failed runs where they failed, through the dead-letter queue.

Finished steps are not repeated. This is done whatever the group's policy says, and counts as one of its attempts. Safe
to repeat: a resume whose answer was lost is looked up by its label, never sent again blindly. The manifests are not
read.""",
    examples="""
        wfdeploy resume onboarding/acme -e production
        wfdeploy resume --failed --dry-run
    """,
    harmless=True,
)

restart = _for_recorded_runs(
    "restart",
    help_="""Start failed, cancelled or vanished runs again from the beginning.

Each is triggered as a new generation of what is declared now. This is done whatever the group's policy says, and counts
as one of its attempts. Runs that are running or have succeeded stay as they are.""",
    examples="""
        wfdeploy restart onboarding/acme -e production
        wfdeploy restart 'onboarding/*' --max-triggers 20
    """,
    declared=True,
)

retrigger = _for_recorded_runs(
    "retrigger",
    help_="""Trigger declared runs again, whatever their state.

Each is triggered as a new generation of what is declared now, and its policy's attempts start over. The group's
policy.replaceRunning says what happens to a run that is still running. `wfdeploy apply --replace` does the same for
single addresses, along with everything else.""",
    examples="""
        wfdeploy retrigger reports/monthly -e production
        wfdeploy retrigger 'reports/*' --dry-run
        wfdeploy retrigger 'reports/*' --yes --allow-retrigger
    """,
    declared=True,
)
