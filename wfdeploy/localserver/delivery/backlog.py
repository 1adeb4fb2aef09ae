"""What is to be delivered, as the database knows it: the part of it that the engine reads as time goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from wfdeploy.localserver.runs.flow import Lane, LaneName, Limits
from wfdeploy.localserver.store.ledger import Ledger
from wfdeploy.localserver.store.records import Due


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages that were accepted, and neither delivered nor dropped."""

    ledger: Ledger

    def due(self, *, after_ms: int, until_ms: int) -> list[Due]:
        """Messages that are due after the one moment, and at the other or before it."""
        rows = self.ledger.connection.execute(
            "SELECT due_at, seq, tenant, flow_key FROM messages WHERE state = 'pending' AND due_at > ? AND due_at <= ?",
            (after_ms, until_ms),
        )
        return [Due(*row) for row in rows]

    def next_due(self, *, after_ms: int) -> int | None:
        """The first moment after this one for which there is something."""
        row = self.ledger.connection.execute(
            "SELECT MIN(due_at) FROM messages WHERE state = 'pending' AND due_at > ?", (after_ms,)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def holds(self, seq: int) -> bool:
        """Whether there is still something to do for a message."""
        return (
            self.ledger.connection.execute(
                "SELECT 1 FROM messages WHERE seq = ? AND state = 'pending'", (seq,)
            ).fetchone()
            is not None
        )

    def lane(self, name: LaneName) -> Lane:
        """The limits of a flow-control key, and how much of its rate is used up."""
        row = None
        if name.key is not None:
            row = self.ledger.connection.execute(
                "SELECT * FROM flow_keys WHERE tenant = ? AND name = ?", name
            ).fetchone()
        if row is None:
            return Lane(name)
        return Lane(name, _limits(row), begun=row["begun"], period_start=row["period_start"])

    def note_begun(self, lanes: Iterable[Lane]) -> None:
        """Deliveries are about to begin that count for these lanes' rates: a server that is killed begins no more."""
        with self.ledger.transaction():
            self.ledger.connection.executemany(
                "UPDATE flow_keys SET begun = ?, period_start = ? WHERE tenant = ? AND name = ?",
                [(lane.begun, lane.period_start, *lane.name) for lane in lanes],
            )


def _limits(row: sqlite3.Row) -> Limits:
    return Limits(
        parallelism=row["parallelism"],
        rate=row["rate"],
        period_ms=row["period_ms"],
        paused=bool(row["paused"]),
        pinned_parallelism=bool(row["pinned_parallelism"]),
        pinned_rate=bool(row["pinned_rate"]),
    )
