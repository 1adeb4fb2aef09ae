"""Status: recorded runs with their live state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from wfdeploy.model.event import Notice
from wfdeploy.model.remote import ObservedRun
from wfdeploy.model.state import Attempt, Record
from wfdeploy.model.status import RowStatus, StatusRow
from wfdeploy.operations.workspace import Workspace
from wfdeploy.pipeline.apply.recovery import list_all
from wfdeploy.pipeline.diff.targets import Targets
from wfdeploy.pipeline.identify.run_ids import id_key


def status(workspace: Workspace, globs: Sequence[str]) -> Sequence[StatusRow]:
    """One row per recorded address that the globs match (all, without any), in address order.

    The server's runs are listed once, from the oldest run that may still change. Without a token the rows show what
    was last observed.

    Raises: `UsageError` for a glob that matches nothing, `StateUnusable`, `RemoteFailure`.
    """
    targets = Targets(globs)
    store = workspace.open_state(readonly=True)
    try:
        records = [record for record in store.records() if targets.match(record.address)]
        attempts = [attempt for attempt in store.attempts() if targets.match(attempt.address)]
    finally:
        store.close()
    targets.check()
    live = _live(workspace, records, attempts)
    rows = {record.address: recorded_row(record, live.get(id_key(record.workflow_run_id))) for record in records}
    for attempt in attempts:
        rows[attempt.address] = attempted_row(attempt, live.get(id_key(attempt.workflow_run_id)))
    return [rows[address] for address in sorted(rows)]


def _live(workspace: Workspace, records: list[Record], attempts: list[Attempt]) -> dict[str, ObservedRun]:
    moving = [record for record in records if record.run_state is None or not record.run_state.is_final]
    if not moving and not attempts:
        return {}
    if workspace.target.token is None:
        workspace.listener(Notice(f"no token ({workspace.target.token_source}): showing what was last observed"))
        return {}
    starts = [record.created_at_ms for record in moving] + [attempt.since_ms for attempt in attempts]
    known = [start for start in starts if start is not None]
    since_ms = min(known) if len(known) == len(starts) else None
    listed = asyncio.run(_list(workspace, since_ms))
    return {id_key(run.workflow_run_id): run for run in listed}


async def _list(workspace: Workspace, since_ms: int | None) -> list[ObservedRun]:
    gateway = workspace.gateway()
    try:
        listed = await list_all(
            gateway, workspace.clock, workspace.listener, label=workspace.project.label, since_ms=since_ms
        )
    finally:
        await gateway.aclose()
    return listed.runs


def recorded_row(record: Record, run: ObservedRun | None) -> StatusRow:
    """A record, with what the server shows of it now."""
    return StatusRow(
        address=record.address,
        status=RowStatus.TRIGGERED,
        workflow_run_id=record.workflow_run_id,
        generation=record.generation,
        run_state=run.state if run is not None else record.run_state,
        created_at_ms=run.created_at_ms if run is not None else record.created_at_ms,
        completed_at_ms=run.completed_at_ms if run is not None else None,
        observed_at_ms=record.observed_at_ms,
        source=record.source,
    )


def attempted_row(attempt: Attempt, run: ObservedRun | None) -> StatusRow:
    """An attempt, with what the server shows of it now."""
    return StatusRow(
        address=attempt.address,
        status=RowStatus(attempt.status.value),
        workflow_run_id=attempt.workflow_run_id,
        generation=attempt.generation,
        run_state=None if run is None else run.state,
        created_at_ms=None if run is None else run.created_at_ms,
        completed_at_ms=None if run is None else run.completed_at_ms,
        source=attempt.source,
        error=attempt.error,
    )
