"""What comes before an address's own change: its rename, its adoption, what an older attempt of it turned out to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wfdeploy.model.address import Address
from wfdeploy.model.edits import DropAttempt, Edit, PutRecord, Rename
from wfdeploy.model.state import Attempt, Origin, Record, RecordKey
from wfdeploy.planning.diff.context import DiffContext, Verdict

REPEATED = "an earlier command had started it already: recorded, and nothing more is sent (repeat it for another run)"
"""Of a run that was asked for by hand, while an attempt of just that was open."""

SENT_AGAIN = "its answer was lost and the server does not know it: sent again"


def key_of(record: Record) -> RecordKey:
    """The part of a record that is compared."""
    return RecordKey(record.address, record.fingerprint, record.generation, record.workflow_run_id, record.delivery)


def prior_edits(address: Address, context: DiffContext) -> Iterator[Edit]:
    """Edits that come before everything else of an address: its rename, its adoption."""
    origin = context.former.get(address)
    if origin is not None:
        yield Rename(origin, address)
    adopted = context.adopted.get(address)
    if adopted is not None:
        yield PutRecord(adopted)


def record_found(attempt: Attempt, verdict: Verdict, context: DiffContext, edits: list[Edit]) -> Record:
    """Record a found attempt, and give back the address's latest run: what another runner triggered after it (and
    the listing showed too) stays on top."""
    run = verdict.run
    assert run is not None
    settled = replace(
        attempt.record(
            origin=Origin.RECOVERED,
            created_at_ms=run.created_at_ms,
            recorded_at_ms=context.now_ms,
            workflow_run_id=run.workflow_run_id if attempt.is_resume else None,
        ),
        run_state=run.state,
        observed_at_ms=context.now_ms,
        completed_at_ms=run.completed_at_ms,
        dlq_id=run.dlq_id,
    )
    # A resumed run has another id than the attempt, which that edit therefore doesn't settle.
    settling: list[Edit] = [DropAttempt(attempt.address)] if attempt.is_resume else []
    settling.append(PutRecord(settled))
    adopted = context.adopted.get(attempt.address)
    if adopted is not None and (adopted.created_at_ms or 0) > run.created_at_ms:
        at = edits.index(PutRecord(adopted))
        edits[at:at] = settling
        return adopted
    edits.extend(settling)
    return settled
