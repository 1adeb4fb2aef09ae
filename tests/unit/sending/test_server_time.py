"""Server times: whatever the wall clock does, the true one lies between the bounds."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.fakes.manual_clock import ManualClock
from wfdeploy.sending.server_time import ServerTime
from wfdeploy.wiring.assembly import SystemClock

seconds = st.floats(0, 100)
steps = st.floats(-(10**7), 10**7)


@given(
    skew_s=steps, asking=seconds, answering=seconds, after=seconds, before=seconds, step_s=steps, again=st.booleans()
)
def test_the_servers_time_lies_between_earliest_and_latest(
    skew_s: float, asking: float, answering: float, after: float, before: float, step_s: float, again: bool
) -> None:
    clock = ManualClock()
    time = ServerTime(clock)

    def true_ms() -> float:
        return clock.true_ms + 1000 * skew_s

    clock._move(before)
    long_ago, then_ms = time.now(), true_ms()
    for _ in range(1 + again):
        asked_at = time.now()
        clock._move(asking)
        date_ms = int(true_ms() // 1000 * 1000)
        clock._move(answering)
        answered_at = time.now()
        clock.step(step_s)
        clock._move(after)
        time.learn(date_ms, asked_at=asked_at, answered_at=answered_at)
    assert time.is_known
    assert time.earliest_ms() - 1 <= true_ms() <= time.latest_ms() + 1
    assert time.earliest_ms(long_ago) - 1 <= then_ms <= time.latest_ms(long_ago) + 1
    assert time.latest_ms() - time.earliest_ms() <= 1000 * (asking + answering) + 1002


def test_without_a_date_the_wall_clock_is_read_once() -> None:
    clock = ManualClock()
    time, began_ms = ServerTime(clock), clock.now_ms()
    clock.step(3600)
    clock._move(5)
    time.learn(None, asked_at=1.0, answered_at=2.0)
    assert not time.is_known
    assert time.earliest_ms() == pytest.approx(began_ms + 5000, abs=1)
    assert time.recorded_ms() is None


def test_the_steady_clock_goes_on_while_the_machine_sleeps() -> None:
    import time

    counts_sleep = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    before = time.clock_gettime(counts_sleep)
    assert before <= SystemClock().monotonic() <= time.clock_gettime(counts_sleep)
