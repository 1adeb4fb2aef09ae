"""The real clock."""

from __future__ import annotations

import time

_COUNTS_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Of the clocks that are never set, the one that goes on while the machine sleeps, as the server's does. What
`time.monotonic` reads stands still then, on Linux and on macOS."""


class SystemClock:
    """Time as the operating system tells it."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.clock_gettime(_COUNTS_SLEEP)

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)
