"""Apply edits to the tables."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice
from typing import assert_never

from wfdeploy.model.address import group_of
from wfdeploy.model.edits import (
    Claim,
    Decide,
    Dismiss,
    DropAttempt,
    DropMarks,
    Edit,
    EndRollout,
    Expire,
    Forget,
    Intend,
    Observe,
    PutAttempt,
    PutGroups,
    PutProgress,
    PutRecord,
    PutTombstone,
    RaiseNotification,
    RecordDelivery,
    RecordOutcomes,
    ReleaseRuns,
    Remember,
    Rename,
    RenameGroup,
    Rewrite,
    SetHead,
)
from wfdeploy.model.observed import RunState
from wfdeploy.model.run import Tally, term
from wfdeploy.model.state import Attempt, Ended, Record
from wfdeploy.state import notifications, schedules_and_rollouts
from wfdeploy.state.bulk import Bulk, put_history
from wfdeploy.state.pending_batches import PendingBatches
from wfdeploy.state.rows import SELECT_RECORDS, record_from_row

_AT_ONCE = 1000
"""Records written together, at most."""


def renumber(connection: sqlite3.Connection, *, is_about_triggers: bool, nonce: str | None = None) -> None:
    """Give the state its next serial and another nonce (None: a random one), after a change."""
    connection.execute("UPDATE head SET value = value + 1 WHERE key = 'serial'")
    for key in ("nonce", "runs_nonce") if is_about_triggers else ("nonce",):
        connection.execute(
            "INSERT INTO head VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (key, nonce or secrets.token_hex(16)),
        )


class Editor:
    """Applies edits on a connection, within the caller's transaction. It caches some of what the file holds, so a
    rollback ends its use."""

    def __init__(self, connection: sqlite3.Connection, now_ms: Callable[[], int]) -> None:
        """`now_ms`: dates what becomes history."""
        self._connection = connection
        self._clock = now_ms
        self._now_ms = 0
        self._bulk = Bulk(connection)
        self._pending = PendingBatches(connection, self._bulk)
        # By group: how many records were added, and the sum of their terms.
        self._shifts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._shifted = [0, 0]  # in all groups, since it was last taken
        self._settled: set[int] = set()

    def apply(self, edits: Iterable[Edit]) -> None:
        """Apply all edits, in order."""
        self._now_ms = self._clock()
        for kind, same in groupby(edits, type):
            if kind is PutRecord:
                records = (edit.record for edit in same if isinstance(edit, PutRecord))
                while some := list(islice(records, _AT_ONCE)):
                    self._put_records(some)
            elif kind is Observe:
                self._observe(edit for edit in same if isinstance(edit, Observe))
            else:
                for edit in same:
                    self._apply(edit)
        self._write_tallies()

    def take_shift(self) -> tuple[int, int]:
        """How many records were added since this was last called, and the sum of their terms (`model.run.term`)."""
        count, total = self._shifted
        self._shifted = [0, 0]
        return count, total

    def take_settled(self) -> set[int]:
        """The `id` of each `RecordOutcomes` since this was last called that was about exactly one pending batch."""
        settled, self._settled = self._settled, set()
        return settled

    def intents_of(self, address: str) -> Sequence[Attempt]:
        """The intents of the pending batch that holds this address. Raises: `KeyError`."""
        return self._pending.intents_of(address)

    def _apply(self, edit: Edit) -> None:
        run = self._connection.execute
        match edit:
            case Intend(attempts):
                self._pending.add(attempts)
            case PutAttempt(attempt):
                self._pending.expand((attempt.address,))
                self._bulk.put_attempts((attempt,))
            case DropAttempt(address, tombstone):
                self._drop_attempt(address, tombstone=tombstone)
            case PutRecord(record):
                self._put_records([record])
            case RecordOutcomes():
                self._record_outcomes(edit)
            case PutTombstone(address, fingerprint, generation):
                self._bury(address, fingerprint, generation)
            case Forget(address):
                self._drop_attempt(address, tombstone=True)
                self._retire([(former, Ended.FORGOTTEN) for former in self._records([address]).values()])
            case Expire(address):
                self._retire([(former, None) for former in self._records([address]).values()])
            case Rename(origin, to):
                self._rename(origin, to)
            case RenameGroup(origin, to):
                schedules_and_rollouts.rename(self._connection, origin, to)
            case Observe():
                self._observe([edit])
            case Rewrite(address, fingerprint, delivery):
                self._shift_rewritten(address, fingerprint, delivery)
                run(
                    "UPDATE records SET fingerprint = ?, delivery = ? "
                    "WHERE address = ? AND (fingerprint IS NOT ? OR delivery IS NOT ?)",
                    (fingerprint, delivery, address, fingerprint, delivery),
                )
            case PutGroups(on_remove):
                self._connection.executemany(
                    "INSERT INTO groups VALUES (?, ?) ON CONFLICT DO UPDATE SET on_remove = excluded.on_remove "
                    "WHERE on_remove IS NOT excluded.on_remove",
                    [(name, policy.value) for name, policy in on_remove.items()],
                )
            case Remember(seen):
                labels = ",".join(seen.labels) or None
                run(
                    "INSERT INTO unclaimed (workflow_run_id, created_at_ms, run_state, label) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO NOTHING",
                    (seen.workflow_run_id, seen.created_at_ms, seen.state.value, labels),
                )
            case Claim(run_id, created_at_ms):
                run("DELETE FROM unclaimed WHERE workflow_run_id = ? AND created_at_ms = ?", (run_id, created_at_ms))
            case Dismiss(run_id, address):
                run("UPDATE unclaimed SET dismissed_for = ? WHERE workflow_run_id = ?", (address, run_id))
            case SetHead(watermark_ms, foreign_ms, held_back):
                values = {"watermark_ms": watermark_ms, "foreign_ms": foreign_ms, "held_back": held_back}
                self._connection.executemany(
                    "INSERT INTO head VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value "
                    "WHERE value IS NOT excluded.value",
                    [(key, value) for key, value in values.items() if value is not None],
                )
            case Decide() | PutProgress() | ReleaseRuns() | EndRollout():
                schedules_and_rollouts.edit(self._connection, edit)
            case RaiseNotification() | RecordDelivery() | DropMarks():
                notifications.edit(self._connection, edit)
            case _:
                assert_never(edit)

    def _rename(self, origin: str, to: str) -> None:
        run = self._connection.execute
        self._pending.expand((origin, to))
        # The former name keeps its generations as tombstones: ids are made of names, and a run that gets this
        # name later must not get an id that was used.
        run(
            "INSERT INTO burned SELECT ?2, fingerprint, generation FROM burned WHERE address = ?1 "
            "ON CONFLICT DO UPDATE SET generation = max(generation, excluded.generation)",
            (origin, to),
        )
        run(
            "INSERT INTO burned SELECT ?1, fingerprint, max(generation) FROM ("
            "SELECT address, fingerprint, generation FROM records UNION ALL "
            "SELECT address, fingerprint, generation FROM history UNION ALL "
            "SELECT address, fingerprint, generation FROM attempts) WHERE address = ?1 GROUP BY fingerprint "
            "ON CONFLICT DO UPDATE SET generation = max(generation, excluded.generation)",
            (origin,),
        )
        self._shift_renamed(origin, to)
        run(
            "UPDATE details SET address = ? WHERE id = (SELECT details_id FROM records WHERE address = ?)",
            (to, origin),
        )
        for table in ("records", "attempts", "rollout_members"):
            run(f"UPDATE {table} SET address = ? WHERE address = ?", (to, origin))  # noqa: S608
        run(
            "UPDATE history SET address = ?1, value = json_set(value, '$.address', ?1) WHERE address = ?2",
            (to, origin),
        )

    def _put_records(self, records: Sequence[Record]) -> None:
        if not self._bulk.insert(records):
            if len({record.address for record in records}) < len(records):
                for record in records:
                    self._put_records([record])
                return
            formers = self._records([record.address for record in records])
            self._drop_attempts_of(records)
            records = [record for record in records if formers.get(record.address) != record]
            replaced = [(record, formers[record.address]) for record in records if record.address in formers]
            self._retire([(former, _ended_by(record, former)) for record, former in replaced])
            self._bulk.insert(records)
        else:
            self._drop_attempts_of(records)
        for record in records:
            self._shift(1, record.address, record.fingerprint, record.delivery)

    def _observe(self, edits: Iterable[Observe]) -> None:
        self._connection.executemany(
            "UPDATE details SET observed_at_ms = CASE WHEN :state IS NULL OR run_state IS :state AND NOT :runs "
            "THEN observed_at_ms ELSE :now END, run_state = coalesce(:state, run_state), "
            "completed_at_ms = coalesce(:completed, completed_at_ms), dlq_id = coalesce(:dlq_id, dlq_id), "
            "handled = coalesce(:handled, handled) "
            "WHERE id = (SELECT details_id FROM records WHERE address = :address) "
            "AND (run_state IS NOT coalesce(:state, run_state) OR :runs AND observed_at_ms IS NOT :now "
            "OR handled IS NOT coalesce(:handled, handled) "
            "OR dlq_id IS NOT coalesce(:dlq_id, dlq_id))",
            (
                {
                    "address": edit.address,
                    "state": None if edit.run_state is None else edit.run_state.value,
                    "runs": edit.run_state is RunState.STARTED,
                    "now": edit.observed_at_ms,
                    "completed": edit.completed_at_ms,
                    "dlq_id": edit.dlq_id,
                    "handled": edit.handled,
                }
                for edit in edits
            ),
        )

    def _record_outcomes(self, edit: RecordOutcomes) -> None:
        attempts = edit.attempts
        if not attempts:
            return
        batch = self._pending.complete(attempts)
        if batch is not None:
            self._settled.add(id(edit))
        end_ids = self._bulk.ends(attempts) if batch is None else batch.end_ids
        origin, now_ms = edit.origin, edit.recorded_at_ms
        if self._bulk.insert_from_attempts(attempts, end_ids, edit.created_at_ms, origin.value, now_ms):
            if batch is None:
                self._pending.expand([attempt.address for attempt in attempts])
                self._bulk.drop_attempts([(attempt.address, attempt.workflow_run_id) for attempt in attempts])
            for attempt in attempts:
                self._shift(1, attempt.address, attempt.fingerprint, attempt.delivery)
            return
        self._put_records(
            [
                attempt.record(origin=origin, created_at_ms=created_at_ms, recorded_at_ms=now_ms)
                for attempt, created_at_ms in zip(attempts, edit.created_at_ms, strict=True)
            ]
        )

    def _drop_attempts_of(self, records: Sequence[Record]) -> None:
        self._pending.expand([record.address for record in records])
        self._bulk.drop_attempts([(record.address, record.workflow_run_id) for record in records])

    def _drop_attempt(self, address: str, *, tombstone: bool) -> None:
        self._pending.expand((address,))
        row = self._connection.execute(
            "DELETE FROM attempts WHERE address = ? RETURNING fingerprint, generation, status",
            (address,),
        ).fetchone()
        if tombstone and row is not None and row[2] != "rejected":
            self._bury(address, row[0], row[1])

    def _bury(self, address: str, fingerprint: str, generation: int) -> None:
        self._connection.execute(
            "INSERT INTO burned VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
            "SET generation = max(generation, excluded.generation) WHERE generation < excluded.generation",
            (address, fingerprint, generation),
        )

    def _records(self, addresses: Sequence[str]) -> dict[str, Record]:
        """The records of these addresses."""
        asked = "WHERE r.address IN (SELECT value FROM json_each(?))"
        rows = self._connection.execute(f"{SELECT_RECORDS} {asked}", (json.dumps(addresses),))
        return {record.address: record for record in map(record_from_row, rows)}

    def _retire(self, formers: Sequence[tuple[Record, Ended | None]]) -> None:
        """Remove the rows of records. A record becomes history when there is a reason for its end."""
        put_history(self._connection, ((one, ended.value, self._now_ms) for one, ended in formers if ended is not None))
        run = self._connection.executemany
        addresses = [(former.address,) for former, _ in formers]
        run("DELETE FROM details WHERE id = (SELECT details_id FROM records WHERE address = ?)", addresses)
        run("DELETE FROM records WHERE address = ?", addresses)
        for former, _ in formers:
            self._shift(-1, former.address, former.fingerprint, former.delivery)

    # --- tallies: every change of `records` comes by here ----------------------------------------------------

    def _shift(self, sign: int, address: str, fingerprint: str, delivery: str) -> None:
        self._shift_group(group_of(address), sign, sign * term(address, fingerprint, delivery))

    def _shift_group(self, group: str, count: int, total: int) -> None:
        shift = self._shifts[group]
        shift[0] += count
        shift[1] += total

    def _shift_renamed(self, origin: str, to: str) -> None:
        for fingerprint, delivery in self._identities(origin):
            self._shift(-1, origin, fingerprint, delivery)
            self._shift(1, to, fingerprint, delivery)

    def _shift_rewritten(self, address: str, fingerprint: str, delivery: str) -> None:
        for old_fingerprint, old_delivery in self._identities(address):
            self._shift(-1, address, old_fingerprint, old_delivery)
            self._shift(1, address, fingerprint, delivery)

    def _identities(self, address: str) -> list[tuple[str, str]]:
        return self._connection.execute(
            "SELECT fingerprint, delivery FROM records WHERE address = ?", (address,)
        ).fetchall()

    def _write_tallies(self) -> None:
        run = self._connection.execute
        for name, (count, total) in self._shifts.items():
            self._shifted[0] += count
            self._shifted[1] += total
            if not count and not total:
                continue  # a rewrite that changed nothing
            row = run("SELECT count, total FROM tallies WHERE name = ?", (name,)).fetchone()
            before = Tally() if row is None else Tally(row[0], int.from_bytes(row[1]))
            after = before.plus(count, total)
            if after.count:
                run(
                    "INSERT INTO tallies VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET count = excluded.count, total = excluded.total",
                    (name, after.count, after.to_bytes()),
                )
            else:
                run("DELETE FROM tallies WHERE name = ?", (name,))
        self._shifts.clear()


def _ended_by(record: Record, former: Record) -> Ended | None:
    """Why a record becomes history when another takes its place; None: both are of the same run."""
    if (former.fingerprint, former.generation) != (record.fingerprint, record.generation):
        return Ended.SUPERSEDED
    return Ended.RESUMED if record.tries > former.tries else None
