"""The states of recorded runs: what the state holds, and what a listing of the server's runs adds."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from wfdeploy.model.address import Address
from wfdeploy.model.edits import Observe
from wfdeploy.model.observed import NOT_SUCCEEDED, TROUBLED, ObservedRun, RunState
from wfdeploy.model.state import Origin, Record, Standing
from wfdeploy.model.status import RowStatus, ShownState
from wfdeploy.model.workflow_id import RunIndex, id_key
from wfdeploy.planning.baseline import Baseline
from wfdeploy.planning.diff.context import RunStates, Verdict
from wfdeploy.planning.diff.failure_policy import UNFINISHED
from wfdeploy.planning.listing.adoption import Adoption
from wfdeploy.planning.listing.dead_letters import DeadLetters, with_dead_letter
from wfdeploy.ports import RecordReader

_RESOLUTION_MS = 1000
"""Server times are cut to seconds."""

_CLOCKS_MS = 3_600_000
"""How far our clock may be from the server's, where a record has only ours."""

NEAR_THE_END = 0.9
"""From this part of the logs' retention on, a run that isn't shown counts no more as missing: it may just have gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A complete listing, to look up recorded runs in."""

    runs: RunIndex
    since_ms: int | None  # where it began to list (server time, Unix ms; None: at the beginning)
    began_ms: int | None  # the server's time when it was asked; None when the server tells none
    now_ms: int  # our clock
    log_lag_ms: int
    log_retention_ms: int

    def observe(
        self, standings: Iterable[Standing], record_of: Callable[[Standing], Record | None]
    ) -> Iterator[tuple[Standing, Observe | None]]:
        """Yield each run that the snapshot says anything about, as it is now, with an edit where that is news."""
        for standing in standings:
            run = self.runs.recorded(standing.workflow_run_id, standing.created_at_ms)
            if run is None:
                state = self._state_of_absent(standing, record_of)
                if state is not None and state is not standing.run_state:
                    yield self._updated(standing, state, None)
            elif run.state is standing.run_state and (run.dlq_id is None or run.dlq_id == standing.dlq_id):
                yield standing, None
            else:
                yield self._updated(standing, run.state, run)

    def _updated(self, standing: Standing, state: RunState, run: ObservedRun | None) -> tuple[Standing, Observe]:
        completed_ms = None if run is None else run.completed_at_ms
        dlq_id = None if run is None else run.dlq_id
        edit = Observe(standing.address, state, self.now_ms, completed_ms, dlq_id)
        updated = standing._replace(
            run_state=state,
            observed_at_ms=standing.observed_at_ms if standing.run_state is state else self.now_ms,
            completed_at_ms=completed_ms or standing.completed_at_ms,
            dlq_id=dlq_id or standing.dlq_id,
        )
        return updated, edit

    def _state_of_absent(self, standing: Standing, record_of: Callable[[Standing], Record | None]) -> RunState | None:
        """The state of a run that the snapshot doesn't show; None when its absence says nothing."""
        created_ms = standing.created_at_ms
        if created_ms is not None and self.since_ms is not None and created_ms < self.since_ms:
            return None
        began_ms = self.now_ms if self.began_ms is None else self.began_ms
        known_ms = standing.recorded_at_ms if created_ms is None else created_ms
        age_ms = began_ms - known_ms
        if age_ms > self.log_retention_ms:
            return RunState.EXPIRED
        record = record_of(standing)
        if created_ms is None and (record is None or record.origin is Origin.ADOPTED):
            return RunState.EXPIRED  # `wfdeploy adopt` wrote the record: such a run was never seen
        if age_ms > NEAR_THE_END * self.log_retention_ms or self.began_ms is None:
            return None
        if created_ms is None and self.since_ms is not None:
            # Our clock says when it was recorded, and a run that was there already began any time before that.
            return None
        # Before it begins, the logs may not show a delayed run.
        starts_ms = 0 if record is None else start_of(record)
        if began_ms < max(known_ms, starts_ms) + self.log_lag_ms + _RESOLUTION_MS:
            return None
        return RunState.MISSING


def run_states(baseline: Baseline, snapshot: Snapshot | None, dead_letters: DeadLetters | None) -> RunStates:
    """The states of the recorded runs, by the state file and by listings where there are some."""
    renamed = baseline.renames.renamed
    troubled = {renamed(standing.address): standing for standing in baseline.store.standings(TROUBLED)}
    live: dict[Address, RunState] = {}
    edits: list[Observe] = []
    news = () if snapshot is None else observations(baseline.store, baseline.unfinished(), snapshot)
    for standing, edit in news:
        address = renamed(standing.address)
        if standing.run_state is not None:
            live[address] = standing.run_state
        if edit is None:
            continue
        edits.append(edit)
        if standing.run_state in TROUBLED:
            troubled[address] = standing
        else:
            troubled.pop(address, None)
    if dead_letters is not None:
        for address, standing in list(troubled.items()):
            known = with_dead_letter(standing, id_key(standing.workflow_run_id), dead_letters)
            if known is not None:
                troubled[address], edit = known
                edits.append(edit)
    return RunStates(troubled, live, tuple(edits))


def in_states(
    wanted: Collection[ShownState],
    baseline: Baseline,
    states: RunStates,
    adoption: Adoption,
    verdicts: Mapping[Address, Verdict],
) -> Collection[Address]:
    """The addresses that are in one of these states, as far as it is known by now: by the listing where that shows the
    run, else by the state."""
    renamed, store = baseline.renames.renamed, baseline.store
    found: dict[Address, RunState | None] = {}
    some: set[RunState | None] = {*UNFINISHED}
    if ShownState.SUCCEEDED in wanted:  # the state finds only the others by their state
        found = dict.fromkeys((renamed(key.address) for key in store.record_keys()), RunState.SUCCESS)
        some.update(NOT_SUCCEEDED)
    else:
        some.update(state for state in RunState if ShownState.of(state) in wanted)
    found |= {renamed(one.address): one.run_state for one in store.standings(some)}
    found |= states.live
    found |= {address: record.run_state for address, record in adoption.adopted.items()}
    shown = {address: ShownState.of(state) for address, state in found.items()}
    for address, attempt in baseline.attempts.items():
        verdict = verdicts.get(address)
        run = None if verdict is None else verdict.run
        shown[address] = ShownState.of(None if run is None else run.state, RowStatus(attempt.status.value))
    return {address for address, state in shown.items() if state in wanted}


def observations(
    store: RecordReader, unfinished: Iterable[Standing], snapshot: Snapshot
) -> Iterator[tuple[Standing, Observe | None]]:
    """What a snapshot says about these recorded runs; see `Snapshot.observe`."""
    return snapshot.observe(unfinished, lambda standing: next(iter(store.records([standing.address])), None))


def start_of(record: Record) -> int:
    """When a run begins at the latest, by its delay (server time, Unix ms). A resumed run has no delay."""
    request = json.loads(record.request) if record.request and not record.triggered_id else {}
    begins = record.created_at_ms or record.recorded_at_ms
    return max(begins + 1000 * int(request.get("delay") or 0), 1000 * int(request.get("notBefore") or 0))


def since(standings: Collection[Standing], log_lag_ms: int) -> int | None:
    """Where a listing must begin to show all of these runs (server time, Unix ms); None for no runs."""
    return min(
        (
            standing.recorded_at_ms - log_lag_ms - _CLOCKS_MS
            if standing.created_at_ms is None
            else standing.created_at_ms
            for standing in standings
        ),
        default=None,
    )


def unfinished(adoption: Adoption) -> list[Standing]:
    """The adopted runs that aren't known to have ended."""
    standings = [record.standing for record in adoption.adopted.values()]
    return [one for one in standings if one.run_state is None or not one.run_state.is_final]


def with_run_states(adoption: Adoption, snapshot: Snapshot | None) -> Adoption:
    """Update what is adopted with the run states of the listing. A run that was listed before it was declared is
    remembered with the state that it had then."""
    if snapshot is None:
        return adoption
    adopted = dict(adoption.adopted)
    for standing, edit in snapshot.observe(unfinished(adoption), lambda _: None):
        if edit is None:
            continue
        adopted[standing.address] = replace(
            adopted[standing.address],
            run_state=standing.run_state,
            observed_at_ms=standing.observed_at_ms,
            completed_at_ms=standing.completed_at_ms,
            dlq_id=standing.dlq_id,
        )
    return replace(adoption, adopted=adopted)
