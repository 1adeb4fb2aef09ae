"""Assumption 6: one writer per state."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.adversary.conftest import LAG_S
from tests.adversary.support import declare, is_warned_of_doubles, starts
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts
from wfdeploy.errors import ExitCode, WfdeployError
from wfdeploy.model.event import ApplyReport
from wfdeploy.model.plan import Plan


@pytest.fixture
def other(bench: VirtualBench, tmp_path: Path) -> VirtualBench:
    """Another machine with a state of its own, on the same server."""
    other = VirtualBench(tmp_path / "other", bench.url, bench.token, clock=bench.clock)
    other.remote = bench.remote
    other.wrap = lambda _: bench.remote
    other.server(log_lag_s=LAG_S, log_lag_given=True)
    declare(other)
    other.apply()
    bench.pass_time(60)
    return other


def meanwhile(work: VirtualBench, done: list[ApplyReport | WfdeployError]) -> bool:
    """Consent that is given once another apply has gone from its beginning to its end."""

    def apply() -> None:
        try:
            done.append(work.apply())
        except WfdeployError as error:
            done.append(error)

    thread = threading.Thread(target=apply)
    thread.start()
    thread.join(30)
    return True


def test_on_one_state_the_second_writer_is_refused(bench: VirtualBench) -> None:
    done: list[ApplyReport | WfdeployError] = []
    declare(bench, "a")

    def confirm(_: Plan) -> bool:
        return meanwhile(bench, done)

    assert counts(bench.apply(confirm=confirm)) == {"triggered": 1, "kept": 1}
    (error,) = done
    assert isinstance(error, WfdeployError)
    assert error.exit_code is ExitCode.STATE
    assert starts(bench) == 1


@pytest.mark.parametrize("duration_s", [0.001, 1000.0], ids=["quick", "slow"])
def test_with_a_state_each_and_at_once_the_id_decides(
    bench: VirtualBench, other: VirtualBench, duration_s: float
) -> None:
    bench.remote.durations_s = (duration_s,)
    done: list[ApplyReport | WfdeployError] = []
    for one in (bench, other):
        declare(one, "a")
    bench.apply(confirm=lambda _: meanwhile(other, done))
    assert isinstance(done[0], ApplyReport)
    is_quick = duration_s < 1
    assert starts(bench) == (2 if is_quick else 1)
    bench.pass_time(60)
    declare(bench, "a", "b")
    assert is_warned_of_doubles(bench) is is_quick


def test_in_turn_they_adopt_from_each_other(bench: VirtualBench, other: VirtualBench) -> None:
    for one in (bench, other, bench, other):
        declare(one, "a", "b")
        one.apply()
        bench.pass_time(LAG_S)
    assert (starts(bench, "a"), starts(bench, "b")) == (1, 1)
