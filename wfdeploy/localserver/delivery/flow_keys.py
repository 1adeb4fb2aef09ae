"""The limits of flow-control keys, in the database and in the engine's busy queues.

Source: Upstash Workflow REST reference, "Flow Control". A message's values replace all limits of its key (inferred),
except pinned ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from wfdeploy.localserver.delivery.engine import DeliveryEngine
from wfdeploy.localserver.runs import flow
from wfdeploy.localserver.runs.flow import FlowKey, FlowLimits
from wfdeploy.localserver.store.records import DeliverySettings
from wfdeploy.localserver.store.run_store import RunStore

_COLUMNS = ("parallelism", "rate", "period_ms", "paused", "pinned_parallelism", "pinned_rate")
_WRITE = (
    f"INSERT INTO flow_keys (tenant, name, {', '.join(_COLUMNS)}) VALUES (?, ?{', ?' * len(_COLUMNS)})"  # noqa: S608
    f" ON CONFLICT (tenant, name) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)


@dataclass(slots=True)
class FlowKeys:
    store: RunStore
    engine: DeliveryEngine
    _changed: dict[FlowKey, FlowLimits] = field(default_factory=dict)

    def note(self, tenant: str, settings: DeliverySettings) -> None:
        """Save the limits that an accepted message brings, inside its transaction; then `commit` or `rollback`."""
        pairs = ((settings.flow_key, settings.flow_value), (settings.failure_flow_key, settings.failure_flow_value))
        for key, value in pairs:
            if key is not None and value is not None:
                name = FlowKey(tenant, key)
                held = self._changed.get(name) or self.engine.queues.queue(name).limits
                self._write(name, _updated(held, flow.parse(value)))

    def _write(self, name: FlowKey, limits: FlowLimits) -> None:
        if limits == self._changed.get(name) or (self.knows(name) and limits == self.engine.queues.queue(name).limits):
            return
        self._changed[name] = limits
        self.store.connection.execute(
            _WRITE,
            (*name, *(getattr(limits, column) for column in _COLUMNS)),
        )

    def commit(self) -> None:
        """Apply the written limits to the engine's queues."""
        for name, limits in self._changed.items():
            if (queue := self.engine.queues.busy(name)) is not None:
                queue.limits = limits
                self.engine.recheck(queue)
        self._changed.clear()

    def rollback(self) -> None:
        self._changed.clear()

    def change(self, name: FlowKey, **changed: Any) -> None:
        """Change the limits of a key, known or new."""
        try:
            with self.store.transaction():
                self._write(name, replace(self.engine.queues.queue(name).limits, **changed))
            self.commit()
        finally:
            self.rollback()

    def begin_period(self, name: FlowKey, now_ms: int) -> None:
        """Begin a new period for a known key."""
        queue = self.engine.queues.queue(name)
        queue.reset_rate(now_ms)
        self.engine.due_queue.note_begun([queue])
        self.engine.recheck(queue)

    def knows(self, name: FlowKey) -> bool:
        row = self.store.connection.execute("SELECT 1 FROM flow_keys WHERE tenant = ? AND name = ?", name).fetchone()
        return row is not None

    def names(self, tenant: str) -> list[FlowKey]:
        rows = self.store.connection.execute("SELECT name FROM flow_keys WHERE tenant = ? ORDER BY name", (tenant,))
        return [FlowKey(tenant, row[0]) for row in rows]

    def waiting(self, name: FlowKey, now_ms: int) -> int:
        """The number of messages that are due and wait for the key."""
        due: int = self.store.connection.execute(
            "SELECT COUNT(*) FROM messages WHERE state = 'pending' AND tenant = ? AND flow_key = ? AND due_at <= ?",
            (*name, now_ms),
        ).fetchone()[0]
        return max(0, due - self.engine.queues.queue(name).open)


def _updated(held: FlowLimits, said: FlowLimits) -> FlowLimits:
    limits = replace(held)
    if not held.pinned_parallelism:
        limits.parallelism = said.parallelism
    if not held.pinned_rate:
        limits.rate, limits.period_ms = said.rate, said.period_ms
    return limits
