"""Apply, as soon as there may be something to do. The commands for recorded runs (cancel, resume, restart, retrigger)
are applies too, of plans in which nothing but that is done.

Take the lock; read the state; plan; ask the server what the plan depends on, late enough; get consent; send. Before
consent nothing is written, except that left-over intents are closed. Nothing is sent before its intent is on disk.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from wfdeploy.errors import ExitCode, Interrupted, StateMoved, Withheld
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.edits import SetHead
from wfdeploy.model.event import ApplyReport, Notice, Outcome
from wfdeploy.model.options import ApplyRequest
from wfdeploy.model.plan import Action, Plan, Refresh, RequestedAction
from wfdeploy.operations.authorship import authorship
from wfdeploy.operations.outgoing import gather_secrets, in_order_of_manifests, resume_requests, trigger_requests
from wfdeploy.operations.policing import policed, require_no_violations
from wfdeploy.operations.rounds import ANOTHER_COMMAND, ANOTHER_RUNNER, Round, ended, follow_through, round_after
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.blocking.approvals import awaiting_approval
from wfdeploy.planning.blocking.held_back import HeldBack
from wfdeploy.planning.consent import Later, released_later, require_consent, require_no_state_needed
from wfdeploy.planning.listing.run_states import since
from wfdeploy.planning.plan_result import PlanResult
from wfdeploy.planning.planner import Planner
from wfdeploy.planning.saved_plan import SavedPlan
from wfdeploy.ports import RunGateway, StateStore
from wfdeploy.sending.engine import Engine
from wfdeploy.sending.journal import Journal
from wfdeploy.sending.patience import Patience, signal_wakeup
from wfdeploy.sending.sender import Limits
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.sending.session import Outcomes, Session
from wfdeploy.workspace import Workspace

if TYPE_CHECKING:
    from wfdeploy.planning.listing.discovery import Discovery
    from wfdeploy.planning.listing.run_listing import RunListing

_MOST_REPORTED = 20
"""Of so many runs the reason is given why the requested action isn't done."""


def carry_out(
    workspace: Workspace, manifests: Manifests, request: ApplyRequest, saved: SavedPlan | None
) -> ApplyReport:
    """Plan and carry out. Raises: as `apply`."""
    with asyncio.Runner() as runner:
        work = _Apply(workspace, manifests, request, saved)
        loop = runner.get_loop()
        loop.set_exception_handler(_report_no_signal)
        with signal_wakeup(loop):
            runner.run(work.run())
        assert work.report is not None
        return work.report


def _report_no_signal(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A second signal leaves the loop through whatever task it fell upon, and the loop would call that an error."""
    if not isinstance(context.get("exception"), KeyboardInterrupt | SystemExit):
        loop.default_exception_handler(context)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A plan, and what is known once it is made."""

    result: PlanResult
    is_whole_story: bool  # whether the state holds all that was triggered, once the plan is carried out
    listing: RunListing | None = None
    discovery: Discovery | None = None


class _Apply:
    """One apply, from the lock to the report."""

    def __init__(
        self, workspace: Workspace, manifests: Manifests, request: ApplyRequest, saved: SavedPlan | None
    ) -> None:
        self.workspace = workspace
        self.manifests = manifests
        self.selection = request.selection
        self.options = request.options
        self.confirm = request.confirm
        self.saved = saved
        self.stop = request.stop
        self.patience = Patience(workspace.clock, self.stop, workspace.listener, self.options.timeout_s)
        self.time = ServerTime(workspace.clock)
        self.resources = AsyncExitStack()
        self.gateway: RunGateway | None = None
        self.scheduled: frozenset[str] = frozenset()  # runs that begin too late to be followed
        self.held_back: HeldBack | None = None  # once the first of several rounds was carried out
        self.report: ApplyReport | None = None

    async def run(self) -> None:
        """Apply, and leave the `report`. Were it returned, asyncio's signal handling would format all of it."""
        async with self.resources:
            self.report = await self._run()

    async def _run(self) -> ApplyReport:
        workspace, options = self.workspace, self.options
        first = await self._first_round()
        if options.wait:
            return await follow_through(workspace, first, self._next_round, self.patience, options.longest_wait_s)
        if workspace.target.local and self.gateway is not None and not self.stop.requested:
            from wfdeploy.operations.waiting import follow

            return await follow(
                first.report,
                workspace,
                self.gateway,
                scheduled=self.scheduled,
                timeout_s=options.longest_wait_s,
                stop=self.stop,
            )
        return first.report

    async def _first_round(self) -> Round:
        """A round, and another where the state has changed while somebody was asked about the plan."""
        while True:
            try:
                return await self._round(self.options.lock_timeout_s)
            except StateMoved as error:
                self.workspace.listener(Notice(f"{error.message}: planned anew"))

    async def _next_round(self, before: Round) -> Round:
        """Another round of what was consented to."""
        options, held_back = self.options, self.held_back
        assert held_back is not None
        replaced = tuple(filter(held_back.is_waiting, self.selection.replace))
        self.selection = replace(self.selection, refresh=Refresh.ALL, replace=replaced)
        self.saved, self.confirm = None, lambda _: True
        self.patience = Patience(self.workspace.clock, self.stop, self.workspace.listener, options.timeout_s)
        return await self._round(max(options.lock_timeout_s, options.timeout_s), before)

    async def _round(self, lock_timeout_s: float, before: Round | None = None) -> Round:
        """Under the lock: plan, carry out, and see how things stand then."""
        workspace = self.workspace
        with workspace.lock(lock_timeout_s), ExitStack() as closing:
            locked_at = self.time.now() + workspace.state_backend.stray_s
            is_new = not workspace.has_state
            store = workspace.open_state()
            closing.callback(store.close)
            if self.held_back is None or before is None:
                if is_new:
                    require_no_state_needed(workspace.target, self.options)
            elif self.held_back.has_moved_on(None if is_new else store):
                return ended(before, ANOTHER_COMMAND)
            planner = Planner(workspace, self.manifests, store, self.selection, held_back=self.held_back)
            closing.callback(planner.baseline.close)
            planned = await self._plan(planner, locked_at, is_new=is_new)
            plan = planned.result.plan
            report = replace(await self._carry_out(planner, planned), warnings=plan.warnings, idle=plan.idle)
            report = replace(report, approvals=tuple(awaiting_approval(planner.baseline.store, plan.changes)))
            if not self.options.wait:  # then nobody asks, and looking at each record takes its time
                return Round(report=report, running=frozenset())
            return self._round_after(report, planned.result, planner.baseline.store)

    async def _plan(self, planner: Planner, locked_at: float, *, is_new: bool) -> _Planned:
        """Plan with what is known; ask the server what the plan depends on beside that. `locked_at`: of `Lock`."""
        workspace = self.workspace
        is_whole_story = is_new or workspace.state_backend.is_latest(planner.baseline.store)
        result = planner.plan()
        questions = planner.questions(result)
        if not (questions or result.conclusions or result.plan.summary[Action.CANCEL]):
            return _Planned(result, is_whole_story)
        from wfdeploy.planning.inquiry import Inquiry
        from wfdeploy.planning.listing.discovery import Discovery, Lock

        if self.gateway is None:
            self.gateway = workspace.gateway()
            self.resources.push_async_callback(self.gateway.aclose)
        discovery = Discovery(workspace, self.gateway, self.time, Lock(locked_at, self.patience))
        inquiry = Inquiry(planner, discovery, is_new=is_new)
        result, listing = await inquiry.run(result, questions)
        # A suspect state becomes the whole story by a listing that began late enough, and by nothing else.
        return _Planned(result, is_whole_story or inquiry.asked_for_absence, listing, discovery)

    async def _carry_out(self, planner: Planner, planned: _Planned) -> ApplyReport:
        """Get consent, then send. Raises: `StalePlan` where the saved plan is another one."""
        workspace, options, baseline = self.workspace, self.options, planner.baseline
        result, plan, listing = planned.result, planned.result.plan, planned.listing
        result.require_no_conflicts()
        if self.saved is not None:
            self.saved.check(plan, is_shared=workspace.state_backend.is_shared)
        self._report_skipped(plan)
        if not plan.has_changes and not plan.has_edits and not result.edits and not result.conclusions:
            return ApplyReport.of_nothing(plan)
        plan = policed(workspace, self.manifests, plan, self.selection.requested)
        require_no_violations(plan)
        later = released_later(plan, baseline) if options.wait else Later()
        require_consent(plan, options, later, self.selection.requested)
        triggers = in_order_of_manifests(plan)
        secrets = gather_secrets(triggers, baseline)
        self._check_stop()
        shown = replace(plan, cancels_later=later.cancels)
        if (plan.has_changes or later.cancels) and not workspace.state_backend.ask(lambda: self.confirm(shown)):
            raise Withheld("declined: nothing was sent")
        self._check_stop()
        if workspace.target.local:
            from wfdeploy.operations.waiting import begin_later

            self.scheduled = begin_later(plan, options.longest_wait_s, now_ms=workspace.clock.now_ms())
        if not workspace.has_state:
            baseline.begin_state()
        since_ms = None if listing is None else listing.watermark_ms
        foreign_ms = listing.began_ms if listing is not None and result.foreign else None
        by = authorship(workspace.environ, workspace.project.root)
        report = await self._engine(baseline, baseline.store, planned.discovery).carry_out(
            plan,
            [*result.edits, SetHead(since_ms, foreign_ms=foreign_ms)],
            trigger_requests(triggers, baseline, secrets, since_ms=since_ms, by=by),
            resume_requests(plan, baseline, since_ms=since_ms, by=by),
            result.conclusions,
        )
        report = replace(report, unmet=len(plan.unmet) + self._left_alone(report))
        if planned.is_whole_story:
            workspace.state_backend.mark_latest(baseline.store)
        return report

    def _round_after(self, report: ApplyReport, result: PlanResult, store: StateStore) -> Round:
        """How things stand after a round, and what the next one may do."""
        groups = self.manifests.groups
        if self.held_back is None:
            self.held_back = HeldBack(result.plan, groups, result.planned_ms)
        self.held_back.record_outcomes(report)
        self.held_back.remember_state(store if self.workspace.has_state else None)
        after = round_after(report, result.plan, store, groups, passes=result.passes)
        return replace(after, ended=ANOTHER_RUNNER) if self.held_back.is_closed else after

    # --- pieces ----------------------------------------------------------------------------------------------

    def _report_skipped(self, plan: Plan) -> None:
        """Report why requested actions are not done, or were done before."""
        selection = self.selection
        if selection.requested is None and not selection.replace:
            return
        idle = (
            change
            for change in plan.changes
            if (selection.requested is not None or change.address in selection.replace)
            and not change.sends
            and change.reason
            and (change.action is Action.RECOVER or (selection.requested is not None and not plan.has_changes))
        )
        for change in islice(idle, _MOST_REPORTED):
            self.workspace.listener(Notice(f"{change.address}: {change.reason}"))

    def _left_alone(self, report: ApplyReport) -> int:
        """How many runs that were to be resumed had lost their dead letters in the meantime."""
        if self.selection.requested is not RequestedAction.RESUME or not report.summary[Outcome.KEPT]:
            return 0
        return sum(1 for result in report.results if result.outcome is Outcome.KEPT and result.error is not None)

    def _check_stop(self) -> None:
        if self.stop.requested:
            raise Interrupted("stopped before anything was sent", exit_code=ExitCode.SIGINT)

    def _engine(self, baseline: Baseline, store: StateStore, discovery: Discovery | None) -> Engine:
        workspace, options = self.workspace, self.options
        server = workspace.project.server
        max_items = options.batch_size or server.max_batch_items
        if options.max_rate is not None:
            max_items = max(1, min(max_items, int(options.max_rate)))

        def log_lag_s() -> float:
            return 0.0 if discovery is None else discovery.log_lag_s

        session = Session(
            connection=self.gateway,
            journal=Journal(store, gathers=workspace.state_backend.is_shared),
            clock=workspace.clock,
            time=self.time,
            patience=self.patience,
            listener=workspace.listener,
            label=workspace.project.label,
            log_lag_s=log_lag_s,
            outcomes=Outcomes(workspace.listener),
        )
        return Engine(
            session,
            limits=Limits(
                max_items=max_items,
                max_bytes=server.max_batch_bytes,
                concurrency=options.concurrency or Limits().concurrency,
                max_rate=options.max_rate,
            ),
            names=baseline.names_of,
            oldest_ms=lambda addresses: since(
                [record.standing for record in store.records(addresses)], round(1000 * log_lag_s())
            ),
            before_sending=lambda: workspace.state_backend.clear_mark(store),
        )
