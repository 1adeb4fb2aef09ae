"""Which message is delivered when: a queue by due time, and a bounded number of open deliveries."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable

from wfdeploy.localserver.clock import Clock
from wfdeploy.localserver.records import Due
from wfdeploy.localserver.scenario import Scenario

MAX_OPEN = 64
"""Deliveries at once. Submissions never wait for a place: an endpoint submits its next step from inside the delivery
that is still open, so a server that counted them together would lock itself up."""


PAUSE_AFTER_ERROR_MS = 10_000
"""Before a message is tried again whose delivery broke inside the server."""


class Engine:
    """Keeps the queue in memory; it is rebuilt from the ledger at start."""

    def __init__(
        self,
        deliver: Callable[[int], Awaitable[list[Due]]],
        *,
        clock: Clock,
        scenario: Scenario,
        on_error: Callable[[BaseException], None],
        max_open: int = MAX_OPEN,
    ) -> None:
        self._deliver = deliver
        self._clock = clock
        self._scenario = scenario
        self._on_error = on_error
        self._max_open = max_open
        self._queue: list[tuple[int, int]] = []
        self._open: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at = 0
        self._turn = asyncio.Event()

    def schedule(self, entries: Iterable[Due]) -> None:
        """Take over messages whose transaction is committed."""
        for entry in entries:
            heapq.heappush(self._queue, (entry.at_ms, entry.seq))
        self._wake.set()

    def poke(self) -> None:
        """Look again: the scenario may have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled; open deliveries are cancelled too, and stay pending in the ledger."""
        try:
            while True:
                self._start_due()
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
        while self._queue and self._queue[0][0] <= now and len(self._open) < self._max_open:
            _, seq = heapq.heappop(self._queue)
            task = asyncio.create_task(self._one(seq))
            self._open.add(task)
            task.add_done_callback(self._closed)

    async def _one(self, seq: int) -> None:
        try:
            following = await self._deliver(seq)
        except Exception as error:
            # A full disk, say. The message is still pending in the ledger, so it is not given up here either.
            self._on_error(error)
            following = [Due(self._clock.now_ms() + PAUSE_AFTER_ERROR_MS, seq)]
        self.schedule(following)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._wake.set()
        self._turn.set()

    def _set_alarm(self) -> None:
        """Wake up when the next message is due; an alarm that rings too early does no harm."""
        if not self._queue or self._scenario.hold_deliveries or len(self._open) >= self._max_open:
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
        """Nothing is being delivered and nothing is due; what waits for a later time, or is held, does not count."""
        if self._open:
            return False
        return self._scenario.hold_deliveries or not (self._queue and self._queue[0][0] <= self._clock.now_ms())

    async def wait_idle(self) -> None:
        while not self.is_idle:
            self._turn.clear()
            if not self._open:  # due, and about to be started
                await asyncio.sleep(0)
                continue
            await self._turn.wait()
