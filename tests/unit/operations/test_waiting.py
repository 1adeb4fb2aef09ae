"""Waiting until runs have ended."""

from __future__ import annotations

import pytest

from tests.support.virtual import VirtualBench
from tests.support.workbench import group, run
from wfdeploy.errors import StateError
from wfdeploy.model.blocking import Condition
from wfdeploy.model.event import Following
from wfdeploy.model.observed import RunState
from wfdeploy.model.options import StopFlag
from wfdeploy.model.status import ShownState
from wfdeploy.operations.waiting import Waited, wait


def waited(bench: VirtualBench, timeout_s: float = 600.0, stop: StopFlag | None = None) -> Waited:
    return wait(bench.workspace, (), (), condition=Condition.SUCCEEDED, timeout_s=timeout_s, stop=stop or StopFlag())


@pytest.fixture
def bench(bench: VirtualBench) -> VirtualBench:
    bench.write(group("g", [run(f"r{n}") for n in range(3)]))
    return bench


def test_it_ends_when_all_have_succeeded(bench: VirtualBench) -> None:
    bench.apply()
    result = waited(bench)
    assert (result.fulfilled, result.states) == (True, {RunState.SUCCESS: 3})
    assert Following(3, 3) in bench.events


def test_it_ends_when_none_is_running_any_more(bench: VirtualBench) -> None:
    bench.remote.badly = lambda run_id: run_id.startswith("wfr_g-r1-")
    bench.apply()
    result = waited(bench)
    assert (result.fulfilled, result.states) == (False, {RunState.SUCCESS: 2, RunState.FAILED: 1})


def test_it_ends_when_the_time_is_over(bench: VirtualBench) -> None:
    bench.apply()
    result = waited(bench, timeout_s=20.0)
    assert (result.fulfilled, result.states) == (False, {RunState.STARTED: 3})
    assert (result.timed_out, result.interrupted) == (True, False)


def test_a_stop_ends_it(bench: VirtualBench) -> None:
    bench.apply()
    stop = StopFlag()
    stop.request()
    result = waited(bench, stop=stop)
    assert (result.fulfilled, result.timed_out, result.interrupted) == (False, False, True)


def test_those_that_were_running_as_it_began_are_waited_for(bench: VirtualBench) -> None:
    bench.remote.badly = lambda run_id: run_id.startswith("wfr_g-r1-")
    bench.write(group("g", [run(f"r{n}") for n in range(12)]))  # so many are listed
    bench.apply()
    bench.pass_time(10)
    running = wait(
        bench.workspace,
        (),
        (),
        {ShownState.RUNNING},
        condition=Condition.FINISHED,
        timeout_s=600.0,
        stop=StopFlag(),
    )
    assert (running.fulfilled, sum(running.states.values())) == (True, 12)
    failed = wait(
        bench.workspace, (), (), {ShownState.FAILED}, condition=Condition.SUCCEEDED, timeout_s=0.0, stop=StopFlag()
    )
    assert (failed.fulfilled, failed.states) == (False, {RunState.FAILED: 1})


def test_it_changes_neither_the_state_nor_the_server(bench: VirtualBench) -> None:
    bench.apply()
    with bench.open() as store:
        before = store.head(), bench.remote.calls
    waited(bench)
    with bench.open() as store:
        assert (store.head(), bench.remote.calls) == before


def test_without_a_state_there_is_nothing_to_wait_for(bench: VirtualBench) -> None:
    with pytest.raises(StateError):
        waited(bench)
