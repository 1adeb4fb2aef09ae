"""The flow-control keys: what holds for each, in the database and in the engine's lanes.

Source: Upstash Workflow REST reference, "Flow Control". A message's values take the place of what held for its key
before, all of them (inferred), except what is pinned.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace
from typing import Any

from wfdeploy.localserver import flow
from wfdeploy.localserver.engine import Engine
from wfdeploy.localserver.flow import Lane, LaneName, Limits
from wfdeploy.localserver.ledger import Ledger
from wfdeploy.localserver.settings import Settings


@dataclass(slots=True)
class FlowKeys:
    ledger: Ledger
    engine: Engine
    _changed: dict[LaneName, Limits] = field(default_factory=dict)

    def load(self) -> None:
        """Take over what an earlier server kept."""
        for row in self.ledger.connection.execute("SELECT * FROM flow_keys"):
            self.engine.lanes.lane(LaneName(row["tenant"], row["name"])).limits = _limits(row)

    def note(self, tenant: str, settings: Settings) -> None:
        """A message was accepted. Inside its transaction; `commit` once that is done, or `rollback`."""
        pairs = ((settings.flow_key, settings.flow_value), (settings.failure_flow_key, settings.failure_flow_value))
        for key, value in pairs:
            if key is not None and value is not None:
                name = LaneName(tenant, key)
                held = self._changed.get(name) or self.engine.lanes.lane(name).limits
                self._write(name, _updated(held, flow.parse(value)))

    def _write(self, name: LaneName, limits: Limits) -> None:
        if limits == self._changed.get(name) or (self.knows(name) and limits == self.engine.lanes.lane(name).limits):
            return
        self._changed[name] = limits
        self.ledger.connection.execute(
            "INSERT OR REPLACE INTO flow_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *name,
                limits.parallelism,
                limits.rate,
                limits.period_ms,
                limits.paused,
                limits.pinned_parallelism,
                limits.pinned_rate,
            ),
        )

    def commit(self) -> None:
        """What was written holds from now on."""
        for name, limits in self._changed.items():
            lane = self.engine.lanes.lane(name)
            lane.limits = limits
            self.engine.look_again(lane)
        self._changed.clear()

    def rollback(self) -> None:
        self._changed.clear()

    def change(self, name: LaneName, **changed: Any) -> Lane:
        """Change what holds for a key, which need not be known yet."""
        lane = self.engine.lanes.lane(name)
        try:
            with self.ledger.transaction():
                self._write(name, replace(lane.limits, **changed))
            self.commit()
        finally:
            self.rollback()
        return lane

    def knows(self, name: LaneName) -> bool:
        row = self.ledger.connection.execute("SELECT 1 FROM flow_keys WHERE tenant = ? AND name = ?", name).fetchone()
        return row is not None

    def names(self, tenant: str) -> list[LaneName]:
        rows = self.ledger.connection.execute("SELECT name FROM flow_keys WHERE tenant = ? ORDER BY name", (tenant,))
        return [LaneName(tenant, row[0]) for row in rows]

    def waiting(self, name: LaneName, now_ms: int) -> int:
        """How many messages are due and held up."""
        due: int = self.ledger.connection.execute(
            "SELECT COUNT(*) FROM messages WHERE state = 'pending' AND tenant = ? AND flow_key = ? AND due_at <= ?",
            (*name, now_ms),
        ).fetchone()[0]
        return max(0, due - self.engine.lanes.lane(name).open)


def _updated(held: Limits, said: Limits) -> Limits:
    limits = replace(held)
    if not held.pinned_parallelism:
        limits.parallelism = said.parallelism
    if not held.pinned_rate:
        limits.rate, limits.period_ms = said.rate, said.period_ms
    return limits


def _limits(row: sqlite3.Row) -> Limits:
    return Limits(
        parallelism=row["parallelism"],
        rate=row["rate"],
        period_ms=row["period_ms"],
        paused=bool(row["paused"]),
        pinned_parallelism=bool(row["pinned_parallelism"]),
        pinned_rate=bool(row["pinned_rate"]),
    )
