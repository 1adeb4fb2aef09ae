"""The server's clocks beside those of the people around it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from qstash import Receiver

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, api_for, for_plain_endpoints
from wfdeploy.localserver.clock import MachineClock, ManualClock
from wfdeploy.localserver.runs import options

DAY_MS = 86_400_000


def test_time_does_not_go_back_over_a_restart(tmp_path: Path) -> None:
    """A server that ran ahead is followed by one that begins where it ended."""
    with LocalServer(tmp_path / "x.db", clock=MachineClock(scale=1e6)) as server:
        start = server.clock.now_ms()
        while (reached := server.clock.now_ms()) < start + DAY_MS:
            threading.Event().wait(0.01)
    for _ in range(2):
        with LocalServer(tmp_path / "x.db") as server:
            assert server.clock.now_ms() >= reached
            assert server.clock.ahead_ms() > DAY_MS / 2
            reached = server.clock.now_ms()


def test_moments_that_endpoints_name_are_by_their_own_clocks() -> None:
    clock = ManualClock(int(time.time() * 1000), real_endpoints=True)
    clock.advance(30 * 86_400)
    assert abs(clock.ahead_ms() - 30 * DAY_MS) < 60_000
    in_an_hour = options.read({"Upstash-Not-Before": str(int(time.time()) + 3600)})
    due = in_an_hour.due_ms(clock.now_ms(), ahead_ms=clock.ahead_ms())
    assert abs(due - clock.now_ms() - 3_600_000) < 60_000
    assert ManualClock().ahead_ms() == 0


def test_days_pass_in_moments(endpoint: Endpoint) -> None:
    """A delay of ten days, and a moment in ten days that is named by this machine's clock."""
    with LocalServer(clock=MachineClock(scale=1e6), faults=for_plain_endpoints()) as server, api_for(server) as http:
        threading.Event().wait(0.02)  # the server is hours ahead by now
        Api(http).trigger("wfr_delayed", url=endpoint.url, Upstash_Delay="10d")
        Api(http).trigger("wfr_then", url=endpoint.url, Upstash_Not_Before=str(int(time.time()) + 10 * 86_400))
        runs = server.wait_until(lambda _: len(endpoint.requests) == 2)
        # The SDK's receiver goes by this machine's clock too.
        receiver = Receiver(server.tenant.current_key, server.tenant.next_key)
        for request in endpoint.requests:
            receiver.verify(
                signature=request.headers["upstash-signature"], body=request.body.decode(), url=endpoint.url
            )
        for run in runs:
            assert 9 * DAY_MS < run.starts_at_ms - run.created_at_ms < 11 * DAY_MS


def test_clock_can_run_faster() -> None:
    assert abs(MachineClock(scale=1000).now_ms() - MachineClock().now_ms()) < 60_000
    with pytest.raises(ValueError, match="positive"):
        MachineClock(scale=0)


async def _sleepers(clock: ManualClock, *, waits_s: list[float]) -> list[float]:
    woken: list[float] = []

    async def sleep(wait_s: float) -> None:
        await clock.sleep_until(clock.now_ms() + round(wait_s * 1000))
        woken.append(wait_s)

    tasks = [asyncio.create_task(sleep(wait_s)) for wait_s in waits_s]
    await asyncio.sleep(0)
    clock.advance(5)
    for _ in range(5):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return woken


def test_manual_clock_wakes_whose_time_has_come(clock: ManualClock) -> None:
    run: Callable[..., list[float]] = asyncio.run
    assert run(_sleepers(clock, waits_s=[9, 3, 5, 0])) == [0, 3, 5]
