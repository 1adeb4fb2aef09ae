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
from operator import itemgetter

from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.state.bulk import Bulk, own_request

TABLE = """CREATE TABLE flights (
    id INTEGER PRIMARY KEY,
    by_id INTEGER NOT NULL,
    attempts TEXT NOT NULL
) STRICT"""
"""`attempts` is a JSON array with an array for each: the first eleven fields of `Attempt`, the request but for the end
that it shares with others, the id of that end, the tries."""

_REQUEST = Attempt._fields.index("request")
_BY = Attempt._fields.index("by")
_REST = (AttemptStatus.INTENT, None, False, False, None, None, "")
"""What a first intent has after `by`."""

_rest_of = itemgetter(slice(_BY + 1, None))
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, eq=False)
class Flight:
    """The row `id` of `flights`. `end_ids`: of what the requests of its attempts end with."""

    id: int
    attempts: Sequence[Attempt]
    end_ids: Sequence[int | None]


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
        before = self._aloft.get(attempts[0].address)
        if before is not None and before.attempts == attempts:
            return
        self.scatter([attempt.address for attempt in attempts])
        if not self._can_fly(attempts):
            self._bulk.put_attempts(attempts)
            return
        end_ids = self._bulk.ends(attempts)
        pairs = zip(attempts, end_ids, strict=True)
        told = [(*one[:_REQUEST], own_request(one), end_id, one.tries) for one, end_id in pairs]
        row = self._bulk.actor(attempts[0].by), _encode(told)
        cursor = self._connection.execute("INSERT INTO flights (by_id, attempts) VALUES (?, ?)", row)
        assert cursor.lastrowid is not None
        self._hold(Flight(cursor.lastrowid, attempts, end_ids))

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

    def _can_fly(self, attempts: Sequence[Attempt]) -> bool:
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

    def _hold(self, flight: Flight) -> None:
        self._aloft.update((attempt.address, flight) for attempt in flight.attempts)

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
        end_ids = [end_id for *_, end_id, _ in told]
        for end_id in end_ids:
            if end_id not in ends:
                (ends[end_id],) = run("SELECT value FROM request_ends WHERE id = ?", (end_id,)).fetchone()
        attempts = [
            Attempt._make((*lead, own + ends[end_id], len(ends[end_id]), tries, by, *_REST))
            for *lead, own, end_id, tries in told
        ]
        flights.append(Flight(number, attempts, end_ids))
    return flights
