"""Rollouts whose steps are edited while they are under way: no more runs start than the steps of today allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.fakes.model_server import Fault
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import group, run
from wfdeploy.model.blocking import RolloutMode
from wfdeploy.model.plan import Action
from wfdeploy.operations import rollouts
from wfdeploy.render.rollouts import text


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100.0) as bench:
        yield bench


def rolled(*steps: dict[str, Any], runs: int = 10, most: object = None, **spec: Any) -> dict[str, Any]:
    rollout = {"steps": list(steps), **({} if most is None else {"maxFailures": most})}
    return group("g", [run(f"r{index}") for index in range(runs)], rollout=rollout, **spec)


def applied(bench: VirtualBench, times: int = 1) -> int:
    """Apply so often, each time after the runs have ended, and count the runs that were started until then."""
    for _ in range(times):
        bench.pass_time(150)
        bench.apply()
    return len(bench.remote.counts)


def reasons(bench: VirtualBench) -> set[str]:
    return {change.reason for change in bench.plan().changes if change.action is Action.BLOCKED}


COUNTS = ({"count": 1}, {"count": 2}, {"count": 3}, {"percent": 50})


@pytest.mark.parametrize(
    ("edited", "counts"),
    [
        (({"count": 3, "pauseUntil": "approved"}, {"percent": 50}), [3, 3]),  # fewer steps: the third was the last
        (({"count": 1, "pauseUntil": "approved"},), [3, 3]),  # all of them have less room than was let go
        (({"count": 2}, {"count": 4}, {"percent": 50}), [4, 5]),
        ((*COUNTS[:3], {"count": 4}, {"percent": 50}), [4, 5]),  # more of them
    ],
)
def test_it_goes_on_with_the_step_that_has_place_for_what_was_started(
    bench: VirtualBench, edited: Sequence[dict[str, Any]], counts: list[int]
) -> None:
    bench.write(rolled(*COUNTS))
    assert applied(bench, 3) == 3
    bench.write(rolled(*edited))
    assert [applied(bench) for _ in counts] == counts


def test_what_was_approved_were_other_steps(bench: VirtualBench) -> None:
    first, second = ({"count": count, "pauseUntil": "approved"} for count in (1, 2))
    bench.write(rolled(first, second))
    applied(bench)
    rollouts.approve(bench.workspace, "g")
    bench.write(rolled({"count": 1, "pauseUntil": "approved", "bake": "1h"}, second))
    assert applied(bench) == 1
    assert reasons(bench) == {"rollout, step 1 of 2: waits for `wfdeploy rollout approve g`"}


def test_steps_that_stay_as_they_are_keep_what_was_reached(bench: VirtualBench) -> None:
    steps = ({"count": 1}, {"count": 2, "pauseUntil": "approved"})
    bench.write(rolled(*steps))
    assert applied(bench, 2) == 2
    rollouts.approve(bench.workspace, "g")
    bench.write(rolled(*steps, most=5, policy={"onFailure": "restart"}))
    assert applied(bench) == 10


@pytest.mark.parametrize("fault", [None, Fault.REFUSED, Fault.NOT_SENT])
def test_what_was_let_go_and_not_sent_goes_by_the_smaller_step(bench: VirtualBench, fault: Fault | None) -> None:
    bench.write(rolled({"count": 5}))
    if fault is None:
        bench.apply_and_die(2, after=False)
    else:
        bench.remote.faults = [fault] * 20
        bench.apply()
        bench.remote.faults = []
    assert not bench.remote.counts
    bench.write(rolled({"count": 1}, {"count": 3}))
    assert [applied(bench) for _ in range(3)] == [1, 3, 10]


def test_a_run_that_is_declared_again_takes_no_place_beside_the_step(bench: VirtualBench) -> None:
    """Its place was given to another one when it was forgotten."""

    def write(names: Sequence[str]) -> None:
        steps = {"steps": [{"count": 1}]}
        bench.write(group("g", [run(name) for name in names], rollout=steps, policy={"onRemove": "forget"}))

    names = [f"r{index}" for index in range(6)]
    write(names)
    bench.apply()
    with bench.open() as store:
        (canary,) = store.members("g")
    write([name for name in names if f"g/{name}" != canary])
    bench.apply()
    bench.apply()
    assert len(bench.remote.counts) == 2, "the canary isn't declared any more, so another run proves itself"
    write(names)
    bench.apply()
    assert len(bench.remote.counts) == 2
    assert applied(bench) == 7


def test_failures_that_were_tolerated_and_mended_are_no_licence_for_others(bench: VirtualBench) -> None:
    counts = [{"count": count, "pauseUntil": "finished"} for count in (3, 4, 6)]
    bench.write(rolled(*counts, most=0, policy={"onFailure": "restart"}))
    bench.remote.badly = lambda _: True
    bench.apply()
    bench.pass_time(150)
    bench.apply()  # stops, and restarts the three
    assert {reason.partition(":")[0] for reason in reasons(bench)} == {"rollout stopped"}
    assert any("too many runs had failed" in reason for reason in reasons(bench))
    rollouts.resume(bench.workspace, "g")
    bench.remote.badly = lambda _: False
    applied(bench)
    good = set(bench.remote.counts)
    bench.remote.badly = lambda run_id: run_id not in good
    applied(bench, 4)
    with bench.open() as store:
        assert store.rollouts()["g"].mode is RolloutMode.STOPPED
    assert sum("-g1-" in run_id for run_id in bench.remote.counts) < 10, "what follows are restarts"


def test_until_the_next_apply_its_status_tells_that_the_steps_are_others(bench: VirtualBench) -> None:
    def shown() -> str:
        return "".join(text(rollouts.status(bench.workspace, ())))

    bench.write(rolled(*COUNTS))
    assert applied(bench, 3) == 3
    assert "3 of 4 (3)" in shown()
    bench.write(rolled({"count": 3, "pauseUntil": "approved"}, {"percent": 50}))
    assert "3 (steps edited)" in shown()
    assert "approved" not in shown()
    bench.apply()
    assert "1 of 2 (3)" in shown()
