"""Rollouts, shown and steered."""

from __future__ import annotations

import pytest

from tests.support.virtual import VirtualBench
from tests.support.workbench import group, run
from wfdeploy.errors import StateError, UsageError
from wfdeploy.model.blocking import RolloutMode
from wfdeploy.model.observed import RunState
from wfdeploy.operations import rollouts
from wfdeploy.operations.refresh import refresh
from wfdeploy.operations.status import status


@pytest.fixture
def bench(bench: VirtualBench) -> VirtualBench:
    rollout = {"steps": [{"count": 2, "pauseUntil": "approved"}], "maxFailures": 0}
    bench.write(group("g", [run(f"r{n}") for n in range(6)], rollout=rollout))
    bench.apply()
    return bench


def test_how_far_it_is(bench: VirtualBench) -> None:
    (view,) = rollouts.status(bench.workspace, ())
    assert (view.group, view.released, view.succeeded, view.failed) == ("g", 2, 0, 0)
    assert view.progress is not None
    assert view.progress.mode is RolloutMode.RUNNING


def test_it_says_what_the_server_says_and_records_nothing(bench: VirtualBench) -> None:
    bench.pass_time(100)
    assert {row.run_state for row in status(bench.workspace, ())} == {RunState.SUCCESS}
    with bench.open() as store:
        serial = store.head().serial
    (view,) = rollouts.status(bench.workspace, ())
    assert (view.released, view.succeeded, view.running, view.stale) == (2, 2, 0, 0)
    (offline,) = rollouts.status(bench.workspace, (), offline=True)
    assert (offline.succeeded, offline.stale, offline.seen_at_ms) == (0, 2, None)
    with bench.open() as store:
        assert store.head().serial == serial


def test_offline_it_says_when_the_runs_were_last_seen(bench: VirtualBench) -> None:
    for one in bench.remote.runs:
        one.ends_ms += 1_000_000
    bench.pass_time(100)
    refresh(bench.workspace, (), ())
    (view,) = rollouts.status(bench.workspace, (), offline=True)
    assert (view.running, view.succeeded, view.stale) == (2, 0, 2)
    assert view.seen_at_ms is not None
    bench.remote.badly = lambda _: True
    bench.pass_time(1000)
    (view,) = rollouts.status(bench.workspace, ())
    assert (view.failed, view.running, view.stale) == (2, 0, 0)


def test_an_approved_step_goes_on_with_the_next_apply(bench: VirtualBench) -> None:
    bench.pass_time(100)
    bench.apply()
    assert len(bench.remote.counts) == 2
    assert rollouts.approve(bench.workspace, "g").approved == 1
    bench.apply()
    assert len(bench.remote.counts) == 6


@pytest.mark.parametrize("mode", [RolloutMode.PAUSED, RolloutMode.ABORTED])
def test_a_paused_or_aborted_one_releases_no_more(bench: VirtualBench, mode: RolloutMode) -> None:
    steer = rollouts.pause if mode is RolloutMode.PAUSED else rollouts.abort
    assert steer(bench.workspace, "g").mode is mode
    rollouts.approve(bench.workspace, "g")
    bench.pass_time(100)
    bench.apply()
    assert len(bench.remote.counts) == 2
    assert rollouts.resume(bench.workspace, "g").mode is RolloutMode.RUNNING
    bench.apply()
    assert len(bench.remote.counts) == 6


def test_resuming_tolerates_the_failures_so_far(bench: VirtualBench) -> None:
    bench.remote.badly = lambda _: True
    bench.pass_time(100)
    bench.apply()
    (view,) = rollouts.status(bench.workspace, ["g"])
    assert view.progress is not None
    assert (view.failed, view.progress.mode) == (2, RolloutMode.STOPPED)
    assert rollouts.resume(bench.workspace, "g").tolerated == 2


def test_a_group_without_a_rollout_is_named(bench: VirtualBench) -> None:
    for use in (lambda: rollouts.status(bench.workspace, ["gg"]), lambda: rollouts.approve(bench.workspace, "gg")):
        with pytest.raises(UsageError, match="no rollout of the group gg") as caught:
            use()
        assert caught.value.hint == "did you mean 'g'?"


def test_without_a_state_there_is_nothing_to_steer(bench: VirtualBench) -> None:
    bench.lose_state()
    with pytest.raises(StateError):
        rollouts.pause(bench.workspace, "g")


def test_what_changes_nothing_is_refused(bench: VirtualBench) -> None:
    with pytest.raises(UsageError, match="is running: there is nothing to resume"):
        rollouts.resume(bench.workspace, "g")
    rollouts.approve(bench.workspace, "g")
    with pytest.raises(UsageError, match="step 1 of the rollout of g is already approved"):
        rollouts.approve(bench.workspace, "g")
    rollouts.pause(bench.workspace, "g")
    with pytest.raises(UsageError, match="already paused"):
        rollouts.pause(bench.workspace, "g")
    rollouts.abort(bench.workspace, "g")
    with pytest.raises(UsageError, match="already aborted"):
        rollouts.abort(bench.workspace, "g")


def test_a_step_that_waits_for_something_else_is_not_approved(bench: VirtualBench) -> None:
    steps = [{"count": 1, "pauseUntil": "finished"}, {"count": 2, "pauseUntil": "approved"}]
    bench.write(group("h", [run(f"r{n}") for n in range(3)], rollout={"steps": steps}))
    bench.apply()
    with pytest.raises(UsageError, match="no approval: step 1 waits until its runs have finished"):
        rollouts.approve(bench.workspace, "h")
    bench.pass_time(100)
    bench.apply()
    assert rollouts.approve(bench.workspace, "h").approved == 2
    bench.apply()
    assert len(bench.remote.counts) == 2 + 3


def test_all_runs_that_are_released_wait_for_nobody(bench: VirtualBench) -> None:
    rollouts.approve(bench.workspace, "g")
    bench.pass_time(100)
    bench.apply()
    with pytest.raises(UsageError, match="all of its runs are released"):
        rollouts.approve(bench.workspace, "g")
