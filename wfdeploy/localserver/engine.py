"""Which message is delivered when: a queue by due time, lanes by flow-control key, a bounded number of deliveries."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable

from wfdeploy.localserver.clock import Clock
from wfdeploy.localserver.flow import Lane, LaneName, Lanes
from wfdeploy.localserver.records import Due
from wfdeploy.localserver.scenario import Scenario

MAX_OPEN = 64
"""Deliveries at once. Submissions never wait for a place: an endpoint submits its next step from inside the delivery
that is still open, so a server that counted them together would lock itself up."""


PAUSE_AFTER_ERROR_MS = 10_000
"""Before a message is tried again whose delivery broke inside the server."""

_LANE = 0
"""In place of a message's seq, in the queue: the moment to look at a lane again."""


class Engine:
    """Keeps the queue in memory; it is rebuilt from the ledger at start."""

    def __init__(
        self,
        deliver: Callable[[int], Awaitable[list[Due]]],
        *,
        clock: Clock,
        scenario: Scenario,
        is_pending: Callable[[int], bool],
        on_error: Callable[[BaseException], None],
        max_open: int = MAX_OPEN,
    ) -> None:
        self._deliver = deliver
        self._clock = clock
        self._scenario = scenario
        self._is_pending = is_pending
        self._on_error = on_error
        self.max_open = max_open
        self.lanes = Lanes()
        self._queue: list[tuple[int, int, LaneName]] = []
        self._open: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0
        self._turn = asyncio.Event()

    def schedule(self, entries: Iterable[Due]) -> None:
        """Take over messages whose transaction is committed."""
        for entry in entries:
            heapq.heappush(self._queue, (entry.at_ms, entry.seq, LaneName(entry.tenant, entry.flow_key)))
        self._wake.set()

    def poke(self) -> None:
        """Look again: the scenario may have changed."""
        self._wake.set()

    def look_again(self, lane: Lane) -> None:
        """The limits of a lane have changed."""
        self.lanes.look_again(lane)
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; open deliveries are cancelled too, and stay pending in the ledger."""
        try:
            while True:
                self._start_due()
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
        while self._queue and self._queue[0][0] <= now:
            at_ms, seq, name = heapq.heappop(self._queue)
            if seq == _LANE:
                self.lanes.look_again(self.lanes.lane(name))
            else:
                self.lanes.add(Due(at_ms, seq, name.tenant, name.key))
        while self.lanes.open < self.max_open and (taken := self.lanes.take(now)) is not None:
            if isinstance(taken, Lane):
                if taken.ready and (opens := taken.opens_at(now)) is not None and opens != taken.alarm_at:
                    taken.alarm_at = opens
                    heapq.heappush(self._queue, (opens, _LANE, taken.name))
                continue
            lane, seq = taken
            # What was dropped meanwhile must not use up a key's rate.
            if lane.name.key is None or self._is_pending(seq):
                self._start(lane, seq, now)

    def _start(self, lane: Lane, seq: int, now: int) -> None:
        self.lanes.begin(lane, now)
        task = asyncio.create_task(self._one(lane, seq))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _one(self, lane: Lane, seq: int) -> None:
        try:
            following = await self._deliver(seq)
        except Exception as error:
            # A full disk, say. The message is still pending in the ledger, so it is not given up here either.
            self._on_error(error)
            following = [Due(self._clock.now_ms() + PAUSE_AFTER_ERROR_MS, seq, *lane.name)]
        finally:
            self.lanes.end(lane)
        self.schedule(following)

    def _set_alarm(self) -> None:
        """Wake up when the next message is due; an alarm that rings too early does no harm."""
        if not self._queue or self._scenario.hold_deliveries:
            return
        next_at = self._queue[0][0]
        if self._alarm is not None and not self._alarm.done():
            if self._alarm_at <= next_at:
                return
            self._alarm.cancel()
        self._alarm_at = next_at
        self._alarm = asyncio.create_task(self._ring(next_at))

    async def _ring(self, at_ms: int) -> None:
        await self._clock.sleep_until(at_ms)
        self._wake.set()

    @property
    def is_idle(self) -> bool:
        """Nothing is being delivered and nothing may leave now.

        What waits for a later time or for its flow control, or is held, does not count.
        """
        if self.lanes.open:
            return False
        if self._scenario.hold_deliveries:
            return True
        return not self.lanes.has_turns and not (self._queue and self._queue[0][0] <= self._clock.now_ms())

    async def wait_idle(self) -> None:
        while not self.is_idle:
            self._turn.clear()
            self._wake.set()
            await self._turn.wait()
