"""Assumption 1: no more than `logLag` from the last byte until the run shows."""

from __future__ import annotations

import pytest

from tests.adversary.conftest import LAG_S
from tests.adversary.support import declare, is_warned_of_doubles, starts
from tests.fakes.model_server import Fault
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts, group, run

LATE = [Fault.LOST_LATE, Fault.LOST_AFTER]
"""The request arrives late, or its run shows late."""


@pytest.mark.parametrize("fault", LATE)
def test_as_late_as_allowed_is_held(bench: VirtualBench, fault: Fault) -> None:
    declare(bench, "a")
    bench.remote.faults = [fault]
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    bench.pass_time(100)
    assert starts(bench) == 1


@pytest.mark.parametrize("fault", LATE)
def test_later_than_that_a_quick_run_starts_twice_and_the_next_listing_says_so(
    bench: VirtualBench, fault: Fault
) -> None:
    bench.remote.lag_s = 10 * LAG_S
    declare(bench, "a")
    bench.remote.faults = [fault]
    bench.apply()
    bench.pass_time(100)
    assert starts(bench) == 2
    declare(bench, "a", "b")
    assert is_warned_of_doubles(bench)


def test_later_than_that_a_run_that_still_goes_is_held_by_its_id(bench: VirtualBench) -> None:
    bench.remote.lag_s = 10 * LAG_S
    bench.remote.durations_s = (1000.0,)
    for name, fault in zip("ab", LATE, strict=True):
        bench.write(group("g", [run("first"), *(run(one) for one in "ab" if one <= name)]))
        bench.remote.faults = [fault]
        bench.apply()
        bench.pass_time(100)
        assert starts(bench, name) == 1


def test_a_lag_that_is_too_large_costs_waiting_alone(bench: VirtualBench) -> None:
    bench.server(log_lag_s=20 * LAG_S)
    declare(bench, "a")
    bench.remote.faults = [Fault.LOST_AFTER]
    before = bench.clock.monotonic()
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    assert bench.clock.monotonic() - before >= 20 * LAG_S
    assert starts(bench) == 1
