"""Rows by the thousand: one statement for many, whatever they are made of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from wfdeploy.model.state import Attempt, Record
from wfdeploy.state.rows import ATTEMPT_COLUMNS

_plain_values = itemgetter(*map(Attempt._fields.index, ATTEMPT_COLUMNS[:-2]))
_OTHERS = [name for name in (*ATTEMPT_COLUMNS[:-1], "by_id") if name != "address"]
_PUT_ATTEMPT = (
    f"INSERT INTO attempts ({', '.join((*ATTEMPT_COLUMNS[:-1], 'by_id'))}) "  # noqa: S608
    f"VALUES ({','.join('?' * len(ATTEMPT_COLUMNS))}) "
    f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _OTHERS)} "
    f"WHERE {' OR '.join(f'{name} IS NOT excluded.{name}' for name in _OTHERS)}"
)

RecordRow = tuple[str, str, int, str, str]
"""A row of `records`."""

DetailsRow = tuple[
    str, str, int | None, int, int, str, str, str | None, int | None, int, int | None, str | None, bool, str
]
"""A row of `details`."""


class Actors:
    """The ids of `by` texts: thousands of rows share one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {}

    def id_of(self, value: str) -> int:
        """The id of a text, a new one for a new text."""
        known = self._known.get(value)
        if known is None:
            run = self._connection.execute
            run("INSERT INTO actors (value) VALUES (?) ON CONFLICT DO NOTHING", (value,))
            (known,) = run("SELECT id FROM actors WHERE value = ?", (value,)).fetchone()
            self._known[value] = known
        return int(known)


def put_attempts(connection: sqlite3.Connection, attempts: Iterable[Attempt], actors: Actors) -> None:
    """Write or replace the attempts of their addresses; one that is there already changes nothing."""
    connection.executemany(
        _PUT_ATTEMPT,
        [(*_plain_values(attempt), attempt.status.value, actors.id_of(attempt.by)) for attempt in attempts],
    )


def settle_attempts(connection: sqlite3.Connection, runs: Iterable[tuple[str, str]]) -> None:
    """Take away the attempts of these addresses with these workflow run ids."""
    connection.executemany("DELETE FROM attempts WHERE address = ? AND workflow_run_id = ?", runs)


def insert_records(connection: sqlite3.Connection, records: Iterable[RecordRow], details: Iterable[DetailsRow]) -> None:
    """Records at addresses that have none."""
    connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", records)
    connection.executemany("INSERT INTO details VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", details)


def recorded(connection: sqlite3.Connection, addresses: Sequence[str]) -> set[str]:
    """Those of the addresses that have a record."""
    rows: Iterable[Any] = connection.execute(
        "SELECT address FROM records WHERE address IN (SELECT value FROM json_each(?))", (json.dumps(addresses),)
    )
    return {address for (address,) in rows}


record_row = attrgetter("address", "fingerprint", "generation", "workflow_run_id", "delivery")
"""The row of `records` of a record, or of the one that an attempt becomes."""


def details_of_attempt(attempt: Attempt, origin: str, created_at_ms: int | None, now_ms: int, by_id: int) -> DetailsRow:
    """The row of `details` of the record that an attempt becomes."""
    return (
        *(attempt.address, origin, created_at_ms, now_ms, by_id, attempt.source, attempt.request, None, None),
        *(attempt.tries, None, None, False, attempt.triggered_id),
    )


def details_of(record: Record, by_id: int) -> DetailsRow:
    """The row of `details` of a record."""
    return (
        record.address,
        record.origin.value,
        record.created_at_ms,
        record.recorded_at_ms,
        by_id,
        record.source,
        record.request,
        record.run_state.value if record.run_state else None,
        record.observed_at_ms,
        record.tries,
        record.completed_at_ms,
        record.dlq_id,
        record.handled,
        record.triggered_id,
    )
