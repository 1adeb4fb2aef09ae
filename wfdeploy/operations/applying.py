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
from wfdeploy.operations.follow import begin_later, follow
from wfdeploy.operations.outgoing import gather_secrets, in_order_of_manifests, resume_requests, trigger_requests
from wfdeploy.operations.rounds import ANOTHER_COMMAND, ANOTHER_RUNNER, Round, ended, follow_through, look_back
from wfdeploy.operations.signal_wakeup import hearing
from wfdeploy.planning.blocking.held_back import HeldBack
from wfdeploy.planning.consent import Later, held_back, require_consent
from wfdeploy.planning.listing.discovery import Discovery
from wfdeploy.planning.listing.looking_up_letters import lacking, with_letters
from wfdeploy.planning.listing.refreshing import since
from wfdeploy.planning.outlook import Outlook, Seen
from wfdeploy.planning.prepared import Prepared
from wfdeploy.planning.saved_plan import SavedPlan
from wfdeploy.planning.trust import why_suspect
from wfdeploy.ports import RunGateway, StateStore
from wfdeploy.sending.engine import Engine
from wfdeploy.sending.journal import Journal
from wfdeploy.sending.patience import Patience
from wfdeploy.sending.sender import Limits
from wfdeploy.sending.server_time import ROUNDED_S, ServerTime
from wfdeploy.sending.session import Outcomes, Session
from wfdeploy.sending.unreachable import Unreachable
from wfdeploy.workspace import Workspace

_MOST_AHEAD_S = 300.0
"""By so much a clock may be ahead for a due instance to be waited for; further ahead, it is just wrong."""

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
        with hearing(loop):
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
                report, outlook, store = await self._plan_and_carry_out(store, is_new, locked_at, stack)
                report = replace(report, warnings=outlook.plan.warnings)
                if not self.options.wait:  # then nobody asks, and looking at each record takes its time
                    return Round(report=report, going=frozenset())
                if self.held_back is None:
                    self.held_back = HeldBack(outlook.plan, self.manifests.groups, outlook.planned_ms)
                self.held_back.took(report)
                self.held_back.left(store if workspace.has_state else None)
                round_ = look_back(report, outlook.plan, store, self.manifests.groups, passes=outlook.passes)
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
    ) -> tuple[ApplyReport, Outlook, StateStore]:
        workspace, options = self.workspace, self.options
        prepared = Prepared(workspace, self.manifests, store, self.selection, held_back=self.held_back)
        outlook = prepared.outlook(None)
        whole_story = is_new or workspace.state_backend.is_latest(store)
        seen: Seen | None = None
        discovery: Discovery | None = None
        sending = outlook.plan.sending
        asked = prepared.asked_after(outlook.plan)
        open_ = bool(prepared.open_attempts or asked or outlook.undecided or lacking(prepared) or outlook.conclusions)
        if outlook.plan.sends or open_ or self._cancels(outlook):
            if self.gateway is None:
                self.gateway = workspace.gateway()
                stack.push_async_callback(self.gateway.aclose)
            discovery = Discovery(workspace, self.gateway, self.time, locked_at, lambda: self.stop.requested)
            settles = bool(outlook.plan.sends or prepared.open_attempts or outlook.undecided)
            suspect = why_suspect(workspace, prepared.store, is_new=is_new) if settles else None
            if settles:
                seen = await discovery.settle(prepared, sending, self.patience, suspect=suspect, asked=asked)
            else:
                seen = await discovery.look(prepared, sending, asked)
            seen, outlook = await with_letters(discovery, prepared, await self._until_due(outlook, seen))
            added = outlook.plan.sending
            if outlook.plan.sends:
                # How runs do may add to what is sent; then the same must be known as for everything that is sent.
                suspect = suspect if settles else why_suspect(workspace, prepared.store, is_new=is_new)
                if (suspect is not None and not settles) or not discovery.covers(prepared, seen, added):
                    more = await discovery.settle(prepared, added, self.patience, suspect=suspect, asked=asked)
                    seen, outlook = await with_letters(discovery, prepared, more, known=seen.letters)
                settles = True
            # A suspect state becomes the whole story by a listing that began late enough, and by nothing else.
            whole_story = whole_story or settles
        plan = outlook.plan
        self._check(outlook)
        self._tell_why_not(plan)
        if not plan.has_changes and not plan.has_edits and not outlook.edits and not outlook.conclusions:
            return ApplyReport.of_nothing(plan), outlook, store
        require_consent(plan, options, held_back(plan, prepared) if options.wait else Later())
        triggers = in_order_of_manifests(plan)
        secrets = gather_secrets(triggers, prepared)
        self._heed_stop()
        if plan.has_changes and not self.confirm(plan):
            raise Withheld("declined: nothing was sent")
        self._heed_stop()
        self.scheduled = begin_later(workspace, plan, options.longest_wait_s)
        if is_new:
            store = self._begin_state(prepared, store)
        watermark_ms = self._watermark(seen, discovery)
        edits: list[Edit] = [
            *outlook.edits,
            SetHead(watermark_ms, foreign_ms=seen.began_ms if seen is not None and outlook.foreign else None),
        ]
        since_ms = watermark_ms if seen is not None and seen.began_ms is not None else None
        by = authorship(workspace.environ, workspace.project.root)
        report = await self._engine(prepared, store, discovery).carry_out(
            plan,
            edits,
            trigger_requests(triggers, prepared, secrets, since_ms=since_ms, by=by),
            resume_requests(plan, prepared, since_ms=since_ms, by=by),
            outlook.conclusions,
        )
        if whole_story:
            workspace.state_backend.mark_latest(store)
        return report, outlook, store

    # --- pieces ----------------------------------------------------------------------------------------------

    def _check(self, outlook: Outlook) -> None:
        """Raises: `InvalidInput`; `StalePlan` where the saved plan is another one."""
        outlook.require_no_conflicts()
        if self.saved is not None:
            self.saved.check(outlook.plan)

    async def _until_due(self, outlook: Outlook, seen: Seen) -> Seen:
        """Where an instance is due by this machine's clock and almost by the server's, wait for that one too: else a
        job that begins on the stroke of its schedule would leave it for the next."""
        if outlook.due_s is None or seen.now_ms is None or seen.now_ms >= 1000 * outlook.due_s:
            return seen
        early_s = outlook.due_s - seen.now_ms / 1000
        if early_s > _MOST_AHEAD_S:
            return seen
        await self.patience.wait(early_s + ROUNDED_S, "an instance is due, but not yet by the server's clock: waiting")
        return replace(seen, now_ms=self.time.earliest_ms())

    def _tell_why_not(self, plan: Plan) -> None:
        """Tell where what was asked for is not done, or was done before."""
        selection = self.selection
        if selection.wish is None and not selection.replace:
            return
        idle = (
            change
            for change in plan.changes
            if (selection.wish is not None or change.address in selection.replace)
            and not change.sends
            and change.reason
            and (change.action is Action.RECOVER or (selection.wish is not None and not plan.has_changes))
        )
        for change in islice(idle, _MOST_TOLD):
            self.workspace.listener(Notice(f"{change.address}: {change.reason}"))

    def _heed_stop(self) -> None:
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

    def _begin_state(self, prepared: Prepared, empty: StateStore) -> StateStore:
        """Put a file where so far there was an empty state in memory."""
        workspace = self.workspace
        empty.close()
        store = workspace.state_backend.create()
        prepared.store = store
        prepared.head = store.head()
        return store

    def _watermark(self, seen: Seen | None, discovery: Discovery | None) -> int | None:
        if seen is None or seen.began_ms is None or discovery is None:
            return None
        return max(seen.began_ms - round(1000 * discovery.log_lag_s), 0)

    def _cancels(self, outlook: Outlook) -> bool:
        return outlook.plan.summary[Action.CANCEL] > 0

    def _engine(self, prepared: Prepared, store: StateStore, discovery: Discovery | None) -> Engine:
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
            names=prepared.names_of,
            oldest_ms=lambda addresses: since(
                [record.standing for record in store.records(addresses)], round(1000 * log_lag_s())
            ),
            before_sending=lambda: workspace.state_backend.clear_mark(store),
        )
