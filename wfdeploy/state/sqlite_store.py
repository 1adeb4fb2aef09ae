"""The state in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address, Span
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove, Tally
from wfdeploy.model.state import Attempt, Binding, Ended, Head, HistoryEntry, Record, RecordKey, Standing
from wfdeploy.ports import StateStore
from wfdeploy.state import notifications, pending_batches, schedules_and_rollouts
from wfdeploy.state.database import begin, create_file, elsewhere, fold_log, open_file, translated
from wfdeploy.state.rows import (
    ATTEMPT_COLUMNS,
    SELECT_RECORDS,
    SELECT_UNCLAIMED,
    STANDING_COLUMNS,
    attempt_from_row,
    head_from,
    record_from,
    record_from_row,
    standing_from_row,
    unclaimed_from_row,
)
from wfdeploy.state.schema import INDEXED_BY_STATE

_IN_STATE = f"d.run_state = ? AND d.{INDEXED_BY_STATE}"

if TYPE_CHECKING:
    from wfdeploy.model.blocking import RolloutProgress
    from wfdeploy.model.edits import Edit
    from wfdeploy.model.notification import Notification, NotificationKind
    from wfdeploy.state.edits import Editor

_SELECT_KEYS = "SELECT address, fingerprint, generation, workflow_run_id, delivery FROM records"

_SELECT_HISTORY = "SELECT value, ended, ended_at_ms FROM history"

_SELECT_ATTEMPTS = (
    f"SELECT {', '.join(f't.{name}' for name in ATTEMPT_COLUMNS[:-1])}, a.value "  # noqa: S608
    "FROM attempts t JOIN actors a ON a.id = t.by_id"
)


class SqliteStore(StateStore):
    """A `StateStore` on SQLite, made by `create`, `open_existing` or `in_memory`.

    The connection may be used from any thread, by one at a time.
    """

    def __init__(self, connection: sqlite3.Connection, name: str, now_ms: Callable[[], int]) -> None:
        self._connection = connection
        self._name = name
        self._now_ms = now_ms
        self._editor: Editor | None = None  # caches what the file holds; a rollback ends its use
        # An interrupted apply may close the state while its writer's thread is in a commit: closing waits for it.
        self._writing = threading.Lock()

    # --- opening ---------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        path: Path,
        binding: Binding,
        *,
        redaction_key: bytes | None = None,
        now_ms: Callable[[], int] | None = None,
    ) -> SqliteStore:
        """Create a state in a file that doesn't exist yet. Raises: `StateUnusable`."""
        create_file(path, binding, redaction_key)
        return cls.open_existing(path, binding, now_ms=now_ms)

    @classmethod
    def open_existing(
        cls,
        path: Path,
        binding: Binding | None,
        *,
        readonly: bool = False,
        now_ms: Callable[[], int] | None = None,
    ) -> SqliteStore:
        """Open a state; with `binding`, refuse one that belongs elsewhere. Raises: `StateUnusable`."""
        store = cls(open_file(path, readonly=readonly), str(path), now_ms or _wall_clock_ms)
        try:
            head = store.head()
            if binding is not None and head.binding != binding:
                raise StateUnusable(
                    f"the state {path} belongs to {head.binding}, not to {binding}",
                    hint=elsewhere(path, head.binding, binding),
                )
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def in_memory(
        cls, binding: Binding, *, redaction_key: bytes | None = None, now_ms: Callable[[], int] | None = None
    ) -> SqliteStore:
        """Make an empty state that is gone when closed."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        begin(connection, binding, redaction_key)
        return cls(connection, "(no state)", now_ms or _wall_clock_ms)

    # --- reading ---------------------------------------------------------------------------------------------

    def head(self) -> Head:
        with translated(self._name):
            return head_from(dict(self._connection.execute("SELECT key, value FROM head").fetchall()))

    def tallies(self) -> Mapping[str, Tally]:
        with translated(self._name):
            rows = self._connection.execute("SELECT name, count, total FROM tallies").fetchall()
            return {name: Tally(count, int.from_bytes(total)) for name, count, total in rows}

    def record_keys(self, within: Iterable[Span] | None = None) -> Iterator[RecordKey]:
        with translated(self._name):
            yield from map(RecordKey._make, self._within(within, _SELECT_KEYS, "address"))

    def _within(self, spans: Iterable[Span] | None, select: str, column: str, order: str = "") -> Iterator[Any]:
        """The rows of a query with addresses in these spans (None: all), in order."""
        where = "" if spans is None else f"WHERE {column} >= ? AND {column} < ?"
        for span in ((),) if spans is None else spans:
            cursor = self._connection.execute(f"{select} {where} ORDER BY {order or column}", span)
            while rows := cursor.fetchmany(1000):
                yield from rows

    def record_keys_of(self, addresses: Collection[str]) -> Iterator[RecordKey]:
        with translated(self._name):
            for chunk in _chunks(sorted(addresses)):
                query = f"{_SELECT_KEYS} WHERE address IN ({_marks(chunk)}) ORDER BY address"
                yield from map(RecordKey._make, self._connection.execute(query, chunk).fetchall())

    def identities(self, low: str, high: str) -> Sequence[tuple[str, str, str]]:
        query = "SELECT address, fingerprint, delivery FROM records WHERE address >= ? AND address < ?"
        with translated(self._name):
            return self._connection.execute(query, (low, high)).fetchall()

    def keys_with_ids(self, workflow_run_ids: Collection[str]) -> Iterator[RecordKey]:
        # One pass over the table: an index would cost each trigger more than this does.
        with translated(self._name):
            define = self._connection.create_function
            define("is_asked", 1, frozenset(workflow_run_ids).__contains__)
            with closing(self._connection.execute(f"{_SELECT_KEYS} WHERE is_asked(workflow_run_id)")) as rows:
                yield from map(RecordKey._make, rows)
            define("is_asked", 1, None)

    def records(
        self, addresses: Collection[str] | None = None, *, within: Iterable[Span] | None = None
    ) -> Iterator[Record]:
        with translated(self._name):
            if addresses is None:
                yield from map(record_from_row, self._within(within, SELECT_RECORDS, "r.address"))
                return
            for chunk in _chunks(sorted(addresses)):
                yield from map(
                    record_from_row,
                    self._connection.execute(
                        f"{SELECT_RECORDS} WHERE r.address IN ({_marks(chunk)}) ORDER BY r.address", chunk
                    ),
                )

    def standings(self, states: Collection[RunState | None], group: str | None = None) -> Iterator[Standing]:
        with translated(self._name):
            for state in states:
                yield from map(standing_from_row, self._connection.execute(*standings_query(state, group)))

    def schedules(self) -> Mapping[str, int]:
        with translated(self._name):
            return schedules_and_rollouts.schedules(self._connection)

    def rollouts(self) -> Mapping[str, RolloutProgress]:
        with translated(self._name):
            return schedules_and_rollouts.rollouts(self._connection)

    def members(self, group: str) -> Mapping[Address, str]:
        with translated(self._name):
            return schedules_and_rollouts.members(self._connection, group)

    def notifications(self) -> Sequence[Notification]:
        with translated(self._name):
            return notifications.pending(self._connection)

    def notified(self, kind: NotificationKind) -> Collection[str]:
        with translated(self._name):
            return notifications.marks(self._connection, kind)

    def attempts(self, within: Sequence[Span] | None = None) -> Iterator[Attempt]:
        with translated(self._name):
            # In this order: what leaves its batch while this reads is found in `attempts`.
            batches = [batch.attempts for batch in pending_batches.read(self._connection)]
            rows = map(attempt_from_row, self._within(within, _SELECT_ATTEMPTS, "t.address"))
            if not batches:
                yield from rows
                return
            found = {attempt.address: attempt for attempt in chain(*batches, rows)}
            for address in sorted(found):
                if within is None or any(span.low <= address < span.high for span in within):
                    yield found[address]

    def generations(self, addresses: Collection[str]) -> Mapping[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        with translated(self._name):
            for chunk in _chunks(sorted(addresses)):
                marks = _marks(chunk)
                rows = self._connection.execute(
                    f"""SELECT address, fingerprint, generation FROM records WHERE address IN ({marks})
                        UNION ALL
                        SELECT address, fingerprint, generation FROM history WHERE address IN ({marks})
                        UNION ALL
                        SELECT address, fingerprint, generation FROM burned WHERE address IN ({marks})""",  # noqa: S608
                    chunk * 3,
                )
                for address, fingerprint, generation in rows:
                    key = (address, fingerprint)
                    found[key] = max(found.get(key, 0), generation)
        return found

    def groups(self) -> Mapping[str, OnRemove]:
        with translated(self._name):
            rows = self._connection.execute("SELECT name, on_remove FROM groups ORDER BY name").fetchall()
            return {name: OnRemove(value) for name, value in rows}

    def history(self, within: Iterable[Span] | None = None) -> Sequence[HistoryEntry]:
        with translated(self._name):
            rows = self._within(within, _SELECT_HISTORY, "address", "id")
            return [HistoryEntry(record_from(json.loads(value)), Ended(ended), at) for value, ended, at in rows]

    def past_runs(self, workflow_run_ids: Collection[str]) -> Collection[tuple[str, int | None]]:
        if not workflow_run_ids:
            return ()
        with translated(self._name):
            return self._connection.execute(
                "SELECT DISTINCT json_extract(value, '$.workflow_run_id'), json_extract(value, '$.created_at_ms') "
                "FROM history WHERE json_extract(value, '$.workflow_run_id') IN (SELECT value FROM json_each(?))",
                (json.dumps(sorted(workflow_run_ids)),),
            ).fetchall()

    def former_addresses(self) -> Iterator[Address]:
        with translated(self._name):
            rows = self._connection.execute(
                "SELECT address FROM history UNION SELECT address FROM burned "
                "EXCEPT SELECT address FROM records ORDER BY 1"
            ).fetchall()
        yield from (Address(address) for (address,) in rows)

    def unclaimed(self) -> Sequence[ObservedRun]:
        with translated(self._name):
            rows = self._connection.execute(f"{SELECT_UNCLAIMED} ORDER BY 1, 2").fetchall()
            return list(map(unclaimed_from_row, rows))

    def dismissed(self) -> Mapping[str, Address]:
        query = "SELECT workflow_run_id, dismissed_for FROM unclaimed WHERE dismissed_for IS NOT NULL"
        with translated(self._name):
            return {run_id: Address(address) for run_id, address in self._connection.execute(query)}

    def tombstones(self) -> Iterator[tuple[str, str, int]]:
        with translated(self._name):
            yield from self._connection.execute("SELECT address, fingerprint, generation FROM burned ORDER BY 1, 2")

    # --- writing ---------------------------------------------------------------------------------------------

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:  # noqa: ARG002 - the disk alone decides
        from wfdeploy.model.edits import is_about_triggers
        from wfdeploy.state.edits import Editor, renumber

        with self._writing, translated(self._name):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._rolled_back():
                before = self._connection.total_changes
                if self._editor is None:
                    self._editor = Editor(self._connection, self._now_ms)
                self._editor.apply(edits)
                if self._connection.total_changes != before:
                    renumber(self._connection, is_about_triggers=any(map(is_about_triggers, edits)))

    def finish(self) -> int:
        with self._writing, translated(self._name), self._rolled_back():
            (serial,) = self._connection.execute("SELECT value FROM head WHERE key = 'serial'").fetchone()
            self._connection.execute("COMMIT")
        return int(serial)

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        """Roll back a transaction in which something is raised."""
        try:
            yield
        except BaseException:
            self._editor = None
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file, after a commit that is under way."""
        with self._writing:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def restoring(self) -> Iterator[sqlite3.Connection]:
        """For `import` alone: fill the tables of a new state in one transaction, and fold its log into the file."""
        with translated(self._name):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
                fold_log(self._connection)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def standings_query(state: RunState | None, group: str | None) -> tuple[str, tuple[str, ...]]:
    """The query for standings in one state (of one group; None: of all), and its parameters."""
    where, values = ("d.run_state IS NULL", ()) if state is None else (_IN_STATE, (state.value,))
    source, address = "details d CROSS JOIN records r ON r.address = d.address", "d.address"
    if group is not None:
        if state is None:  # the index by state doesn't know groups
            source, address = "records r CROSS JOIN details d ON d.id = r.details_id", "r.address"
        where, values = f"{where} AND {address} >= ? AND {address} < ?", (*values, f"{group}/", f"{group}0")
    return f"SELECT {STANDING_COLUMNS} FROM {source} WHERE {where} ORDER BY {address}", values  # noqa: S608


def _chunks(values: list[str], size: int = 5000) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000
