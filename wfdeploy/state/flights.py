"""Flights: the intents of a batch, in one row.

Nearly every batch is answered as a whole, so nearly every intent goes as it came, with all the others of its batch: one
row written, one row taken away. An attempt about which there is more to say gets a row of `attempts`, and with it all
of its flight, before anything else is done about it. So a flight is never changed, what is in it is an intent as it was
first written, and no address is in two flights, or in one and in `attempts`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import TYPE_CHECKING

from wfdeploy.model.state import Attempt, AttemptStatus

if TYPE_CHECKING:
    from wfdeploy.state.bulk import Bulk, Parts

TABLE = """CREATE TABLE flights (
    id INTEGER PRIMARY KEY,
    by_id INTEGER NOT NULL,
    attempts TEXT NOT NULL
) STRICT"""
"""`attempts` is a JSON array with an array for each: the first eleven fields of `Attempt`, the request but for the end
that it shares with others, the id of that end, the tries."""

_LEAD = Attempt._fields.index("request")
_BY = Attempt._fields.index("by")
_REST = (AttemptStatus.INTENT, None, False, False, None, None, "")
"""What a first intent has after `by`."""

_addresses_of = itemgetter(0)
_rest_of = itemgetter(slice(_BY + 1, None))
_by_of = itemgetter(_BY)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """The row `id` of `flights`. `requests`: of its attempts, as they are stored."""

    id: int
    attempts: Sequence[Attempt]
    requests: Sequence[Parts]


class Flights:
    """The flights of a file, within the caller's transaction. What it knows of the file is wrong after a rollback."""

    def __init__(self, connection: sqlite3.Connection, bulk: Bulk) -> None:
        self._connection = connection
        self._bulk = bulk
        self._aloft: dict[str, Flight] = {}
        for flight in read(connection):
            self._hold(flight)

    def take_off(self, attempts: Sequence[Attempt]) -> None:
        """Write attempts down, as a flight if they can be one."""
        if not attempts:
            return
        addresses = list(map(_addresses_of, attempts))
        before = self._aloft.get(addresses[0])
        if before is not None and before.attempts == attempts:
            return
        self.scatter(addresses)
        if not self._can_fly(attempts, addresses):
            self._bulk.put_attempts(attempts)
            return
        by_id = self._bulk.actor(attempts[0].by)
        requests = self._bulk.parts_of(attempts)
        told = _encode([(*one[:_LEAD], *request, one.tries) for one, request in zip(attempts, requests, strict=True)])
        cursor = self._connection.execute("INSERT INTO flights (by_id, attempts) VALUES (?, ?)", (by_id, told))
        assert cursor.lastrowid is not None
        self._hold(Flight(cursor.lastrowid, attempts, requests))

    def land(self, attempts: Sequence[Attempt]) -> Flight | None:
        """Where these were a flight, as a whole and in this order, it is gone, and given back."""
        flight = self._aloft.get(attempts[0].address) if attempts else None
        if flight is None or flight.attempts != attempts:
            return None
        self._take_away(flight)
        return flight

    def scatter(self, addresses: Iterable[str]) -> None:
        """See to it that what attempts there are of these addresses have rows of their own."""
        if self._aloft:
            for address in addresses:
                flight = self._aloft.get(address)
                if flight is not None:
                    self._take_away(flight)
                    self._bulk.put_attempts(flight.attempts)

    def _can_fly(self, attempts: Sequence[Attempt], addresses: list[str]) -> bool:
        by = attempts[0].by
        if not all(_rest_of(one) == _REST and _by_of(one) == by for one in attempts):
            return False
        if len(set(addresses)) < len(addresses):
            return False
        run = self._connection.execute
        if run("SELECT 1 FROM attempts LIMIT 1").fetchone() is None:  # as nearly always
            return True
        with_rows = "SELECT 1 FROM attempts WHERE address IN (SELECT value FROM json_each(?)) LIMIT 1"
        return run(with_rows, (json.dumps(addresses),)).fetchone() is None

    def _hold(self, flight: Flight) -> None:
        self._aloft.update(zip(map(_addresses_of, flight.attempts), repeat(flight)))

    def _take_away(self, flight: Flight) -> None:
        self._connection.execute("DELETE FROM flights WHERE id = ?", (flight.id,))
        for attempt in flight.attempts:
            del self._aloft[attempt.address]


def read(connection: sqlite3.Connection) -> list[Flight]:
    """All flights. Raises: `ValueError`, `TypeError`, `KeyError` where a row isn't one."""
    run = connection.execute
    rows = run("SELECT f.id, a.value, f.attempts FROM flights f JOIN actors a ON a.id = f.by_id").fetchall()
    ends: dict[int | None, str] = {None: ""}
    flights: list[Flight] = []
    for number, by, text in rows:
        told = json.loads(text)
        requests = [(own, end_id) for *_, own, end_id, _ in told]
        for _, end_id in requests:
            if end_id not in ends:
                (ends[end_id],) = run("SELECT value FROM request_ends WHERE id = ?", (end_id,)).fetchone()
        attempts = [
            Attempt._make((*lead, own + ends[end_id], len(ends[end_id]), tries, by, *_REST))
            for *lead, own, end_id, tries in told
        ]
        flights.append(Flight(number, attempts, requests))
    return flights
