"""Update recorded run states from the server. Nothing is triggered, nothing cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass

from wfdeploy.model.address import Address
from wfdeploy.model.edits import Observe, PutRecord
from wfdeploy.model.event import Notice
from wfdeploy.model.observed import RunState
from wfdeploy.model.state import Record, Standing
from wfdeploy.model.status import Refreshed, StateChange
from wfdeploy.model.workflow_id import id_key
from wfdeploy.operations.status import selected
from wfdeploy.planning.diff.failure_policy import UNFINISHED
from wfdeploy.planning.listing.dead_letters import with_dead_letter
from wfdeploy.planning.listing.discovery import Discovery
from wfdeploy.planning.listing.run_states import observations
from wfdeploy.planning.listing.successors import Failed, Successors, continued, find_successors
from wfdeploy.ports import StateStore
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.workspace import Workspace


def refresh(
    workspace: Workspace, globs: Sequence[str], labels: Collection[str], *, lock_timeout_s: float = 0.0
) -> Refreshed:
    """Update the recorded states of the selected runs (all, without globs and labels) from the server.

    Runs that are not known to have ended are read with one listing for all. Failed ones are looked up in the
    dead-letter queue: where somebody resumed or restarted one elsewhere, its record follows the run that continues it.

    What is news is notified of, where the project has webhooks.

    Raises: `StateError`, `RemoteFailure`, `UsageError` for a glob that matches nothing; `InvalidInput` for a webhook
    that isn't allowed.
    """
    workspace.require_state()
    if workspace.webhooks is None:
        return _refresh(workspace, globs, labels, lock_timeout_s)
    from wfdeploy.operations.notifying import Notifier

    notifier = Notifier(workspace)
    result = _refresh(workspace, globs, labels, lock_timeout_s)
    for warning in notifier.notify():
        workspace.listener(Notice(warning))
    return result


def _refresh(workspace: Workspace, globs: Sequence[str], labels: Collection[str], lock_timeout_s: float) -> Refreshed:
    with workspace.lock(lock_timeout_s), closing(workspace.open_state()) as store:
        chosen = {record.address for record in selected(store, globs, labels)} if globs or labels else None
        found = asyncio.run(_Refresh(workspace, store, chosen).run())
        workspace.commit(store, found.edits)
    return found.result


@dataclass(frozen=True, slots=True)
class _Found:
    edits: Sequence[Observe | PutRecord]
    result: Refreshed


class _Refresh:
    """One refresh. `chosen`: the addresses in question; None for all."""

    def __init__(self, workspace: Workspace, store: StateStore, chosen: Collection[Address] | None) -> None:
        self._workspace = workspace
        self._store = store
        self._chosen = chosen
        self._before = {
            standing.address: standing
            for standing in store.standings((*UNFINISHED, RunState.FAILED))
            if self._is_chosen(standing)
        }
        self._after = dict(self._before)
        self._edits: list[Observe | PutRecord] = []

    def _is_chosen(self, standing: Standing) -> bool:
        return self._chosen is None or standing.address in self._chosen

    async def run(self) -> _Found:
        """Ask the server. Raises: `RemoteFailure`."""
        if not self._before:
            return _Found((), Refreshed(0, (), {}))
        async with aclosing(self._workspace.gateway()) as gateway:
            discovery = Discovery(self._workspace, gateway, ServerTime(self._workspace.clock))
            await self._observe(discovery)
            successors = await self._follow(discovery)
        return _Found(self._edits, self._result(successors))

    async def _observe(self, discovery: Discovery) -> None:
        """Update the states of runs that are not known to have ended."""
        unfinished = [one for one in self._before.values() if one.run_state in UNFINISHED]
        if not unfinished:
            return
        snapshot = await discovery.inspect(unfinished)
        for standing, edit in observations(self._store, unfinished, snapshot):
            if edit is not None:
                self._after[standing.address] = standing
                self._edits.append(edit)
            elif standing.run_state is RunState.STARTED:
                self._edits.append(Observe(standing.address, RunState.STARTED, snapshot.now_ms))  # seen again

    async def _follow(self, discovery: Discovery) -> Successors:
        """Let the records of failed runs follow the runs that continue them."""
        recorded = {one.address: one for one in self._store.standings((RunState.FAILED,))} | self._after
        failed = [one for one in recorded.values() if one.run_state is RunState.FAILED]
        if not any(map(self._is_chosen, failed)):
            return Successors()
        letters = await discovery.dead_letters(failed)
        successors = await find_successors(discovery, list(map(Failed, failed)), letters, self._store)
        for standing in filter(self._is_chosen, failed):
            news = with_dead_letter(standing, id_key(standing.workflow_run_id), letters)
            if news is not None:
                self._edits.append(news[1])
        chosen = [found for address, found in successors.certain.items() if address in self._after]
        now_ms = self._workspace.clock.now_ms()
        records: dict[Address, Record] = {
            record.address: record for record in self._store.records([found.address for found in chosen])
        }
        for found in chosen:
            record = continued(records[found.address], found, successors.handling, now_ms)
            self._after[found.address] = record.standing
            self._edits.append(PutRecord(record))
        return successors

    def _result(self, successors: Successors) -> Refreshed:
        turns = []
        for address, standing in sorted(self._after.items()):
            before = self._before[address]
            is_new = standing.workflow_run_id != before.workflow_run_id
            if standing.run_state is not None and (standing.run_state is not before.run_state or is_new):
                continues = before.workflow_run_id if is_new else ""
                run_id = standing.workflow_run_id
                turns.append(StateChange(address, run_id, before.run_state, standing.run_state, continues))
        unclear = successors.unclear(lambda address: self._chosen is None or address in self._chosen)
        return Refreshed(len(self._before), turns, Counter(one.run_state for one in self._after.values()), unclear)
