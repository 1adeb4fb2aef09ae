"""Decide which message is delivered when: ordered by due time, queued per flow-control key, bounded in number.

Messages due soon are in memory; the others are read from the database as time passes.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from wfdeploy.localserver.clock import ServerClock
from wfdeploy.localserver.fault_plan import FaultPlan
from wfdeploy.localserver.runs.flow import FlowKey, FlowLimits, FlowQueue, FlowQueues
from wfdeploy.localserver.store.records import DueMessage
from wfdeploy.localserver.store.run_store import RunStore

MAX_OPEN = 64
"""Concurrent deliveries. Submissions do not count: an endpoint submits its next step from inside an open delivery, so
counting both together would deadlock."""


WINDOW_MS = 60_000
"""How far ahead messages are in memory. Later ones are read in time, so a million runs that sleep for a year cost no
memory."""

PAUSE_AFTER_ERROR_MS = 10_000
"""Before the server tries again after an internal error."""

_QUEUE = 0
"""In place of a message's seq in the heap: recheck a flow queue at this time."""


class DeliveryEngine:
    """Delivers each message when it is due and its flow control admits it."""

    def __init__(
        self,
        deliver: Callable[[int], Awaitable[list[DueMessage]]],
        *,
        due_queue: DueQueue,
        clock: ServerClock,
        faults: FaultPlan,
        on_error: Callable[[BaseException], None],
        max_open: int = MAX_OPEN,
    ) -> None:
        self._deliver = deliver
        self.due_queue = due_queue
        self._clock = clock
        self._scenario = faults
        self._on_error = on_error
        self.max_open = max_open
        self.queues = FlowQueues(due_queue.queue)
        self._upcoming: list[tuple[int, int, FlowKey]] = []
        self._known_until = -1
        """All messages due by then are in `_upcoming` or in a flow queue."""
        self._later_at: int | None = 0
        """When the first of the others is due; too early does no harm."""
        self._open: set[asyncio.Task[None]] = set()
        self._held: dict[int | None, list[DueMessage]] = {}
        """The open deliveries, and the messages that wait for their answers."""
        self._wake = asyncio.Event()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0
        self._turn = asyncio.Event()

    def schedule(self, entries: Iterable[DueMessage]) -> None:
        """Take over messages whose transaction is committed."""
        for entry in entries:
            if entry.after in self._held and entry.at_ms <= self._known_until:
                self._held[entry.after].append(entry)
            elif entry.at_ms <= self._known_until:
                self._push(entry)
            elif self._later_at is None or entry.at_ms < self._later_at:
                self._later_at = entry.at_ms
        self._wake.set()

    def _push(self, entry: DueMessage) -> None:
        heapq.heappush(self._upcoming, (entry.at_ms, entry.seq, FlowKey(entry.tenant, entry.flow_key)))

    def _look_ahead(self, now: int) -> None:
        """Load the messages that are due soon, once the first of them is due."""
        if self._later_at is None or self._later_at > now:
            return
        until = now + WINDOW_MS
        for entry in self.due_queue.due(after_ms=self._known_until, until_ms=until):
            self._push(entry)
        self._known_until = until
        self._later_at = self.due_queue.next_due(after_ms=until)

    def recheck(self, queue: FlowQueue) -> None:
        """Reconsider a queue whose limits have changed."""
        self.queues.recheck(queue)
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled. Open deliveries are cancelled too, and stay pending in the run store."""
        try:
            while True:
                try:
                    self._start_due()
                except Exception as error:  # the database: a full disk, say
                    self._on_error(error)
                    asyncio.get_running_loop().call_later(PAUSE_AFTER_ERROR_MS / 1000, self._wake.set)
                self._turn.set()
                self._set_alarm()
                await self._wake.wait()
                self._wake.clear()
        finally:
            tasks = [*self._open, *([self._alarm] if self._alarm else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start_due(self) -> None:
        if self._scenario.hold_deliveries:
            return
        now = self._clock.now_ms()
        self._look_ahead(now)
        while self._upcoming and self._upcoming[0][0] <= now:
            at_ms, seq, name = heapq.heappop(self._upcoming)
            if seq != _QUEUE:
                self.queues.add(DueMessage(at_ms, seq, name.tenant, name.key))
            elif (queue := self.queues.busy(name)) is not None:
                self.queues.recheck(queue)
        counted: dict[FlowKey, FlowQueue] = {}
        while self.queues.open < self.max_open and (taken := self.queues.take(now)) is not None:
            if isinstance(taken, FlowQueue):
                if taken.ready and (opens := taken.opens_at(now)) is not None and opens != taken.alarm_at:
                    taken.alarm_at = opens
                    heapq.heappush(self._upcoming, (opens, _QUEUE, taken.name))
                continue
            queue, seq = taken
            if queue.name.key is not None and not self.due_queue.holds(seq):
                self.queues.skip(queue)  # a dropped message must not use up a key's rate
                continue
            self._start(queue, seq, now)
            if queue.limits.rate is not None:
                counted[queue.name] = queue
        if counted:
            # Before the deliveries begin, which happens when this coroutine yields.
            self.due_queue.note_begun(counted.values())

    def _start(self, queue: FlowQueue, seq: int, now: int) -> None:
        self.queues.begin(queue, now)
        self._held[seq] = []
        task = asyncio.create_task(self._one(queue, seq))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _one(self, queue: FlowQueue, seq: int) -> None:
        try:
            following = await self._deliver(seq)
        except Exception as error:
            # A full disk, say. The message is still pending in the run store, so it is tried again.
            self._on_error(error)
            following = []
            self._push(DueMessage(self._clock.now_ms() + PAUSE_AFTER_ERROR_MS, seq, *queue.name))
        finally:
            self.queues.end(queue)
            held = self._held.pop(seq)
        self.schedule([*following, *(replace(entry, after=None) for entry in held)])

    def _set_alarm(self) -> None:
        """Wake up when the next message is due; too early does no harm."""
        next_at = self.next_at
        if next_at is None or self._scenario.hold_deliveries:
            return
        if self._alarm is not None and not self._alarm.done():
            if self._alarm_at <= next_at:
                return
            self._alarm.cancel()
        self._alarm_at = next_at
        self._alarm = asyncio.create_task(self._ring(next_at))

    @property
    def next_at(self) -> int | None:
        """When the next message may be due; it may have been dropped meanwhile."""
        return min(
            (at for at in (self._upcoming[0][0] if self._upcoming else None, self._later_at) if at is not None),
            default=None,
        )

    async def _ring(self, at_ms: int) -> None:
        await self._clock.sleep_until(at_ms)
        self._wake.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being delivered and nothing can be delivered now.

        Messages that wait for a later time or for their flow control, or that are held, do not count.
        """
        if self.queues.open:
            return False
        if self._scenario.hold_deliveries:
            return True
        next_at = self.next_at
        return not self.queues.has_turns and (next_at is None or next_at > self._clock.now_ms())

    async def wait_idle(self) -> None:
        while not self.is_idle:
            self._turn.clear()
            if not self.queues.open:
                self._wake.set()  # else the end of a delivery does that
            await self._turn.wait()


@dataclass(frozen=True, slots=True)
class DueQueue:
    """The accepted messages that are neither delivered nor dropped, in the database."""

    store: RunStore

    def due(self, *, after_ms: int, until_ms: int) -> list[DueMessage]:
        """Messages that are due after `after_ms` and no later than `until_ms`."""
        rows = self.store.connection.execute(
            "SELECT due_at, seq, tenant, flow_key FROM messages WHERE state = 'pending' AND due_at > ? AND due_at <= ?",
            (after_ms, until_ms),
        )
        return [DueMessage(*row) for row in rows]

    def next_due(self, *, after_ms: int) -> int | None:
        """When the first message after this moment is due."""
        row = self.store.connection.execute(
            "SELECT MIN(due_at) FROM messages WHERE state = 'pending' AND due_at > ?", (after_ms,)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def holds(self, seq: int) -> bool:
        """Whether a message is still pending."""
        row = self.store.connection.execute(
            "SELECT 1 FROM messages WHERE seq = ? AND state = 'pending'", (seq,)
        ).fetchone()
        return row is not None

    def queue(self, name: FlowKey) -> FlowQueue:
        """The queue of a flow-control key, with its limits and the used part of its rate."""
        row = None
        if name.key is not None:
            row = self.store.connection.execute(
                "SELECT * FROM flow_keys WHERE tenant = ? AND name = ?", name
            ).fetchone()
        if row is None:
            return FlowQueue(name)
        return FlowQueue(name, _limits(row), begun=row["begun"], period_start=row["period_start"])

    def note_begun(self, queues: Iterable[FlowQueue]) -> None:
        """Save the rates before the deliveries begin, so that a killed server exceeds none after a restart."""
        with self.store.transaction():
            self.store.connection.executemany(
                "UPDATE flow_keys SET begun = ?, period_start = ? WHERE tenant = ? AND name = ?",
                [(queue.begun, queue.period_start, *queue.name) for queue in queues],
            )


def _limits(row: sqlite3.Row) -> FlowLimits:
    return FlowLimits(
        parallelism=row["parallelism"],
        rate=row["rate"],
        period_ms=row["period_ms"],
        paused=bool(row["paused"]),
        pinned_parallelism=bool(row["pinned_parallelism"]),
        pinned_rate=bool(row["pinned_rate"]),
    )
