"""A clock that tests move."""

from __future__ import annotations

import asyncio
import heapq


class ManualClock:
    """`ports.Clock` under a test's control.

    With `auto` (the default) a sleep moves the clock and returns after one turn of the event loop; without it, a
    sleep ends when `advance` has moved the clock past its end. `sleeps` lists every sleep asked for, in seconds.
    """

    def __init__(self, *, now_ms: int = 1_795_442_400_000, auto: bool = True) -> None:
        self._start_ms = now_ms
        self._wrong_ms = 0
        self._passed_s = self._booted_s = 0.0
        self._auto = auto
        self._waiting: list[tuple[float, int, asyncio.Event]] = []
        self.sleeps: list[float] = []

    def now_ms(self) -> int:
        return self.true_ms + self._wrong_ms

    def monotonic(self) -> float:
        return self._passed_s - self._booted_s

    @property
    def true_ms(self) -> int:
        """What a right clock shows, Unix milliseconds: `step` and `boot` leave it as it is."""
        return self._start_ms + round(self._passed_s * 1000)

    def step(self, seconds: float) -> None:
        """Set the wall clock, forward or (negative) back; the monotonic one goes on."""
        self._wrong_ms += round(seconds * 1000)

    def boot(self) -> None:
        """Let the monotonic clock begin at 0, as for a process on another machine. Nobody may sleep."""
        assert not self._waiting
        self._booted_s = self._passed_s

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if self._auto:
            self._move(max(seconds, 0.0))
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        entry = (self._passed_s + max(seconds, 0.0), len(self.sleeps), woken)
        heapq.heappush(self._waiting, entry)
        try:
            await woken.wait()
        finally:
            if entry in self._waiting:  # cancelled
                self._waiting.remove(entry)
                heapq.heapify(self._waiting)

    @property
    def sleepers(self) -> int:
        """How many sleeps have not ended."""
        return len(self._waiting)

    async def advance(self, seconds: float) -> None:
        """Move the clock, waking sleepers in order; each gets a few turns of the loop to go on, and to sleep again."""
        until = self._passed_s + seconds
        while self._waiting and self._waiting[0][0] <= until:
            at, _, woken = heapq.heappop(self._waiting)
            self._passed_s = max(self._passed_s, at)
            woken.set()
            for _ in range(10):
                await asyncio.sleep(0)
        self._passed_s = until

    def _move(self, seconds: float) -> None:
        self._passed_s += seconds
