"""The dead-letter queue: one entry per failed run, until it is deleted, resumed or restarted.

Source: Upstash Workflow REST reference, "DLQ". A failed call makes no entry, since its run continues. A failed failure
callback makes none either; it is a state of its run's entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from wfdeploy.localserver.problems import Refused
from wfdeploy.localserver.store.filters import Where, add_dates, add_labels, add_origin, choices, integer, multi
from wfdeploy.localserver.store.records import RunRecord
from wfdeploy.localserver.store.run_store import RunStore

CALLBACK_STATES = ("CALLBACK_INPROGRESS", "CALLBACK_SUCCESS", "CALLBACK_FAIL", "CALLBACK_CANCELED")


@dataclass(frozen=True, slots=True)
class DlqEntry:
    seq: int
    dlq_id: str
    failed_at: int
    callback_state: str | None
    run: RunRecord


@dataclass(frozen=True, slots=True)
class DlqStore:
    store: RunStore

    def add(self, *, tenant: str, dlq_id: str, run_seq: int, failed_at: int, callback_state: str | None) -> None:
        self.store.connection.execute(
            "INSERT INTO dlq (tenant, dlq_id, run_seq, failed_at, callback_state) VALUES (?, ?, ?, ?, ?)",
            (tenant, dlq_id, run_seq, failed_at, callback_state),
        )

    def find(self, tenant: str, dlq_id: str) -> DlqEntry | None:
        where = Where(source=_SOURCE, seq="d.seq")
        where.add("d.tenant = ? AND d.dlq_id = ?", tenant, dlq_id)
        return next(iter(self.select(where, 1)), None)

    def select(self, where: Where, limit: int) -> list[DlqEntry]:
        """The entries that match, newest first."""
        rows = self.store.connection.execute(
            "SELECT r.*, d.seq AS entry_seq, d.dlq_id, d.failed_at, d.callback_state"  # noqa: S608
            f" FROM {where.source} WHERE {where.text()} ORDER BY d.seq DESC LIMIT ?",
            (*where.values, limit),
        ).fetchall()
        return [
            DlqEntry(row["entry_seq"], row["dlq_id"], row["failed_at"], row["callback_state"], RunRecord.of(row))
            for row in rows
        ]

    def remove(self, entries: Sequence[DlqEntry]) -> None:
        self.store.connection.executemany("DELETE FROM dlq WHERE seq = ?", [(entry.seq,) for entry in entries])
        # Events kept for the run, unless a resumed run has taken them over.
        self.store.connection.executemany("DELETE FROM events WHERE run_seq = ?", [(e.run.seq,) for e in entries])

    def set_callback_state(self, run_seq: int, state: str) -> None:
        self.store.connection.execute("UPDATE dlq SET callback_state = ? WHERE run_seq = ?", (state, run_seq))


_SOURCE = "dlq d JOIN runs r ON r.seq = d.run_seq"


def dlq_filter(query: QueryParams, tenant: str) -> Where:
    """The filters of the list and of the bulk operations. Dates are those of the failure, as in the SDK.

    Raises: Refused for an invalid value.
    """
    if unknown := {"host", "path"}.intersection(query):
        raise Refused(f"the dead-letter queue has no filter {min(unknown)}")  # as the JavaScript SDK's types say
    where = Where(source=_SOURCE, seq="d.seq")
    # The plus keeps SQLite from sorting all of the tenant's entries for a page of them.
    where.add("+d.tenant = ?", tenant)
    add_dates(where, query, "d.failed_at")
    where.one_of("r.url", [*query.getlist("workflowUrl"), *query.getlist("url")])
    where.one_of("r.run_id", query.getlist("workflowRunId"))
    if (created_at := integer(query, "workflowCreatedAt")) is not None:
        where.add("r.created_at = ?", created_at)
    if (status := integer(query, "responseStatus", most=999)) is not None:
        where.add("json_extract(r.failure, '$.failStatus') = ?", status)
    where.one_of("d.callback_state", choices(query, "failureFunctionState", CALLBACK_STATES))
    add_origin(where, query)
    add_labels(where, multi(query, "label"))
    if dlq_ids := multi(query, "dlqIds"):
        where = Where(source=_SOURCE, seq="d.seq")  # all other filters are ignored
        where.add("d.tenant = ?", tenant)
        where.one_of("d.dlq_id", dlq_ids)
    return where
