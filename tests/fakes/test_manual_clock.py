"""The clock that tests move."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.manual_clock import ManualClock
from wfdeploy.ports import Clock


def test_by_itself_a_sleep_moves_the_clock() -> None:
    async def run() -> None:
        clock: Clock = (manual := ManualClock(now_ms=1000))
        await clock.sleep(2.5)
        assert (clock.now_ms(), clock.monotonic(), manual.sleeps) == (3500, 2.5, [2.5])

    asyncio.run(run())


def test_held_a_sleep_ends_when_it_is_time() -> None:
    async def run() -> None:
        clock, ended = ManualClock(auto=False), list[tuple[str, float]]()

        async def sleeper(name: str, *naps: float) -> None:
            for nap in naps:
                await clock.sleep(nap)
                ended.append((name, clock.monotonic()))

        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper("a", 3, 3))
            group.create_task(sleeper("b", 1, 1))
            cancelled = group.create_task(sleeper("c", 2))
            await asyncio.sleep(0)
            assert clock.sleepers == 3
            cancelled.cancel()
            await clock.advance(2.5)
            assert ended == [("b", 1), ("b", 2)]
            await clock.advance(10)
            assert ended == [("b", 1), ("b", 2), ("a", 3), ("a", 6)]
            assert (clock.monotonic(), clock.sleepers) == (12.5, 0)

    asyncio.run(run())


def test_a_cancelled_sleep_is_forgotten() -> None:
    async def run() -> None:
        clock = ManualClock(auto=False)
        task = asyncio.create_task(clock.sleep(5))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert clock.sleepers == 0

    asyncio.run(run())
