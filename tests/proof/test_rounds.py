"""`apply --wait` in virtual time: through groups and steps to the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.proof.test_turns import load, rolled, seed
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.cli.exit_codes import of_report
from wfdeploy.errors import ExitCode
from wfdeploy.model.event import Outcome
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import Plan
from wfdeploy.model.remote import RunState

WAITING = ApplyOptions(wait=True)


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=100.0) as bench:
        yield bench


def test_groups_are_released_in_order_until_all_runs_have_ended(bench: VirtualBench) -> None:
    bench.write(seed(), load(), group("last", [run("x")], dependsOn=[{"group": "load"}]))
    asked: list[Plan] = []

    def confirm(plan: Plan) -> bool:
        asked.append(plan)
        return True

    report = bench.apply(options=WAITING, confirm=confirm)
    assert counts(report) == {"triggered": 6}
    assert report.watched == {RunState.SUCCESS: 6}
    assert {result.outcome for result in report.results} == {Outcome.TRIGGERED}
    assert of_report(report) is ExitCode.OK
    assert len(asked) == 1, "what follows was consented to"
    assert len(bench.triggered()) == 6


def test_a_rollout_goes_through_its_steps_and_bakes(bench: VirtualBench) -> None:
    bench.write(rolled())
    began = bench.clock.now_ms()
    report = bench.apply(options=WAITING)
    assert (counts(report), report.watched) == ({"triggered": 10}, {RunState.SUCCESS: 10})
    assert bench.clock.now_ms() - began > 1000 * (3 * 100 + 600)
    with bench.open() as store:
        assert store.rollouts() == {}


def test_what_can_not_go_on_ends_the_wait_and_says_why(bench: VirtualBench) -> None:
    bench.remote.badly = lambda run_id: "seed-s1" in run_id
    bench.write(seed(), load())
    report = bench.apply(options=WAITING)
    assert counts(report) == {"triggered": 3, "blocked": 2}
    assert report.watched == {RunState.SUCCESS: 2, RunState.FAILED: 1}
    assert report.unsettled == "2 blocked; load/l0: waits for group seed: 2 of 3 succeeded, 1 ended otherwise"
    assert of_report(report) is ExitCode.PARTIAL


def test_a_step_that_waits_for_a_person_ends_the_wait(bench: VirtualBench) -> None:
    bench.write(rolled(steps=[{"count": 1, "pauseUntil": "approved"}]))
    report = bench.apply(options=WAITING)
    assert report.unsettled is not None
    assert "wfdeploy rollout approve g" in report.unsettled
    assert of_report(report) is ExitCode.PARTIAL


def test_the_wait_is_bounded(bench: VirtualBench) -> None:
    bench.write(seed())
    report = bench.apply(options=ApplyOptions(wait=True, wait_timeout_s=30.0))
    assert report.unsettled == "3 runs are still going"
    assert report.watched == {RunState.STARTED: 3}
    assert of_report(report) is ExitCode.PARTIAL


def test_without_anything_to_do_it_waits_for_what_is_going(bench: VirtualBench) -> None:
    bench.write(seed())
    bench.apply()
    report = bench.apply(options=WAITING)
    assert (counts(report), report.watched) == ({"kept": 3}, {RunState.SUCCESS: 3})
    report = bench.apply(options=WAITING)
    assert (counts(report), report.watched) == ({"kept": 3}, {})
