"""Wait: until recorded runs have ended. Reads the state and the server's logs, and changes neither."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wfdeploy.model.address import Address
from wfdeploy.model.blocking import Condition
from wfdeploy.model.event import Following
from wfdeploy.model.options import StopFlag
from wfdeploy.model.remote import RunState
from wfdeploy.model.state import Standing
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.operations.inspection import selected
from wfdeploy.operations.signal_wakeup import hearing
from wfdeploy.planning.listing.run_states import since
from wfdeploy.planning.targets import Targets
from wfdeploy.ports import RunGateway
from wfdeploy.sending.listing import list_all
from wfdeploy.sending.patience import Patience
from wfdeploy.workspace import Workspace

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 15.0
_OTHERS = (None, *(state for state in RunState if state is not RunState.SUCCESS))


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait ended: whether what was waited for came true, and how many runs are in which state then."""

    fulfilled: bool
    states: Mapping[RunState, int]


def wait(
    workspace: Workspace,
    globs: Sequence[str],
    labels: Collection[str],
    *,
    condition: Condition,
    timeout_s: float,
    stop: StopFlag,
) -> Waited:
    """Wait until every selected run fulfils the condition, or none of them is going any more, or the time is over.

    What another process triggers, resumes or restarts meanwhile is waited for too. Raises: `UsageError` for a glob that
    matches nothing, `StateError`, `RemoteFailure`.
    """
    workspace.require_state()
    with asyncio.Runner() as runner, hearing(runner.get_loop()):
        return runner.run(_Wait(workspace, globs, labels, condition, stop).run(timeout_s))


class _Wait:
    def __init__(
        self,
        workspace: Workspace,
        globs: Sequence[str],
        labels: Collection[str],
        condition: Condition,
        stop: StopFlag,
    ) -> None:
        self.workspace = workspace
        self.globs = globs
        self.labels = labels
        self.condition = condition
        self.patience = Patience(workspace.clock, stop, workspace.listener, budget_s=0.0)  # it only pauses

    async def run(self, timeout_s: float) -> Waited:
        workspace, clock = self.workspace, self.workspace.clock
        deadline = clock.monotonic() + timeout_s
        pause_s, ended_before = _FIRST_PAUSE_S, 0
        gateway: RunGateway | None = None
        try:
            while True:
                total, open_, standings = self._recorded()
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
                if fulfilled or (ended == total and not open_) or left_s <= 0:
                    return Waited(fulfilled, {state: count for state, count in counted.items() if count})
                pause_s = _FIRST_PAUSE_S if ended > ended_before else min(pause_s * 1.5, _LONGEST_PAUSE_S)
                ended_before = ended
                if not await self.patience.pause(min(pause_s, left_s)):
                    return Waited(False, {state: count for state, count in counted.items() if count})
        finally:
            if gateway is not None:
                await gateway.aclose()

    def _recorded(self) -> tuple[int, int, dict[Address, Standing]]:
        """How many selected runs are recorded, of how many the outcome is open, and those not known to have
        succeeded."""
        store = self.workspace.open_state(readonly=True)
        try:
            if self.labels:
                chosen = {record.address for record in selected(store, self.globs, self.labels)}
                open_ = 0
            else:
                targets = Targets(self.globs)
                chosen = {key.address for key in store.record_keys(targets.spans) if targets.match(key.address)}
                open_ = sum(one.is_open for one in store.attempts(targets.spans) if targets.match(one.address))
                targets.check()
            standings = {one.address: one for one in store.standings(_OTHERS) if one.address in chosen}
        finally:
            store.close()
        return len(chosen), open_, standings

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
