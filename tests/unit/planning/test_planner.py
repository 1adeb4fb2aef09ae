"""A plan that stands after an empty listing is the one that would have been made anew."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, group, run
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Forget, PutAttempt, PutRecord
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.plan import Action, Selection
from wfdeploy.model.state import Attempt, AttemptStatus, Record
from wfdeploy.operations import plan as planning
from wfdeploy.planning.listing.run_listing import RunListing
from wfdeploy.planning.planner import Planner
from wfdeploy.ports import StateStore


def planner_on(bench: Workbench, store: StateStore) -> Planner:
    return Planner(bench.workspace, load_manifests(bench.project), store, Selection())


def bench_with_runs(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token")
    bench.write(group("waves", [run("a", body={"n": 1}), run("b")]))
    return bench


def test_an_empty_listing_changes_nothing_but_that_the_plan_is_verified(tmp_path: Path) -> None:
    bench = bench_with_runs(tmp_path)
    with closing(bench.workspace.open_state()) as store:
        twice = planner_on(bench, store)
        first = twice.plan().plan
        second = twice.plan(RunListing(runs=())).plan
        anew = planner_on(bench, store).plan(RunListing(runs=())).plan
    assert not first.verified
    assert second.verified
    assert second == anew == replace(first, verified=True)


def test_what_a_listing_tells_is_planned_with(tmp_path: Path) -> None:
    bench = bench_with_runs(tmp_path)
    with closing(bench.workspace.open_state()) as store:
        planner = planner_on(bench, store)
        first = planner.plan().plan
        listed = ObservedRun(workflow_run_id=first.changes[0].workflow_run_id, created_at_ms=1, state=RunState.SUCCESS)
        second = planner.plan(RunListing(runs=(listed,))).plan
    assert [change.action for change in first.changes] == [Action.TRIGGER, Action.TRIGGER]
    assert [change.action for change in second.changes] == [Action.ADOPT, Action.TRIGGER]


def test_attempts_are_looked_at_anew(tmp_path: Path) -> None:
    bench = bench_with_runs(tmp_path)
    with closing(bench.workspace.open_state()) as store:
        change = planner_on(bench, store).plan().plan.changes[0]
        attempt = Attempt(
            address=change.address,
            fingerprint=change.fingerprint,
            generation=1,
            workflow_run_id=change.workflow_run_id,
            status=AttemptStatus.INTENT,
            intent_at_ms=1,
        )
        store.commit([PutAttempt(attempt)])
        planner = planner_on(bench, store)
        assert planner.plan().plan.changes[0].action is Action.RECOVER
        planner.baseline.attempts[attempt.address] = attempt._replace(status=AttemptStatus.REJECTED, error="no")
        assert planner.plan(RunListing(runs=())).plan.changes[0].action is Action.TRIGGER


def test_a_state_with_nothing_but_a_past_is_asked_for_generations(tmp_path: Path) -> None:
    bench = bench_with_runs(tmp_path)
    with closing(bench.workspace.open_state()) as store:
        change = planner_on(bench, store).plan().plan.changes[0]
        record = Record(
            address=Address(change.address),
            fingerprint=change.fingerprint,
            generation=3,
            workflow_run_id="wfr_x",
        )
        store.commit([PutRecord(record)])
        store.commit([Forget(change.address)])
        assert planner_on(bench, store).plan().plan.changes[0].generation == 4


def test_runs_of_groups_that_were_not_loaded_are_not_taken_for_removed(tmp_path: Path) -> None:
    clock = ManualClock()
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=clock)
    remote = ModelServer(clock)
    bench.wrap = lambda _: remote
    bench.write(group("g", [run("a"), run("b")]), file="g.yaml")
    bench.write(group("h", [run("a", body=2)]), file="h.yaml")
    bench.apply()
    only_h = [str(tmp_path / "manifests" / "h.yaml")]
    selection = Selection()
    with planning.planned(bench.workspace, paths=only_h, selection=selection, offline=True, keep_all=False) as plan:
        assert plan.orphans == 0
    bench.write(group("g", [run("a")]), file="g.yaml")
    assert bench.plan(offline=True).orphans == 1
    (tmp_path / "manifests" / "g.yaml").unlink()
    assert bench.plan(offline=True).orphans == 2
