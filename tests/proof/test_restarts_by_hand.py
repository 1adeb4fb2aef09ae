"""`restart` by hand is about runs that failed, were cancelled or vanished: nothing else starts by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import InvalidInput
from wfdeploy.model.plan import Action, RequestedAction
from wfdeploy.operations import rollouts

NAMES = [f"r{index}" for index in range(6)]


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    """Every run fails."""
    with virtual_bench(duration_s=100.0) as bench:
        bench.remote.badly = lambda _: True
        yield bench


def rolled(body: int = 1, **spec: Any) -> dict[str, Any]:
    return group("g", [run(name, body=body) for name in NAMES], rollout={"steps": [{"count": 1}]}, **spec)


@pytest.mark.parametrize("steer", [None, rollouts.pause, rollouts.abort])
def test_runs_that_a_rollout_holds_back_stay_so(
    bench: VirtualBench, steer: Callable[[Any, str], object] | None
) -> None:
    bench.write(rolled())
    bench.apply()
    bench.pass_time(150)
    if steer is not None:
        steer(bench.workspace, "g")
    plan = bench.plan(requested=RequestedAction.RESTART, targets=("g/*",))
    assert {change.action: change.reason for change in (*plan.changes, *plan.kept)} == {
        Action.RESTART: "failed; requested",
        Action.KEEP: "was never triggered: apply does it",
    }
    assert counts(bench.apply(requested=RequestedAction.RESTART, targets=("g/*",)))["triggered"] == 1
    assert len(bench.remote.counts) == 2, "the canary alone"


def test_so_do_those_that_were_edited(bench: VirtualBench) -> None:
    bench.remote.badly = lambda run_id: "g-r0" in run_id
    bench.write(group("g", [run(name, body=1) for name in NAMES]))
    bench.apply()
    bench.pass_time(150)
    bench.write(rolled(2))
    assert counts(bench.apply(requested=RequestedAction.RESTART, targets=("g/*",)))["triggered"] == 1
    assert len(bench.remote.counts) == 7, "the one that failed, as it is declared now"


def test_so_do_those_that_wait_for_another_group(bench: VirtualBench) -> None:
    bench.write(group("seed", [run("s")]), group("g", [run("r")], dependsOn=[{"group": "seed"}]))
    bench.apply()
    bench.pass_time(150)
    assert counts(bench.apply(requested=RequestedAction.RESTART, targets=("*/*",)))["triggered"] == 1
    assert not any(run_id.startswith("wfr_g-") for run_id in bench.remote.counts)


def test_an_instance_that_is_due_is_left_to_apply(bench: VirtualBench) -> None:
    bench.write(group("n", [run("a")], schedule={"cron": "0 * * * *"}))
    bench.apply()
    bench.at("2026-11-23T15:00:00Z")
    bench.apply()
    bench.at("2026-11-23T16:00:00Z")
    assert counts(bench.apply(requested=RequestedAction.RESTART, targets=("n/*",)))["triggered"] == 1
    bench.apply()
    assert sorted(run_id.partition("-g")[2][:1] for run_id in bench.remote.counts) == ["1", "1", "2"]
    assert sum("t16-00-00z" in run_id for run_id in bench.remote.counts) == 1


def test_what_was_refused_is_sent_again(bench: VirtualBench) -> None:
    bench.remote.bad = lambda _: True
    bench.write(group("g", [run("r")]))
    bench.apply()
    bench.remote.bad = lambda _: False
    assert counts(bench.apply(requested=RequestedAction.RESTART, targets=("g/*",)))["triggered"] == 1


def test_what_stands_in_the_way_of_another_run_does_not_matter(bench: VirtualBench) -> None:
    bench.write(group("g", [run("a"), run("fixed", workflowRunId="mine")]))
    bench.apply()
    bench.pass_time(150)
    assert counts(bench.apply(requested=RequestedAction.RETRIGGER, targets=("g/a",)))["triggered"] == 1
    with pytest.raises(InvalidInput) as caught:
        bench.plan(requested=RequestedAction.RETRIGGER, targets=("g/*",))
    assert [(each.code, each.address) for each in caught.value.diagnostics] == [("same-run-id", "g/fixed")]
