"""Recorded run states, updated from the server."""

from __future__ import annotations

import pytest

from tests.support.virtual import VirtualBench
from tests.support.workbench import group, run
from wfdeploy.errors import StateError
from wfdeploy.model.observed import RunState
from wfdeploy.operations.refresh import refresh
from wfdeploy.operations.status import status


def test_states_are_recorded_and_what_changed_is_told(bench: VirtualBench) -> None:
    bench.write(group("g", [run("a"), run("b")]))
    bench.remote.badly = lambda run_id: run_id.startswith("wfr_g-b-")
    bench.apply()
    bench.pass_time(100)
    found = refresh(bench.workspace, (), ())
    assert found.asked == 2
    assert {change.address: change.after for change in found.turns} == {
        "g/a": RunState.SUCCESS,
        "g/b": RunState.FAILED,
    }
    with bench.open() as store:
        assert {record.address: record.run_state for record in store.records()} == {
            "g/a": RunState.SUCCESS,
            "g/b": RunState.FAILED,
        }
    found = refresh(bench.workspace, (), ())
    assert (found.asked, found.turns) == (1, []), "somebody may have restarted the failed one"


def test_a_run_that_still_runs_was_last_seen_now(bench: VirtualBench) -> None:
    bench.remote.durations_s = (1000.0,)
    bench.write(group("g", [run("a")]))
    bench.apply()
    seen: list[int] = []
    for _ in range(3):
        bench.pass_time(100)
        assert len(refresh(bench.workspace, (), ()).turns) == (not seen)
        with bench.open() as store:
            (record,) = store.records()
        assert record.run_state is RunState.STARTED
        seen.append(record.observed_at_ms or 0)
    assert seen == sorted(set(seen))
    (row,) = status(bench.workspace, (), offline=True)
    assert (row.seen_at_ms, row.is_live) == (seen[-1], False)


def test_only_the_selected_runs_are_asked_for(bench: VirtualBench) -> None:
    bench.write(group("g", [run("a"), run("b")]))
    bench.apply()
    bench.pass_time(100)
    assert refresh(bench.workspace, ["g/a"], ()).asked == 1
    with bench.open() as store:
        assert [record.run_state for record in store.records()] == [RunState.SUCCESS, None]


@pytest.mark.parametrize("is_copy", [False, True])
def test_it_says_nothing_about_whether_the_state_is_the_latest(bench: VirtualBench, is_copy: bool) -> None:
    bench.write(group("g", [run("a")]))
    bench.apply()
    copy = bench.state_file.read_bytes()
    bench.write(group("g", [run("a"), run("b")]))
    bench.apply()
    if is_copy:
        bench.lose_state()
        bench.state_file.write_bytes(copy)
    bench.pass_time(100)
    refresh(bench.workspace, (), ())
    with bench.open() as store:
        assert bench.workspace.state_backend.is_latest(store) is not is_copy


def test_without_a_state_there_is_nothing_to_refresh(bench: VirtualBench) -> None:
    with pytest.raises(StateError):
        refresh(bench.workspace, (), ())
    assert not bench.state_file.parent.exists()
