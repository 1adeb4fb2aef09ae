"""Apply, as soon as there may be something to do.

Lock; read the state; see whether there is anything to send or to clear; list what the server knows, late enough;
plan; get consent; send. Before consent nothing is written but that left-over intents are closed; nothing is sent before
its intent is on disk.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from wfdeploy.errors import ExitCode, Interrupted, Withheld
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.edits import Edit, SetHead
from wfdeploy.model.event import ApplyReport, Notice
from wfdeploy.model.options import ApplyRequest
from wfdeploy.model.plan import Action, Plan, Refresh
from wfdeploy.operations.authorship import authorship
from wfdeploy.operations.outgoing import gather_secrets, in_order_of_manifests, resume_requests, trigger_requests
from wfdeploy.operations.rounds import ANOTHER_COMMAND, ANOTHER_RUNNER, Round, ended, follow_through, round_after
from wfdeploy.operations.waiting import begin_later, follow
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.blocking.held_back import HeldBack
from wfdeploy.planning.consent import Later, held_back, require_consent
from wfdeploy.planning.inquiry import Inquiry
from wfdeploy.planning.listing.discovery import Discovery, Lock
from wfdeploy.planning.listing.run_states import since
from wfdeploy.planning.plan_result import Listing, PlanResult
from wfdeploy.planning.planner import Planner
from wfdeploy.planning.saved_plan import SavedPlan
from wfdeploy.ports import RunGateway, StateStore
from wfdeploy.sending.engine import Engine
from wfdeploy.sending.journal import Journal
from wfdeploy.sending.patience import Patience, signal_wakeup
from wfdeploy.sending.sender import Limits
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.sending.session import Outcomes, Session, Unreachable
from wfdeploy.workspace import Workspace

_MOST_TOLD = 20
"""Of how many runs it is told why what was asked for isn't done."""


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
        self.gateway: RunGateway | None = None
        self.scheduled: frozenset[str] = frozenset()
        self.report: ApplyReport | None = None
        self.held_back: HeldBack | None = None  # once the first of several rounds was carried out

    async def run(self) -> None:
        """To `report`: were it returned, asyncio's signal handling would format all of it."""
        self.report = await self._run()

    async def _run(self) -> ApplyReport:
        workspace, options = self.workspace, self.options
        async with AsyncExitStack() as stack:
            round_ = await self._once(stack, options.lock_timeout_s)
            report = round_.report
            if options.wait:
                return await follow_through(
                    workspace, round_, partial(self._again, stack), self.patience, options.longest_wait_s
                )
            if workspace.target.local and self.gateway is not None and not self.stop.requested:
                report = await follow(
                    report,
                    workspace,
                    self.gateway,
                    scheduled=self.scheduled,
                    timeout_s=options.longest_wait_s,
                    stop=self.stop,
                )
            return report

    async def _once(self, stack: AsyncExitStack, lock_timeout_s: float, before: Round | None = None) -> Round:
        """Under the lock: plan, carry out, and see how things stand then. `before`: the round before this one."""
        workspace = self.workspace
        with workspace.lock(lock_timeout_s):
            locked_at = self.time.now()
            is_new = not workspace.has_state
            store = workspace.open_state()
            try:
                if self.held_back is None or before is None:
                    self._require_state(is_new)
                elif self.held_back.has_moved_on(None if is_new else store):
                    return ended(before, ANOTHER_COMMAND)
                report, result, store = await self._plan_and_carry_out(store, is_new, locked_at, stack)
                report = replace(report, warnings=result.plan.warnings)
                if not self.options.wait:  # then nobody asks, and looking at each record takes its time
                    return Round(report=report, going=frozenset())
                if self.held_back is None:
                    self.held_back = HeldBack(result.plan, self.manifests.groups, result.planned_ms)
                self.held_back.took(report)
                self.held_back.left(store if workspace.has_state else None)
                round_ = round_after(report, result.plan, store, self.manifests.groups, passes=result.passes)
                return replace(round_, ended=ANOTHER_RUNNER) if self.held_back.is_closed else round_
            finally:
                store.close()

    async def _again(self, stack: AsyncExitStack, before: Round) -> Round:
        """Another round of what was consented to, once it is known how the runs do."""
        options, held_back = self.options, self.held_back
        assert held_back is not None
        replaced = tuple(filter(held_back.is_waiting, self.selection.replace))
        self.selection = replace(self.selection, refresh=Refresh.ALL, replace=replaced)
        self.saved, self.confirm = None, lambda _: True
        self.patience = Patience(self.workspace.clock, self.stop, self.workspace.listener, options.timeout_s)
        return await self._once(stack, max(options.lock_timeout_s, options.timeout_s), before)

    async def _plan_and_carry_out(
        self, store: StateStore, is_new: bool, locked_at: float, stack: AsyncExitStack
    ) -> tuple[ApplyReport, PlanResult, StateStore]:
        workspace, options = self.workspace, self.options
        planner = Planner(workspace, self.manifests, store, self.selection, held_back=self.held_back)
        baseline = planner.baseline
        result = planner.plan()
        whole_story = is_new or workspace.state_backend.is_latest(store)
        listing: Listing | None = None
        discovery: Discovery | None = None
        questions = planner.questions(result)
        if questions or result.conclusions or result.plan.summary[Action.CANCEL]:
            if self.gateway is None:
                self.gateway = workspace.gateway()
                stack.push_async_callback(self.gateway.aclose)
            discovery = Discovery(workspace, self.gateway, self.time, Lock(locked_at, self.patience))
            inquiry = Inquiry(planner, discovery, is_new=is_new)
            result, listing = await inquiry.run(result, questions)
            # A suspect state becomes the whole story by a listing that began late enough, and by nothing else.
            whole_story = whole_story or inquiry.asked_for_absence
        plan = result.plan
        self._check(result)
        self._report_skipped(plan)
        if not plan.has_changes and not plan.has_edits and not result.edits and not result.conclusions:
            return ApplyReport.of_nothing(plan), result, store
        require_consent(plan, options, held_back(plan, baseline) if options.wait else Later())
        triggers = in_order_of_manifests(plan)
        secrets = gather_secrets(triggers, baseline)
        self._check_stop()
        if plan.has_changes and not self.confirm(plan):
            raise Withheld("declined: nothing was sent")
        self._check_stop()
        self.scheduled = begin_later(workspace, plan, options.longest_wait_s)
        if is_new:
            store = baseline.begin_state()
        watermark_ms = self._watermark(listing, discovery)
        edits: list[Edit] = [
            *result.edits,
            SetHead(watermark_ms, foreign_ms=listing.began_ms if listing is not None and result.foreign else None),
        ]
        since_ms = watermark_ms if listing is not None and listing.began_ms is not None else None
        by = authorship(workspace.environ, workspace.project.root)
        report = await self._engine(baseline, store, discovery).carry_out(
            plan,
            edits,
            trigger_requests(triggers, baseline, secrets, since_ms=since_ms, by=by),
            resume_requests(plan, baseline, since_ms=since_ms, by=by),
            result.conclusions,
        )
        if whole_story:
            workspace.state_backend.mark_latest(store)
        return report, result, store

    # --- pieces ----------------------------------------------------------------------------------------------

    def _check(self, result: PlanResult) -> None:
        """Raises: `InvalidInput`; `StalePlan` where the saved plan is another one."""
        result.require_no_conflicts()
        if self.saved is not None:
            self.saved.check(result.plan)

    def _report_skipped(self, plan: Plan) -> None:
        """Tell where what was asked for is not done, or was done before."""
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
        for change in islice(idle, _MOST_TOLD):
            self.workspace.listener(Notice(f"{change.address}: {change.reason}"))

    def _check_stop(self) -> None:
        if self.stop.requested:
            raise Interrupted("stopped before anything was sent", exit_code=ExitCode.SIGINT)

    def _require_state(self, is_new: bool) -> None:
        if not is_new:
            return
        shard = self.workspace.target.shard
        if shard is not None and not self.workspace.target.local and not self.options.create_state:
            # A state that is missing because N was changed would have everything triggered again. The embedded server
            # remembers every run, so that there it is adopted.
            raise Withheld(
                f"there is no state {self.workspace.target.state_file} for shard {shard}",
                hint="restore it; or begin one with --create-state (what the server's logs still know is adopted). "
                "The number of shards can't be changed while the states of another one are in use",
            )
        if self.workspace.project.state_required and not self.options.create_state:
            raise Withheld(
                f"there is no state {self.workspace.target.state_file}, and the project requires one",
                hint="restore it; or, if this target is new or its state is lost for good, begin one with "
                "--create-state (what the server's logs still know is adopted)",
            )

    def _watermark(self, listing: Listing | None, discovery: Discovery | None) -> int | None:
        if listing is None or listing.began_ms is None or discovery is None:
            return None
        return max(listing.began_ms - round(1000 * discovery.log_lag_s), 0)

    def _engine(self, baseline: Baseline, store: StateStore, discovery: Discovery | None) -> Engine:
        workspace, options = self.workspace, self.options
        server = workspace.project.server
        max_items = options.batch_size or server.max_batch_items
        if options.max_rate is not None:
            max_items = max(1, min(max_items, int(options.max_rate)))

        def log_lag_s() -> float:
            return 0.0 if discovery is None else discovery.log_lag_s

        session = Session(
            # Without a gateway, the plan asks nothing of the server: the engine only commits.
            gateway=self.gateway or Unreachable(),
            journal=Journal(store),
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
