"""Write rows by the thousand, many in one statement."""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from operator import attrgetter, itemgetter

from wfdeploy.model.state import Attempt, Record
from wfdeploy.state.rows import ATTEMPT_COLUMNS, record_to_json

_plain_values = itemgetter(*map(Attempt._fields.index, ATTEMPT_COLUMNS[:-2]))
_OTHERS = [name for name in (*ATTEMPT_COLUMNS[:-1], "by_id") if name != "address"]
_PUT_ATTEMPT = (
    f"INSERT INTO attempts ({', '.join((*ATTEMPT_COLUMNS[:-1], 'by_id'))}) "  # noqa: S608
    f"VALUES ({','.join('?' * len(ATTEMPT_COLUMNS))}) "
    f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _OTHERS)} "
    f"WHERE {' OR '.join(f'{name} IS NOT excluded.{name}' for name in _OTHERS)}"
)

_WholeRow = tuple[
    str, str, int | None, int, int, str, str, int | None, int, str, str | None, int | None, int | None, str | None, bool
]
"""A row of `details` without its number."""

_KNOWN = 1000
"""Texts whose ids are cached: rows that share a text mostly follow each other."""

_AT_ONCE = 50
"""Rows of one statement. With sixteen columns these are fewer than the 999 values that every SQLite takes."""

_FRESH = "address, origin, created_at_ms, recorded_at_ms, by_id, source, request, end_id, tries, triggered_id"


class _Insert:
    """An INSERT of any number of rows of this `width`. With many rows a statement it takes two thirds of the time."""

    def __init__(self, into: str, width: int, tail: str = "") -> None:
        row = f"({','.join('?' * width)})"
        self._row = f"INSERT INTO {into} VALUES {row} {tail}"  # noqa: S608
        self._rows = f"INSERT INTO {into} VALUES {','.join([row] * _AT_ONCE)} {tail}"  # noqa: S608

    def __call__(self, connection: sqlite3.Connection, rows: Iterable[Sequence[object]]) -> int:
        """Insert the rows. Return how many were inserted."""
        count, more = 0, iter(rows)
        while chunk := list(islice(more, _AT_ONCE)):
            if len(chunk) == _AT_ONCE:
                count += connection.execute(self._rows, list(chain.from_iterable(chunk))).rowcount
            else:
                count += connection.executemany(self._row, chunk).rowcount
        return count


_insert_new_records = _Insert("records", 6, "ON CONFLICT DO NOTHING")
_insert_fresh = _Insert(f"details (id, {_FRESH})", 11)
_insert_whole = _Insert(f"details (id, {_FRESH}, run_state, observed_at_ms, completed_at_ms, dlq_id, handled)", 16)


class Texts:
    """A table of texts that thousands of rows share by their ids."""

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        self._connection = connection
        self._table = table
        self._known: dict[str, int] = {}

    def id_of(self, value: str) -> int:
        """The id of a text. A new text gets a new one."""
        known = self._known.get(value)
        if known is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            run = self._connection.execute
            run(f"INSERT INTO {self._table} (value) VALUES (?) ON CONFLICT DO NOTHING", (value,))  # noqa: S608
            (known,) = run(f"SELECT id FROM {self._table} WHERE value = ?", (value,)).fetchone()  # noqa: S608
            self._known[value] = known
        return int(known)


def put_history(connection: sqlite3.Connection, entries: Iterable[tuple[Record, str, int]]) -> None:
    """Write former records, each with how and when (Unix ms) it ended."""
    connection.executemany(
        "INSERT INTO history (address, fingerprint, generation, ended, ended_at_ms, value) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (one.address, one.fingerprint, one.generation, ended, ended_at_ms, record_to_json(one))
            for one, ended, ended_at_ms in entries
        ),
    )


class Bulk:
    """Writes rows, within the caller's transaction. It caches what the file holds, so a rollback ends its use."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._actors = Texts(connection, "actors")
        self._ends = Texts(connection, "request_ends")
        self._last_id: int | None = None  # of `details`

    def put_attempts(self, attempts: Iterable[Attempt]) -> None:
        """Write attempts, each in place of that of its address. An equal one changes nothing."""
        id_of = self._actors.id_of
        self._connection.executemany(
            _PUT_ATTEMPT,
            [(*_plain_values(attempt), attempt.status.value, id_of(attempt.by)) for attempt in attempts],
        )

    def drop_attempts(self, runs: Iterable[tuple[str, str]]) -> None:
        """Remove the attempts of these addresses with these workflow run ids."""
        self._connection.executemany("DELETE FROM attempts WHERE address = ? AND workflow_run_id = ?", runs)

    def insert(self, records: Sequence[Record]) -> bool:
        """Insert records at addresses that have none. False, with nothing written: an address has a record already, or
        two of them have the same."""
        numbers = self._numbers(len(records))
        if not self._insert_rows(records, numbers):
            return False
        rows = ((number, *self._whole(record)) for number, record in zip(numbers, records, strict=True))
        _insert_whole(self._connection, rows)
        return True

    def insert_from_attempts(
        self,
        attempts: Sequence[Attempt],
        end_ids: Sequence[int | None],
        created_at_ms: Sequence[int | None],
        origin: str,
        recorded_at_ms: int,
    ) -> bool:
        """Insert the records that attempts become; see `insert`. `end_ids`: see `ends`."""
        numbers = self._numbers(len(end_ids))
        if not self._insert_rows(attempts, numbers):
            return False
        actor = self.actor
        details = (
            (number, one.address, origin, at_ms, recorded_at_ms, actor(one.by), one.source, own_request(one), end_id)
            for number, one, at_ms, end_id in zip(numbers, attempts, created_at_ms, end_ids, strict=True)
        )
        rest = ((one.tries, one.triggered_id) for one in attempts)
        _insert_fresh(self._connection, map(operator.add, details, rest))
        return True

    def _insert_rows(self, runs: Sequence[Record | Attempt], numbers: range) -> bool:
        """Insert the rows of `records` alone; none of them if one of the addresses is taken."""
        # Found out by writing: asking for each address beforehand would take a fifth of all the time.
        rows = [(*record_row(run), number) for run, number in zip(runs, numbers, strict=True)]
        if _insert_new_records(self._connection, rows) == len(rows):
            return True
        ours = [(run.address, number) for run, number in zip(runs, numbers, strict=True)]
        self._connection.executemany("DELETE FROM records WHERE address = ? AND details_id = ?", ours)
        return False

    def ends(self, attempts: Iterable[Attempt]) -> list[int | None]:
        """The ids of the shared ends of the attempts' requests. None: it shares none."""
        id_of = self._ends.id_of
        return [id_of(attempt.request[-attempt.shared :]) if attempt.shared else None for attempt in attempts]

    def actor(self, by: str) -> int:
        """The id of an author of runs."""
        return self._actors.id_of(by)

    def _numbers(self, count: int) -> range:
        """New ids for rows of `details`, higher than all before, so that rows are appended whatever their addresses."""
        last = self._last_id
        if last is None:
            (last,) = self._connection.execute("SELECT coalesce(max(id), 0) FROM details").fetchone()
        self._last_id = last + count
        return range(last + 1, last + count + 1)

    def _whole(self, record: Record) -> _WholeRow:
        return (
            record.address,
            record.origin.value,
            record.created_at_ms,
            record.recorded_at_ms,
            self._actors.id_of(record.by),
            record.source,
            record.request,
            None,
            record.tries,
            record.triggered_id,
            record.run_state.value if record.run_state else None,
            record.observed_at_ms,
            record.completed_at_ms,
            record.dlq_id,
            record.handled,
        )


record_row = attrgetter("address", "fingerprint", "generation", "workflow_run_id", "delivery")
"""The row of `records` of a record, or of the record that an attempt becomes."""


def own_request(attempt: Attempt) -> str:
    """The request of an attempt, without its shared end."""
    return attempt.request[: -attempt.shared] if attempt.shared else attempt.request
