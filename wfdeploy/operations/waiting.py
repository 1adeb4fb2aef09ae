"""Wait until runs have ended: what `wait` selects, or what an apply has started."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from wfdeploy.errors import RemoteFailure
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import Condition
from wfdeploy.model.event import ApplyReport, Following, Notice, Outcome
from wfdeploy.model.fail_state import FailState, found_in
from wfdeploy.model.observed import NOT_SUCCEEDED, ObservedRun, RunState
from wfdeploy.model.options import StopFlag
from wfdeploy.model.plan import Plan
from wfdeploy.model.state import Standing
from wfdeploy.model.status import ShownState
from wfdeploy.model.workflow_id import RunIndex, id_key
from wfdeploy.operations.status import selected, status
from wfdeploy.planning.listing.run_states import since
from wfdeploy.planning.targets import Targets
from wfdeploy.ports import RunGateway
from wfdeploy.sending.listing import list_all
from wfdeploy.sending.patience import Patience, signal_wakeup
from wfdeploy.workspace import Workspace

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 15.0
_FIRST_FOLLOW_S = 0.1
_LONGEST_FOLLOW_S = 2.0
"""Pauses between two looks. The embedded server, whose runs are followed, is asked more often than others."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait ended."""

    fulfilled: bool
    """Whether all selected runs fulfil the condition."""

    states: Mapping[RunState, int]
    """How many of them are in which state."""

    runs: Mapping[Address, RunState]
    """The selected runs that are recorded, by address, each with its state."""

    timed_out: bool = False

    interrupted: bool = False
    """Whether it ended because a stop was requested."""

    unknown_outcomes: int = 0
    """How many of the selected addresses have a request whose answer was lost. `apply` looks these up."""

    @property
    def fail_states(self) -> frozenset[FailState]:
        """The states of `--fail-on` that a selected run is in. What is blocked isn't known here."""
        return found_in(self.states)


def wait(
    workspace: Workspace,
    globs: Sequence[str],
    labels: Collection[str],
    states: Collection[ShownState] = (),
    *,
    condition: Condition,
    timeout_s: float,
    stop: StopFlag,
) -> Waited:
    """Wait until every selected run fulfils the condition, or none is running any more, or the time is over. Changes
    neither the state nor the server.

    states: only runs that are in one of these as the wait begins, whatever becomes of them.

    What another process triggers, resumes or restarts meanwhile is waited for too. Raises: `UsageError` for a glob that
    matches nothing, `StateError`, `RemoteFailure`.
    """
    workspace.require_state()
    only = {row.address for row in status(workspace, globs, labels, states)} if states else None
    with asyncio.Runner() as runner, signal_wakeup(runner.get_loop()):
        waiting = _Wait(workspace, globs, labels, only=only, condition=condition, stop=stop)
        return runner.run(waiting.run(timeout_s))


class _Wait:
    def __init__(
        self,
        workspace: Workspace,
        globs: Sequence[str],
        labels: Collection[str],
        *,
        only: Collection[Address] | None,
        condition: Condition,
        stop: StopFlag,
    ) -> None:
        """`only`: what else must hold of an address; None for nothing."""
        self.workspace = workspace
        self.globs = globs
        self.labels = labels
        self.only = only
        self.condition = condition
        self.patience = Patience(workspace.clock, stop, workspace.listener, budget_s=0.0)  # it only pauses

    async def run(self, timeout_s: float) -> Waited:
        workspace, clock = self.workspace, self.workspace.clock
        deadline = clock.monotonic() + timeout_s
        pause_s, ended_before = _FIRST_PAUSE_S, 0
        gateway: RunGateway | None = None
        try:
            while True:
                chosen, open_, standings = self._recorded()
                total = len(chosen)
                moving = [one for one in standings.values() if one.run_state is None or not one.run_state.is_final]
                states = {address: one.run_state or RunState.STARTED for address, one in standings.items()}
                if moving:
                    gateway = gateway or workspace.gateway()
                    states |= await self._live(gateway, moving)
                counted = Counter(states.values())
                counted[RunState.SUCCESS] += total - len(states)
                ended = sum(count for state, count in counted.items() if state.is_final)
                workspace.listener(Following(ended, total + open_))
                good = counted[RunState.SUCCESS] if self.condition is Condition.SUCCEEDED else ended
                fulfilled = good == total and not open_
                left_s = deadline - clock.monotonic()
                all_ended = ended == total and not open_
                is_over = fulfilled or all_ended
                if not is_over and left_s > 0:
                    pause_s = _FIRST_PAUSE_S if ended > ended_before else min(pause_s * 1.5, _LONGEST_PAUSE_S)
                    ended_before = ended
                    if await self.patience.pause(min(pause_s, left_s)):
                        continue
                return Waited(
                    fulfilled,
                    {state: count for state, count in counted.items() if count},
                    {address: states.get(address, RunState.SUCCESS) for address in sorted(chosen)},
                    timed_out=not is_over and left_s <= 0,
                    interrupted=not is_over and left_s > 0,
                    unknown_outcomes=open_,
                )
        finally:
            if gateway is not None:
                await gateway.aclose()

    def _recorded(self) -> tuple[Collection[Address], int, dict[Address, Standing]]:
        """The selected runs that are recorded, how many have an open outcome, and the standings of those not known to
        have succeeded."""
        with closing(self.workspace.open_state(readonly=True)) as store:
            if self.labels:
                chosen = {record.address for record in selected(store, self.globs, self.labels)}
                open_ = 0
            else:
                targets = Targets(self.globs)
                chosen = {key.address for key in store.record_keys(targets.spans) if targets.match(key.address)}
                attempts = [one for one in store.attempts(targets.spans) if targets.match(one.address)]
                open_ = sum(one.is_open for one in attempts if self.only is None or one.address in self.only)
                targets.check()
            if self.only is not None:
                chosen.intersection_update(self.only)
            standings = {one.address: one for one in store.standings(NOT_SUCCEEDED) if one.address in chosen}
        return chosen, open_, standings

    async def _live(self, gateway: RunGateway, moving: Collection[Standing]) -> dict[Address, RunState]:
        workspace = self.workspace
        listed = await list_all(
            gateway,
            workspace.clock,
            lambda _: None,
            label=workspace.project.label,
            since_ms=since(moving, round(1000 * workspace.project.server.log_lag_s)),
        )
        index = RunIndex(listed.runs)
        found = ((one.address, index.recorded(one.workflow_run_id, one.created_at_ms)) for one in moving)
        return {address: run.state for address, run in found if run is not None}


async def follow(
    report: ApplyReport,
    workspace: Workspace,
    gateway: RunGateway,
    *,
    scheduled: Collection[str],
    timeout_s: float,
    stop: StopFlag,
) -> ApplyReport:
    """Follow the runs that an apply started until they have ended; add to its report how they did. Runs that are still
    running after `timeout_s` count as RUN_STARTED, and are `unsettled`.

    `scheduled`: workflow run ids that aren't waited for, since they begin later.
    """
    started = {
        id_key(result.workflow_run_id): result.created_at_ms
        for result in report.results
        if result.outcome in (Outcome.TRIGGERED, Outcome.DEDUPLICATED, Outcome.RESUMED)
    }
    if not started:
        return report
    states = dict.fromkeys(started, RunState.STARTED)
    late = {id_key(run_id) for run_id in scheduled}
    clock = workspace.clock
    deadline = clock.monotonic() + timeout_s
    pause = _FIRST_FOLLOW_S
    why = ""
    try:
        while going := [run_id for run_id, state in states.items() if not state.is_final and run_id not in late]:
            if stop.requested:
                why = "interrupted"
                break
            oldest = min(started[run_id] or 0 for run_id in going)
            runs: list[ObservedRun] = []
            async for page in gateway.list_runs(label=workspace.project.label, since_ms=oldest):
                runs.extend(page.runs)
            index = RunIndex(runs)
            for run_id in going:
                run = index.recorded(run_id, started[run_id])
                if run is not None:
                    states[run_id] = run.state
            workspace.listener(Following(sum(state.is_final for state in states.values()), len(states)))
            if clock.monotonic() >= deadline:
                why = f"stopped watching after {timeout_s:g} s (--wait-timeout)"
                break
            if any(not states[run_id].is_final for run_id in going):
                await clock.sleep(min(pause, max(deadline - clock.monotonic(), 0.0)))
            pause = min(pause * 1.5, _LONGEST_FOLLOW_S)
    except RemoteFailure as error:
        workspace.listener(Notice(f"the runs could not be followed: {error.message}", error.hint))
        why = "the runs could not be followed"
    except asyncio.CancelledError:
        if not stop.requested:
            raise
        why = "interrupted"
    report = replace(report, watched=dict(Counter(states.values())))
    followed = states.keys() - late
    left = sum(not states[run_id].is_final for run_id in followed)
    if not (why and left):
        return report
    later = f", and {len(states) - len(followed):,} begin later" if len(states) > len(followed) else ""
    return replace(
        report,
        unsettled=f"{why}: {left:,} of {len(followed):,} still running{later}. {left_running(workspace)}",
        hint=report.hint or "`wfdeploy wait --local` goes on watching; --wait-timeout says how long an apply watches",
    )


def left_running(workspace: Workspace) -> str:
    """What becomes of runs that nobody watches any more."""
    if not workspace.target.local:
        return "They go on."
    if workspace.embeds_server:
        return "They pause when this command ends; the next --local command, or `wfdeploy dev`, continues them."
    return "They go on as long as the local server runs."


def begin_later(plan: Plan, longest_s: float, *, now_ms: int) -> frozenset[str]:
    """The runs of a plan that begin too late to be followed."""
    until_s = now_ms / 1000 + longest_s
    return frozenset(
        change.workflow_run_id
        for change in plan.changes
        if (run := change.desired) is not None and ((run.delay_s or 0) > longest_s or (run.not_before_s or 0) > until_s)
    )
