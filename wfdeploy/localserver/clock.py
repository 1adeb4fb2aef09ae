"""The server's time: everything that waits or writes time stamps uses a `ServerClock`."""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from typing import Protocol


class ServerClock(Protocol):
    """Unix time in milliseconds, and waiting for it."""

    def now_ms(self) -> int:
        """The current time, Unix milliseconds."""
        ...

    def ahead_ms(self) -> int:
        """How far this clock is ahead of the clocks of clients and endpoints, which send times by their own."""
        ...

    def catch_up(self, when_ms: int) -> None:
        """Advance to a time that has been reached before, so that time never runs backwards."""
        ...

    async def sleep_until(self, when_ms: int) -> None:
        """Return once `now_ms() >= when_ms`."""
        ...


class MachineClock:
    """The machine's clock. `scale` makes server time run faster than real time, from the moment of creation.

    With `scale=60` a delay of an hour takes a minute. Time stamps run ahead of the wall clock accordingly.
    """

    def __init__(self, *, scale: float = 1.0) -> None:
        if scale <= 0:
            raise ValueError("scale must be positive")
        self._scale = scale
        self._origin_s = time.time()
        self._caught_up_s = 0.0

    def now_ms(self) -> int:
        now_s = time.time()
        if self._scale != 1.0:
            now_s = self._origin_s + (now_s - self._origin_s) * self._scale
        return int((now_s + self._caught_up_s) * 1000)

    def ahead_ms(self) -> int:
        if self._scale == 1.0 and not self._caught_up_s:
            return 0
        return self.now_ms() - int(time.time() * 1000)

    def catch_up(self, when_ms: int) -> None:
        self._caught_up_s += max(0.0, (when_ms - self.now_ms()) / 1000)

    async def sleep_until(self, when_ms: int) -> None:
        while (left_ms := when_ms - self.now_ms()) > 0:  # noqa: ASYNC110 - this is the sleep itself
            # At most a day at a time: the wall clock may be set meanwhile, and event loops dislike distant timers.
            await asyncio.sleep(min(left_ms / 1000 / self._scale, 86_400))


class ManualClock:
    """A clock that only moves when it is advanced, from any thread.

    For tests: a server's delays, retries and log lag then take no real time.
    """

    def __init__(self, now_ms: int = 1_800_000_000_000, *, real_endpoints: bool = False) -> None:
        """`real_endpoints`: clients and endpoints use the machine's clock, not this one."""
        self._now_ms = now_ms
        self._real_endpoints = real_endpoints
        self._lock = threading.Lock()
        self._count = 0
        self._sleepers: list[tuple[int, int, asyncio.AbstractEventLoop, asyncio.Event]] = []

    def now_ms(self) -> int:
        with self._lock:
            return self._now_ms

    def ahead_ms(self) -> int:
        return self.now_ms() - int(time.time() * 1000) if self._real_endpoints else 0

    def catch_up(self, when_ms: int) -> None:
        self.advance_to(when_ms)

    def advance(self, seconds: float) -> None:
        """Move time forward and wake every sleeper that is due."""
        with self._lock:
            self._move(self._now_ms + round(seconds * 1000))

    def advance_to(self, when_ms: int) -> None:
        """Move time forward to a moment; a moment in the past changes nothing."""
        with self._lock:
            self._move(max(when_ms, self._now_ms))

    async def sleep_until(self, when_ms: int) -> None:
        event = asyncio.Event()
        with self._lock:
            if when_ms <= self._now_ms:
                return
            self._count += 1
            entry = (when_ms, self._count, asyncio.get_running_loop(), event)
            heapq.heappush(self._sleepers, entry)
        try:
            await event.wait()
        except asyncio.CancelledError:
            with self._lock:
                if entry in self._sleepers:
                    self._sleepers.remove(entry)
                    heapq.heapify(self._sleepers)
            raise

    def _move(self, now_ms: int) -> None:
        self._now_ms = now_ms
        while self._sleepers and self._sleepers[0][0] <= self._now_ms:
            _, _, loop, event = heapq.heappop(self._sleepers)
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
