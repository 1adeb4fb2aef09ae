"""Show recorded runs: their present states, their steps, their past."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import aclosing, closing

from wfdeploy.errors import UsageError
from wfdeploy.manifests.identify.run_ids import Naming
from wfdeploy.model.address import Address
from wfdeploy.model.event import Notice
from wfdeploy.model.observed import ObservedRun, RunLog
from wfdeploy.model.options import StopFlag
from wfdeploy.model.state import Attempt, Record
from wfdeploy.model.status import LoggedRun, PastRun, RowStatus, ShownState, StatusRow
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.planning.targets import Targets, labels_of, require_chosen, require_labels
from wfdeploy.ports import RecordReader, RunGateway
from wfdeploy.sending.listing import earliest, list_all
from wfdeploy.sending.patience import Patience
from wfdeploy.workspace import Workspace

_FEW = 10
"""Up to this many runs are requested by id: a listing shows every run of the project since the oldest of them."""


def status(
    workspace: Workspace, globs: Sequence[str], labels: Collection[str] = (), states: Collection[ShownState] = ()
) -> Sequence[StatusRow]:
    """One row per recorded address that a glob matches (all, without any), that carries one of the labels (any, without
    one), and that is shown in one of the states (any, without one), in address order.

    Runs that may still change are read from the server: a few one by one, more with one listing. Without a token the
    rows show what was last observed.

    Raises: `UsageError` for a glob that matches nothing, `StateError`, `RemoteFailure`.
    """
    current = _Status(workspace, globs, labels)
    if current.needs_server and workspace.target.token is None:
        workspace.listener(Notice(f"no token ({workspace.target.token_source}): showing what was last observed"))
    if not current.needs_server or workspace.target.token is None:
        return _in(states, current.rows())

    async def once() -> Sequence[StatusRow]:
        async with aclosing(workspace.gateway()) as gateway:
            await current.ask(gateway)
            return current.rows()

    return _in(states, asyncio.run(once()))


def _in(states: Collection[ShownState], rows: Sequence[StatusRow]) -> Sequence[StatusRow]:
    return [row for row in rows if row.shown in states] if states else rows


def watch(
    workspace: Workspace,
    globs: Sequence[str],
    labels: Collection[str],
    states: Collection[ShownState] = (),
    *,
    interval_s: float,
    show: Callable[[Sequence[StatusRow]], None],
    stop: StopFlag,
) -> None:
    """Show the rows of `status` again and again, until no run may change any more or the user stops it. The state is
    read each time, so what an apply does meanwhile shows.

    Raises: `UsageError` (also without a token), `StateError`, `RemoteFailure`.
    """

    async def again_and_again() -> None:
        patience = Patience(workspace.clock, stop, workspace.listener, 0.0)
        async with aclosing(workspace.gateway()) as gateway:
            while not stop.requested:
                current = _Status(workspace, globs, labels)
                await current.ask(gateway)
                rows = current.rows()
                show(_in(states, rows))
                if all(_has_ended(row) for row in rows) or not await patience.pause(interval_s):
                    return

    asyncio.run(again_and_again())


class _Status:
    """The selected records and attempts, as they are now."""

    def __init__(self, workspace: Workspace, globs: Sequence[str], labels: Collection[str]) -> None:
        self._workspace = workspace
        self._listed = RunIndex()
        self._live: dict[Address, ObservedRun | RunLog] = {}
        targets = Targets(globs)
        workspace.require_named_state()
        with closing(workspace.open_state(readonly=True)) as store:
            records = selected(store, (), labels) if labels else store.records(within=targets.spans)
            self._records = [record for record in records if targets.match(record.address)]
            chosen = {record.address for record in self._records}
            self._attempts = [
                attempt
                for attempt in store.attempts(targets.spans)
                if targets.match(attempt.address) and (not labels or attempt.address in chosen)
            ]
        targets.check()
        self._moving = [record for record in self._records if record.run_state is None or not record.run_state.is_final]

    @property
    def needs_server(self) -> bool:
        return bool(self._moving or self._attempts)

    async def ask(self, gateway: RunGateway) -> None:
        """Ask the server for the states of runs that may still change."""
        if len(self._moving) <= _FEW and all(record.created_at_ms is not None for record in self._moving):
            for record in self._moving:
                log = await gateway.read_run(record.workflow_run_id, record.created_at_ms)
                if log is not None:
                    self._live[record.address] = log
            if self._attempts:
                await self._list(gateway, [attempt.since_ms for attempt in self._attempts])
        else:
            starts = [record.created_at_ms for record in self._moving]
            await self._list(gateway, [*starts, *(attempt.since_ms for attempt in self._attempts)])
            for record in self._records:
                run = self._listed.recorded(record.workflow_run_id, record.created_at_ms)
                if run is not None:
                    self._live[record.address] = run

    async def _list(self, gateway: RunGateway, starts: Sequence[int | None]) -> None:
        """List the server's runs since the earliest of these times (None: an unknown one)."""
        workspace = self._workspace
        listed = await list_all(
            gateway,
            workspace.clock,
            workspace.listener,
            label=workspace.project.label,
            since_ms=earliest(starts),
        )
        self._listed = RunIndex(listed.runs)

    def rows(self) -> Sequence[StatusRow]:
        """One row per address, with what the server reported."""
        rows = {record.address: recorded_row(record, self._live.get(record.address)) for record in self._records}
        project = self._workspace.project
        name = Naming(project.key, project.environment)
        for attempt in self._attempts:
            rows[attempt.address] = attempted_row(attempt, self._listed.attempted(attempt, name.of_attempt(attempt)))
        return [rows[address] for address in sorted(rows)]


def _has_ended(row: StatusRow) -> bool:
    """Whether nothing about this run will change any more."""
    if row.status is RowStatus.REJECTED:
        return True
    return row.run_state is not None and row.run_state.is_final


def recorded_row(record: Record, run: ObservedRun | RunLog | None) -> StatusRow:
    """The row of a record, with what the server shows of its run now."""
    return StatusRow(
        address=record.address,
        status=RowStatus.TRIGGERED,
        workflow_run_id=record.workflow_run_id,
        generation=record.generation,
        run_state=run.state if run is not None else record.run_state,
        created_at_ms=run.created_at_ms if run is not None else record.created_at_ms,
        completed_at_ms=run.completed_at_ms if run is not None else record.completed_at_ms,
        observed_at_ms=record.observed_at_ms,
        source=record.source,
        tries=record.tries,
        handled=record.handled,
    )


def attempted_row(attempt: Attempt, run: ObservedRun | None) -> StatusRow:
    """The row of an attempt, with what the server shows of its run now."""
    return StatusRow(
        address=attempt.address,
        status=RowStatus(attempt.status.value),
        workflow_run_id=attempt.run_id if run is None else run.workflow_run_id,
        generation=attempt.generation,
        run_state=None if run is None else run.state,
        created_at_ms=None if run is None else run.created_at_ms,
        completed_at_ms=None if run is None else run.completed_at_ms,
        source=attempt.source,
        error=attempt.error,
        tries=attempt.tries,
    )


MOST_LOGS = 100
"""Each costs a request, and the server limits how many there may be."""


def logs(
    workspace: Workspace, globs: Sequence[str], labels: Collection[str], states: Collection[ShownState] = ()
) -> Sequence[LoggedRun]:
    """The steps of the selected runs, by address. One request a run; which are in one of the `states` is found out as
    in `status`.

    Raises: `UsageError` for a glob that matches nothing, or too much; `StateError`; `RemoteFailure`.
    """
    require_chosen(globs, labels, states)
    workspace.require_state()
    shown = {row.address for row in status(workspace, globs, labels, states)} if states else None
    with workspace.existing_state() as store:
        records = [one for one in selected(store, globs, labels) if shown is None or one.address in shown]
    if len(records) > MOST_LOGS:
        raise UsageError(
            f"{len(records)} runs are selected, and the steps of {MOST_LOGS} can be shown at once",
            hint="select fewer runs; `wfdeploy status` shows the states of all",
        )

    async def read() -> list[LoggedRun]:
        async with aclosing(workspace.gateway()) as gateway:
            return [
                LoggedRun(record, await gateway.read_run(record.workflow_run_id, record.created_at_ms))
                for record in records
            ]

    return asyncio.run(read())


def history(workspace: Workspace, globs: Sequence[str], labels: Collection[str]) -> Sequence[PastRun]:
    """All recorded runs of the selected addresses, by address, oldest first. The server is not contacted.

    Raises: `UsageError` for a glob that matches nothing; `StateError`.
    """
    targets = Targets(globs)
    within = None if labels else targets.spans
    with workspace.existing_state() as store:
        past: dict[Address, list[PastRun]] = {}
        for entry in store.history(within):
            past.setdefault(entry.record.address, []).append(
                PastRun(entry.record, entry.ended.value, entry.ended_at_ms)
            )
        for record in store.records(within=within):
            past.setdefault(record.address, []).append(PastRun(record))
    chosen = _chosen((runs[-1].record for _, runs in sorted(past.items())), targets, labels)
    return [run for record in chosen for run in past[record.address]]


def selected(store: RecordReader, globs: Sequence[str], labels: Collection[str]) -> Iterator[Record]:
    """The records that a glob matches (all, without any) and that carry one of the labels (any, without one).

    Raises: `UsageError` at the end for a glob or a label that matched nothing.
    """
    targets = Targets(globs)
    # With labels, all records are read: only then it is known whether any run carries one of them.
    return _chosen(store.records(within=None if labels else targets.spans), targets, labels)


def _chosen(records: Iterator[Record], targets: Targets, labels: Collection[str]) -> Iterator[Record]:
    wanted = set(labels)
    carried: set[str] = set()
    for record in records:
        found = wanted.intersection(labels_of(record)) if wanted else wanted
        carried |= found
        if targets.match(record.address) and (found or not wanted):
            yield record
    targets.check()
    require_labels(wanted, carried)
