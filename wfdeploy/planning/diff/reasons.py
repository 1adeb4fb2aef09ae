"""Why a declared run is triggered, or triggered again, and what differs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice

from wfdeploy.model.plan import ABSENT, Action, Change, FieldChange
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.state import Record, RecordKey
from wfdeploy.model.workflow_id import id_key, own_id
from wfdeploy.planning.diff.context import DiffContext

REPEATED = "an earlier command had started it already: recorded, and nothing more is sent (repeat it for another run)"
"""The reason where a run was requested while an attempt of just that was open."""

SENT_AGAIN = "its answer was lost and the server does not know it: sent again"

AT_ONCE = 500
"""So many changes are looked up at once."""


def why_new(run: DesiredRun, generation: int) -> str:
    """The reason for triggering a run without a record."""
    if run.at_s is not None:
        return "due"
    return "new" if generation == 1 else "declared again: it was triggered before, and forgotten"


def sent_id(known: RecordKey, record: Record | None) -> str:
    """The workflow run id that was sent. A resumed run has another one."""
    return known.workflow_run_id if record is None else record.triggered_id or record.workflow_run_id


def id_change(own: str | None, before: str | None) -> tuple[FieldChange, ...]:
    """The change of an author's workflow run id, if it was given, changed or given up."""
    if (None if own is None else id_key(own)) == (None if before is None else id_key(before)):
        return ()
    return (FieldChange("workflowRunId", ABSENT if before is None else before, ABSENT if own is None else own),)


def explained(changes: Iterable[Change], context: DiffContext) -> Iterator[Change]:
    """Yield the same changes, with what the brief ones leave out: what differs, and warnings."""
    remaining = iter(changes)
    while some := list(islice(remaining, AT_ONCE)):
        context.lookups.fetch([change.address for change in some if change.brief])
        for change in some:
            yield explain(change, context.lookups.record(change.address), context) if change.brief else change


def explain(change: Change, record: Record | None, context: DiffContext) -> Change:
    """Fill in the brief change of an edited run. `record`: of what was triggered."""
    run = change.desired
    if record is None or run is None:
        return change._replace(brief=False, reason=change.reason or _reason_of(None, (), ()))
    fields = context.identities.changes(run, record.request)
    id_changed = id_change(run.workflow_run_id, own_id(record.triggered_id or record.workflow_run_id))
    reason = change.reason or _reason_of(record, fields, id_changed)
    return change._replace(
        brief=False,
        reason=cancelled_first(reason) if change.cancels else reason,
        diff=(*fields, *id_changed),
        warnings=() if change.action is Action.KEEP else not_started(record, context.now_ms),
    )


def cancelled_first(reason: str) -> str:
    """The reason for a re-trigger that first cancels the run before."""
    return f"{reason}; the run that it replaces is cancelled first"


def _reason_of(record: Record | None, fields: tuple[FieldChange, ...], id_changed: tuple[FieldChange, ...]) -> str:
    """The reason for a re-trigger, by what differs."""
    if id_changed and not fields:
        return "its workflowRunId changed"
    if fields:
        return "changed"
    if record is None or not record.request:
        return "changed; what was triggered is not known in detail"
    return (
        "the same request, and another identity: its group's `identity` was changed (`wfdeploy adopt` keeps such runs)"
    )


def not_started(record: Record | None, now_ms: int) -> tuple[str, ...]:
    """Warn when the recorded run is delayed and has not begun: it still fires as it was queued."""
    if record is None or not record.request:
        return ()
    request = json.loads(record.request)
    begins = record.created_at_ms or record.recorded_at_ms
    begins = max(begins + 1000 * int(request.get("delay") or 0), 1000 * int(request.get("notBefore") or 0))
    if begins <= now_ms:
        return ()
    return ("the run that was triggered before has not started yet, and will, as it was queued",)
