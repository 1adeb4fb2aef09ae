"""Wrong clocks: what a guarantee rests on goes by the server's time, or by the monotonic clock of one process.

Between two commands, and while one waits, this machine's wall clock is set forward and back by hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, dying
from tests.support.local_server import LocalServer
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.errors import Withheld
from wfdeploy.localserver.clock import ManualClock as ServersClock
from wfdeploy.model.blocking import instant, unix_of
from wfdeploy.model.event import Notice
from wfdeploy.model.options import ApplyOptions

LAG_S = 60.0
STEPS_S = [3600.0, -3600.0, 86400.0 * 30]
AT_ONCE = ApplyOptions(timeout_s=0.0)


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(lag_s=LAG_S, duration_s=0.5) as bench:
        bench.write(group("g", [run("a")]))
        bench.apply()
        bench.pass_time(1000)
        yield bench


def once_each(bench: VirtualBench, runs: int) -> None:
    assert len(bench.triggered()) == runs


# --- lost answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", STEPS_S)
@pytest.mark.parametrize("fault", [Fault.LOST_LATE, Fault.CRASH_LATE])
@pytest.mark.parametrize("delay", [{}, {"delay": "10m"}])
def test_a_clock_that_was_set_between_two_applies(
    bench: VirtualBench, step_s: float, fault: Fault, delay: dict[str, Any]
) -> None:
    bench.write(group("g", [run("a"), run("b", **delay)]))
    bench.remote.faults = [fault]
    with dying():
        bench.apply(options=AT_ONCE)
    bench.clock.step(step_s)
    bench.clock.boot()
    with suppress(Withheld):
        bench.apply(options=AT_ONCE)
    bench.apply()
    bench.pass_time(2000)
    bench.apply()
    once_each(bench, 2)


class Restless(ManualClock):
    """A clock that is set each time somebody sleeps."""

    steps_s: tuple[float, ...] = ()

    async def sleep(self, seconds: float) -> None:
        if self.steps_s:
            first, *rest = self.steps_s
            self.step(first)
            self.steps_s = (*rest, first)
        await super().sleep(seconds)


@pytest.mark.parametrize("steps_s", [(3600.0,), (-3600.0,), (7200.0, -7200.0), (-100.0, 100.0, 86400.0)])
@pytest.mark.parametrize("delay", [{}, {"delay": "10m"}])
@pytest.mark.parametrize("fault", [Fault.LOST_LATE, Fault.LOST_AFTER, Fault.LOST_BEFORE])
def test_a_clock_that_is_set_while_an_apply_waits(
    steps_s: tuple[float, ...], delay: dict[str, Any], fault: Fault
) -> None:
    with virtual_bench(lag_s=LAG_S, duration_s=0.5) as bench:
        clock = Restless(now_ms=bench.clock.now_ms())
        bench.clock = bench.remote.clock = clock
        bench.write(group("g", [run("a")]))
        bench.apply()
        clock._move(1000)
        clock.steps_s = steps_s
        bench.write(group("g", [run("a"), *(run(f"b{number}", **delay) for number in range(3))]))
        bench.server(max_batch_items=1)
        bench.remote.faults = [fault, fault, Fault.NONE, fault]
        for _ in range(3):
            bench.apply()
            clock._move(1000)
        once_each(bench, 4)
        assert not bench.plan().has_changes


@pytest.mark.parametrize("step_s", STEPS_S)
def test_whether_an_attempt_is_too_old_is_told_by_the_servers_clock(bench: VirtualBench, step_s: float) -> None:
    bench.write(group("g", [run("a"), run("b")]))
    bench.remote.faults = [Fault.LOST_BEFORE]
    bench.apply(options=AT_ONCE)
    bench.clock.step(step_s)
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    bench.write(group("g", [run("a"), run("b"), run("c")]))
    bench.remote.faults = [Fault.LOST_BEFORE]
    bench.apply(options=AT_ONCE)
    bench.pass_time(bench.project.server.log_retention_s + 100)
    bench.clock.step(-step_s - bench.project.server.log_retention_s)
    assert counts(bench.apply()) == {"unknown": 1, "kept": 2}


def test_without_a_date_the_process_own_monotonic_clock_stands_in(bench: VirtualBench) -> None:
    bench.remote.tells_time = False
    bench.write(group("g", [run("a"), run("b")]))
    bench.remote.faults = [Fault.LOST_LATE]
    bench.events.clear()
    bench.apply(options=AT_ONCE)
    told = [event.message for event in bench.events if isinstance(event, Notice)]
    assert told == ["the server's answers tell no time (Date): this machine's clock stands in for it"]
    bench.clock.step(86400)
    bench.clock.boot()
    bench.apply()
    once_each(bench, 2)
    assert not bench.plan().has_changes


@pytest.mark.parametrize("step_s", [0.0, -3600.0, -86400.0])
def test_how_far_a_listing_reaches_back_goes_by_the_servers_clock(bench: VirtualBench, step_s: float) -> None:
    """Another runner has triggered a run that was hidden until its `notBefore`, and has ended since."""
    first, now_s = bench.state_file, bench.clock.true_ms // 1000
    b = run("b", notBefore=instant(now_s + 1800))
    bench.write(group("g", [run("a"), b]))
    bench.state_file = first.with_name("other.db")
    bench.user_environ = {"XDG_STATE_HOME": str(bench.root.parent / "other home")}
    bench.apply()
    bench.state_file = first
    bench.pass_time(1200)
    bench.write(group("g", [run("a"), run("c")]))
    bench.apply()
    bench.pass_time(900)
    bench.clock.step(step_s)
    bench.write(group("g", [run("a"), run("c"), b]))
    assert counts(bench.apply()) == {"adopted": 1, "kept": 2}
    once_each(bench, 3)


# --- schedules -----------------------------------------------------------------------------------------------

HOURLY = {"cron": "0 * * * *"}


def recurring(**schedule: Any) -> dict[str, Any]:
    return group("n", [run("a")], schedule={**HOURLY, **schedule})


@pytest.mark.parametrize("catch_up", ["last", "all", "none"])
@pytest.mark.parametrize("step_s", [7200.0, 86400.0 * 400])
def test_a_clock_that_is_ahead_triggers_nothing_of_the_future(catch_up: str, step_s: float) -> None:
    with virtual_bench(lag_s=LAG_S) as bench:
        bench.write(recurring(catchUp=catch_up))
        bench.clock.step(step_s)
        bench.apply(options=ApplyOptions(timeout_s=10.0**9))
        for text in ("15:20:00Z", "15:40:00Z", "16:00:01Z", "16:20:00Z", "17:00:01Z"):
            bench.at(f"2026-11-23T{text}")
            bench.apply(options=ApplyOptions(timeout_s=10.0**9))
            with bench.open() as store:
                (decided_s,) = store.schedules().values()
            assert decided_s <= bench.remote.now_ms() / 1000
        assert bench.triggered() == [f"n-a-2026-11-23t{hour}-00-00z" for hour in (15, 16, 17)]


def test_a_clock_that_is_behind_triggers_late(bench: VirtualBench) -> None:
    bench.write(recurring(catchUp="all"), file="n.yaml")
    bench.apply()
    bench.clock.step(-3600)
    bench.at("2026-11-23T15:30:00Z")
    assert not bench.plan().has_changes
    bench.at("2026-11-23T16:00:00Z")
    bench.apply()
    assert bench.triggered() == ["g-a", "n-a-2026-11-23t15-00-00z"]


def test_on_the_stroke_it_waits_for_the_servers_clock(bench: VirtualBench) -> None:
    bench.write(recurring(), file="n.yaml")
    bench.apply()
    bench.clock.step(3)
    bench.at("2026-11-23T14:59:58Z")  # 15:00:01 by the clock of this machine
    assert counts(bench.apply())["triggered"] == 1
    assert bench.remote.now_ms() >= 1000 * unix_of("2026-11-23T15:00:00Z")
    assert bench.triggered() == ["g-a", "n-a-2026-11-23t15-00-00z"]


@pytest.mark.parametrize(
    ("step_s", "words"), [(0.0, None), (4.0, None), (-4.0, None), (7200.0, "7,200 s ahead of"), (-90.0, "90 s behind")]
)
def test_a_machine_whose_clock_is_off_is_told_so(bench: VirtualBench, step_s: float, words: str | None) -> None:
    bench.clock.step(step_s)
    bench.write(group("g", [run("a"), run("b")]))
    bench.events.clear()
    bench.apply()
    told = [event.message for event in bench.events if isinstance(event, Notice)]
    if words is None:
        assert told == []
    else:
        (message,) = told
        assert message == f"this machine's clock is {words} the server's"


def test_the_clock_of_an_embedded_server_may_be_moved(tmp_path: Path) -> None:
    with LocalServer(clock=ServersClock()) as server:
        bench = Workbench(tmp_path, server.url, server.token)
        bench.write(group("g", [run("a")]))
        bench.apply()
        assert [event for event in bench.events if isinstance(event, Notice) and "clock" in event.message] == []
