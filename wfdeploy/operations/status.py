"""Show recorded runs: their present states, their steps, their past."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from itertools import islice
from operator import attrgetter

from wfdeploy.errors import RemoteFailure, UsageError
from wfdeploy.manifests.identify.run_ids import Naming
from wfdeploy.model.address import Address
from wfdeploy.model.event import Notice
from wfdeploy.model.observed import ObservedRun, RunLog, RunState
from wfdeploy.model.options import StopFlag
from wfdeploy.model.state import Attempt, Record, Standing
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
    workspace: Workspace,
    globs: Sequence[str],
    labels: Collection[str] = (),
    states: Collection[ShownState] = (),
    *,
    offline: bool = False,
) -> Sequence[StatusRow]:
    """One row per recorded address that a glob matches (all, without any), that carries one of the labels (any, without
    one), and that is shown in one of the states (any, without one), in address order.

    Runs that may still change are read from the server: a few one by one, more with one listing. Of the first failed
    ones, the reasons are read too. Offline, or without a token, the rows show what was last observed.

    Raises: `UsageError` for a glob that matches nothing, `StateError`, `RemoteFailure`.
    """
    current = _Status(workspace, globs, labels, {})
    if offline or not current.needs_server or lacks_token(workspace):
        return _in(states, current.rows())

    async def once() -> Sequence[StatusRow]:
        async with aclosing(workspace.gateway()) as gateway:
            await current.ask(gateway)
            return current.rows()

    return _in(states, asyncio.run(once()))


def holds_back(workspace: Workspace) -> bool:
    """Whether the state says that runs are blocked: the latest apply of everything held some back, or a rollout is
    under way. Raises: `StateUnusable`."""
    if not workspace.has_state:
        return False
    with closing(workspace.open_state(readonly=True)) as store:
        return bool(store.head().held_back or store.rollouts())


def _in(states: Collection[ShownState], rows: Sequence[StatusRow]) -> Sequence[StatusRow]:
    return [row for row in rows if row.shown in states] if states else rows


def lacks_token(workspace: Workspace) -> bool:
    """Whether there is no token to ask the server with, which is noted."""
    if workspace.target.token is not None:
        return False
    workspace.listener(Notice(f"no token ({workspace.target.token_source}): showing what was last observed"))
    return True


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
        reasons: dict[str, str] = {}
        async with aclosing(workspace.gateway()) as gateway:
            while not stop.requested:
                current = _Status(workspace, globs, labels, reasons)
                await current.ask(gateway)
                rows = current.rows()
                show(_in(states, rows))
                if all(_has_ended(row) for row in rows) or not await patience.pause(interval_s):
                    return

    asyncio.run(again_and_again())


class _Status:
    """The selected records and attempts, as they are now.

    `reasons`: why runs failed, by workflow run id; what is in it is not read again.
    """

    def __init__(
        self, workspace: Workspace, globs: Sequence[str], labels: Collection[str], reasons: dict[str, str]
    ) -> None:
        self._workspace = workspace
        self._reasons = reasons
        self._listed = RunIndex()
        self._live: Mapping[Address, ObservedRun | RunLog] = {}
        self._asked_at_ms = 0
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
        return bool(self._moving or self._attempts) or any(self._failed())

    async def ask(self, gateway: RunGateway) -> None:
        """Ask the server for the states of runs that may still change, and why the first failed ones failed."""
        attempted = [attempt.since_ms for attempt in self._attempts]
        if self._moving or attempted:
            self._live, self._listed = await live_runs(self._workspace, gateway, self._moving, attempted)
        self._asked_at_ms = self._workspace.clock.now_ms()
        try:
            await self._ask_for_reasons(gateway)
        except RemoteFailure as error:
            # What is shown beside the reasons is as good without them.
            self._workspace.listener(Notice(f"why runs failed could not be read: {error.message}", error.hint))

    async def _ask_for_reasons(self, gateway: RunGateway) -> None:
        for record in islice(self._failed(), _FEW):
            if record.workflow_run_id not in self._reasons:
                log = self._live.get(record.address)
                if not isinstance(log, RunLog):
                    log = await gateway.read_run(record.workflow_run_id, record.created_at_ms)
                self._reasons[record.workflow_run_id] = "" if log is None else log.reason

    def _failed(self) -> Iterator[Record]:
        for record in self._records:
            run = self._live.get(record.address)
            if (record.run_state if run is None else run.state) is RunState.FAILED:
                yield record

    def rows(self) -> Sequence[StatusRow]:
        """One row per address, with what the server reported."""
        project = self._workspace.project
        name = Naming(project.key, project.environment)
        attempted = {
            attempt.address: attempted_row(
                attempt, self._listed.attempted(attempt, name.of_attempt(attempt)), self._asked_at_ms
            )
            for attempt in self._attempts
        }
        rows = [
            attempted.pop(record.address) if record.address in attempted else self._row(record)
            for record in self._records
        ]
        return sorted([*rows, *attempted.values()], key=attrgetter("address")) if attempted else rows

    def _row(self, record: Record) -> StatusRow:
        reason = self._reasons.get(record.workflow_run_id) or None
        return recorded_row(record, self._live.get(record.address), self._asked_at_ms, reason)


async def live_runs(
    workspace: Workspace,
    gateway: RunGateway,
    moving: Sequence[Record | Standing],
    attempted: Sequence[int | None] = (),
) -> tuple[Mapping[Address, ObservedRun | RunLog], RunIndex]:
    """What the server shows of these recorded runs, and the listing that was made for it, if any.

    A few are read one by one, more with one listing.
    attempted: server times (Unix ms; None: unknown) after which runs may have been started that the listing is to show.
    """
    if len(moving) > _FEW or any(one.created_at_ms is None for one in moving):
        listed = await _list(workspace, gateway, [*(one.created_at_ms for one in moving), *attempted])
        found = ((one.address, listed.recorded(one.workflow_run_id, one.created_at_ms)) for one in moving)
        return {address: run for address, run in found if run is not None}, listed
    live: dict[Address, ObservedRun | RunLog] = {}
    for one in moving:
        log = await gateway.read_run(one.workflow_run_id, one.created_at_ms)
        if log is not None:
            live[one.address] = log
    return live, await _list(workspace, gateway, attempted) if attempted else RunIndex()


async def _list(workspace: Workspace, gateway: RunGateway, starts: Sequence[int | None]) -> RunIndex:
    """List the server's runs since the earliest of these times (None: an unknown one)."""
    listed = await list_all(
        gateway,
        workspace.clock,
        workspace.listener,
        label=workspace.project.label,
        since_ms=earliest(starts),
    )
    return RunIndex(listed.runs)


def _has_ended(row: StatusRow) -> bool:
    """Whether nothing about this run will change any more."""
    if row.status is RowStatus.REJECTED:
        return True
    return row.run_state is not None and row.run_state.is_final


def recorded_row(
    record: Record, run: ObservedRun | RunLog | None, asked_at_ms: int = 0, reason: str | None = None
) -> StatusRow:
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
        seen_at_ms=asked_at_ms if run is not None else record.observed_at_ms,
        is_live=run is not None,
        source=record.source,
        error=reason,
        tries=record.tries,
        handled=record.handled,
    )


def attempted_row(attempt: Attempt, run: ObservedRun | None, asked_at_ms: int = 0) -> StatusRow:
    """The row of an attempt, with what the server shows of its run now."""
    return StatusRow(
        address=attempt.address,
        status=RowStatus(attempt.status.value),
        workflow_run_id=attempt.run_id if run is None else run.workflow_run_id,
        generation=attempt.generation,
        run_state=None if run is None else run.state,
        created_at_ms=None if run is None else run.created_at_ms,
        completed_at_ms=None if run is None else run.completed_at_ms,
        seen_at_ms=None if run is None else asked_at_ms,
        is_live=run is not None,
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
