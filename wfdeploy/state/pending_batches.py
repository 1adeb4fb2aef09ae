"""Pending batches: the intents of a batch, in one row.

Nearly every batch is answered as a whole, so nearly every intent goes as it came, with all the others of its batch: one
row written, one row removed. When there is more to say about one attempt, its whole batch is first expanded into rows
of `attempts`. So a pending batch is never changed, everything in it is an intent as first written, and no address is in
two of them, or in one and in `attempts`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.state.bulk import Bulk, own_request

TABLE = """CREATE TABLE flights (
    id INTEGER PRIMARY KEY,
    by_id INTEGER NOT NULL,
    attempts TEXT NOT NULL
) STRICT"""
"""`attempts` is a JSON array with an array for each: the first eleven fields of `Attempt`, the request without its
shared end, the id of that end, the tries."""

_REQUEST = Attempt._fields.index("request")
_BY = Attempt._fields.index("by")
_REST = (AttemptStatus.INTENT, None, False, False, None, None, "")
"""The fields of a first intent after `by`."""

_rest_of = itemgetter(slice(_BY + 1, None))
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, eq=False)
class PendingBatch:
    """A row of `flights`."""

    id: int

    attempts: Sequence[Attempt]

    end_ids: Sequence[int | None]
    """Of the shared ends of their requests."""


class PendingBatches:
    """The pending batches of a file, within the caller's transaction. A rollback ends its use."""

    def __init__(self, connection: sqlite3.Connection, bulk: Bulk) -> None:
        self._connection = connection
        self._bulk = bulk
        self._by_address: dict[str, PendingBatch] = {}
        for batch in read(connection):
            self._hold(batch)

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Write attempts down, as one row where that is possible."""
        if not attempts:
            return
        before = self._by_address.get(attempts[0].address)
        if before is not None and before.attempts == attempts:
            return
        self.expand([attempt.address for attempt in attempts])
        if not self._fit_one_row(attempts):
            self._bulk.put_attempts(attempts)
            return
        end_ids = self._bulk.ends(attempts)
        pairs = zip(attempts, end_ids, strict=True)
        entries = [(*one[:_REQUEST], own_request(one), end_id, one.tries) for one, end_id in pairs]
        row = self._bulk.actor(attempts[0].by), _encode(entries)
        cursor = self._connection.execute("INSERT INTO flights (by_id, attempts) VALUES (?, ?)", row)
        assert cursor.lastrowid is not None
        self._hold(PendingBatch(cursor.lastrowid, attempts, end_ids))

    def complete(self, attempts: Sequence[Attempt]) -> PendingBatch | None:
        """Remove and return the batch of exactly these attempts, in this order. None where there is none."""
        batch = self._by_address.get(attempts[0].address) if attempts else None
        if batch is None or batch.attempts != attempts:
            return None
        self._remove(batch)
        return batch

    def intents_of(self, address: str) -> Sequence[Attempt]:
        """The intents of the batch that holds this address. Raises: `KeyError`."""
        return self._by_address[address].attempts

    def expand(self, addresses: Iterable[str]) -> None:
        """Give the attempts of these addresses rows of their own, with all the others of their batches."""
        if self._by_address:
            for address in addresses:
                batch = self._by_address.get(address)
                if batch is not None:
                    self._remove(batch)
                    self._bulk.put_attempts(batch.attempts)

    def _fit_one_row(self, attempts: Sequence[Attempt]) -> bool:
        if not all(_rest_of(one) == _REST for one in attempts):
            return False
        addresses = {attempt.address for attempt in attempts}
        if len({attempt.by for attempt in attempts}) > 1 or len(addresses) < len(attempts):
            return False
        run = self._connection.execute
        if run("SELECT 1 FROM attempts LIMIT 1").fetchone() is None:  # as nearly always
            return True
        with_rows = "SELECT 1 FROM attempts WHERE address IN (SELECT value FROM json_each(?)) LIMIT 1"
        return run(with_rows, (json.dumps(list(addresses)),)).fetchone() is None

    def _hold(self, batch: PendingBatch) -> None:
        self._by_address.update((attempt.address, batch) for attempt in batch.attempts)

    def _remove(self, batch: PendingBatch) -> None:
        self._connection.execute("DELETE FROM flights WHERE id = ?", (batch.id,))
        for attempt in batch.attempts:
            del self._by_address[attempt.address]


def read(connection: sqlite3.Connection) -> list[PendingBatch]:
    """All pending batches. Raises: `ValueError`, `TypeError`, `KeyError` where a row isn't one."""
    run = connection.execute
    rows = run("SELECT f.id, a.value, f.attempts FROM flights f JOIN actors a ON a.id = f.by_id").fetchall()
    ends: dict[int | None, str] = {None: ""}
    batches: list[PendingBatch] = []
    for number, by, text in rows:
        entries = json.loads(text)
        end_ids = [end_id for *_, end_id, _ in entries]
        for end_id in end_ids:
            if end_id not in ends:
                (ends[end_id],) = run("SELECT value FROM request_ends WHERE id = ?", (end_id,)).fetchone()
        attempts = [
            Attempt._make((*lead, own + ends[end_id], len(ends[end_id]), tries, by, *_REST))
            for *lead, own, end_id, tries in entries
        ]
        batches.append(PendingBatch(number, attempts, end_ids))
    return batches
