"""Update recorded run states from the server. Nothing is triggered, nothing cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import aclosing, closing

from wfdeploy.model.edits import Observe
from wfdeploy.model.observed import RunState
from wfdeploy.model.state import Standing
from wfdeploy.model.status import Refreshed, StateChange
from wfdeploy.operations.status import selected
from wfdeploy.planning.diff.failure_policy import UNFINISHED
from wfdeploy.planning.listing.discovery import Discovery
from wfdeploy.planning.listing.run_states import Snapshot, observations
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.workspace import Workspace


def refresh(
    workspace: Workspace, globs: Sequence[str], labels: Collection[str], *, lock_timeout_s: float = 0.0
) -> Refreshed:
    """Update the recorded states of the selected runs (all, without globs and labels) from the server. Only runs that
    are not known to have ended are read, with one listing for all.

    Raises: `StateError`, `RemoteFailure`, `UsageError` for a glob that matches nothing.
    """
    workspace.require_state()
    with workspace.lock(lock_timeout_s), closing(workspace.open_state()) as store:
        unfinished = list(store.standings(UNFINISHED))
        if globs or labels:
            chosen = {record.address for record in selected(store, globs, labels)}
            unfinished = [standing for standing in unfinished if standing.address in chosen]
        if not unfinished:
            return Refreshed(0, (), {})
        snapshot = asyncio.run(_snapshot(workspace, unfinished))
        found = list(observations(store, unfinished, snapshot))
        again = (one.address for one, edit in found if edit is None and one.run_state is RunState.STARTED)
        edits = [edit for _, edit in found if edit is not None]
        edits += [Observe(address, RunState.STARTED, snapshot.now_ms) for address in again]
        workspace.commit(store, edits)
    return _refreshed(unfinished, [standing for standing, edit in found if edit is not None])


async def _snapshot(workspace: Workspace, unfinished: Sequence[Standing]) -> Snapshot:
    async with aclosing(workspace.gateway()) as gateway:
        return await Discovery(workspace, gateway, ServerTime(workspace.clock)).inspect(unfinished)


def _refreshed(unfinished: Sequence[Standing], found: Sequence[Standing]) -> Refreshed:
    before = {standing.address: standing for standing in unfinished}
    after = before | {standing.address: standing for standing in found}
    turns = [
        StateChange(standing.address, standing.workflow_run_id, before[standing.address].run_state, standing.run_state)
        for standing in sorted(found, key=lambda standing: standing.address)
        if standing.run_state is not None and standing.run_state is not before[standing.address].run_state
    ]
    return Refreshed(len(unfinished), turns, Counter(standing.run_state for standing in after.values()))
