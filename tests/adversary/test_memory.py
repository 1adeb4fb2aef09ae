"""Assumptions 3 and 4: state or logs survive; a queued run shows, or the state isn't lost meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.adversary.conftest import LAG_S
from tests.adversary.support import declare, lose_state, starts
from tests.fakes.model_server import Fault
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts
from wfdeploy.errors import ExitCode, Withheld


def forget(bench: VirtualBench) -> None:
    """The logs remember nothing of what was."""
    for one in bench.remote.runs:
        one.visible_ms = 2**62


def test_the_state_alone_is_enough(bench: VirtualBench) -> None:
    forget(bench)
    declare(bench, "a")
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    assert starts(bench, "first") == 1


def test_the_logs_alone_are_enough(bench: VirtualBench) -> None:
    lose_state(bench)
    assert counts(bench.apply()) == {"adopted": 1}
    assert starts(bench, "first") == 1


def test_without_both_everything_starts_again(bench: VirtualBench) -> None:
    lose_state(bench)
    forget(bench)
    assert counts(bench.apply()) == {"triggered": 1}
    assert starts(bench, "first") == 2


def test_unless_the_project_requires_a_state(bench: VirtualBench) -> None:
    bench.project = replace(bench.project, state_required=True)
    lose_state(bench)
    forget(bench)
    with pytest.raises(Withheld) as stopped:
        bench.apply()
    assert stopped.value.exit_code is ExitCode.WITHHELD
    assert starts(bench, "first") == 1


def queue(bench: VirtualBench) -> int:
    """Trigger a run that begins in an hour; when that is."""
    bench.remote.hide_delayed = True
    bench.remote.durations_s = (0.001,)
    declare(bench, "a", delay="1h")
    bench.apply()
    return bench.remote.runs[-1].starts_ms


def wait_until(bench: VirtualBench, ms: float) -> None:
    bench.pass_time((ms - bench.clock.now_ms()) / 1000)


@pytest.mark.parametrize("before_s", [1800.0, 60.0, -60.0])
def test_a_queued_run_that_does_not_show_is_held_by_its_id(bench: VirtualBench, before_s: float) -> None:
    wait_until(bench, queue(bench) - 1000 * before_s)
    lose_state(bench)
    bench.apply()
    bench.pass_time(4000)
    assert starts(bench) == 1


def test_sent_just_as_it_starts_and_ends_it_starts_twice(bench: VirtualBench) -> None:
    """The listing, `logLag` after the lock, is a moment too early to show it, the trigger a moment too late."""
    starts_ms = queue(bench)
    wait_until(bench, starts_ms - 1000 * LAG_S - 15)
    lose_state(bench)
    bench.apply()
    bench.pass_time(4000)
    assert starts(bench) == 2


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_LATE, Fault.LOST_BEFORE])
@pytest.mark.parametrize("before_s", [1800.0, LAG_S + 0.015, 2 * LAG_S, 0.0, -LAG_S])
def test_with_the_state_at_hand_no_moment_is_wrong(bench: VirtualBench, fault: Fault, before_s: float) -> None:
    bench.remote.hide_delayed = True
    bench.remote.durations_s = (0.001,)
    declare(bench, "a", delay="1h")
    bench.remote.faults = [fault]
    began_ms = bench.clock.now_ms()
    bench.apply()
    wait_until(bench, max(began_ms + 3_600_000 - 1000 * before_s, bench.clock.now_ms()))
    for _ in range(4):
        bench.apply()
        bench.pass_time(2000)
    assert starts(bench) == 1
