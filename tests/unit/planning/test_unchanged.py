"""The plan of a world that didn't change is the one that a closer look would give."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer, dying
from tests.support.workbench import Workbench, counts, group, run
from wfdeploy.manifests import loading
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Decide, Observe, Remember
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.plan import Plan, Selection
from wfdeploy.operations import apply as applying
from wfdeploy.planning import unchanged
from wfdeploy.planning.listing.run_listing import RunListing
from wfdeploy.planning.planner import Planner
from wfdeploy.planning.renames import Renames

RUNS = [run("a", body={"n": 1}), run("b")]


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    remote = ModelServer(ManualClock())
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=0.0, log_lag_given=True)
    bench.write(group("g", RUNS), group("h", RUNS))
    assert counts(bench.apply()) == {"triggered": 4}
    return bench


def plans(bench: Workbench, selection: Selection | None = None) -> tuple[Plan | None, Plan]:
    """The plain plan, where there is one, and the one of a closer look."""
    workspace, selection = bench.workspace, selection or Selection()
    with loading.load(workspace, None, selection) as manifests, closing(workspace.open_state(readonly=True)) as store:
        plain = unchanged.unchanged(workspace, manifests, store, selection, offline=False)
        return plain, Planner(workspace, manifests, store, selection).plan(RunListing(runs=())).plan


def test_nothing_to_do_is_told_as_by_a_closer_look(bench: Workbench) -> None:
    plain, close = plans(bench)
    assert plain is not None
    assert replace(plain, changes=close.changes) == close
    assert list(plain.changes) == list(close.changes) == []
    assert bench.plan() == plain


def edit(bench: Workbench) -> None:
    bench.write(group("g", [run("a", body={"n": 2}), run("b")]), group("h", RUNS))


def orphan(bench: Workbench) -> None:
    bench.write(group("g", RUNS), group("h", RUNS[:1]))


def lost_group(bench: Workbench) -> None:
    bench.write(group("g", RUNS))


def lost_answer(bench: Workbench) -> None:
    remote = bench.wrap(None)  # type: ignore[arg-type]
    assert isinstance(remote, ModelServer)
    remote.faults = [Fault.CRASH_AFTER]
    bench.write(group("g", [*RUNS, run("c")]), group("h", RUNS))
    with dying():
        bench.apply()
    bench.write(group("g", RUNS), group("h", RUNS))


def failed(bench: Workbench) -> None:
    with closing(bench.workspace.open_state()) as store:
        store.commit([Observe(Address("g/a"), RunState.FAILED, 5)])


def unclaimed(bench: Workbench) -> None:
    with closing(bench.workspace.open_state()) as store:
        store.commit([Remember(ObservedRun(workflow_run_id="wfr_x", created_at_ms=1, state=RunState.SUCCESS))])


def waits(bench: Workbench) -> None:
    bench.write(group("g", RUNS), group("h", RUNS, dependsOn=[{"group": "g", "condition": "succeeded"}]))


def cares(bench: Workbench) -> None:
    bench.write(group("g", RUNS, policy={"onFailure": "restart"}), group("h", RUNS))


def moves(bench: Workbench) -> None:
    bench.write(group("new", RUNS, moved=[{"from": "g", "to": "new"}]), group("h", RUNS))


def moves_one(bench: Workbench) -> None:
    bench.write(group("g", [RUNS[0], run("c")], moved=[{"from": "g/b", "to": "g/c"}]), group("h", RUNS))


def moves_what_is_said_of_a_group(bench: Workbench) -> None:
    bench.write(group("g", RUNS, moved=[{"from": "old", "to": "g"}]), group("h", RUNS))
    with closing(bench.workspace.open_state()) as store:
        store.commit([Decide("old", 5)])


@pytest.mark.parametrize("change", [moves, moves_one], ids=lambda one: one.__name__)
def test_a_move_that_was_made_long_ago_takes_no_closer_look(
    bench: Workbench, change: Callable[[Workbench], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(bench)
    bench.apply()
    plain, close = plans(bench)
    assert plain is not None
    assert replace(plain, changes=close.changes) == close
    assert list(close.changes) == []
    # Nor does a plan that is about something else look at the runs of such a move.
    monkeypatch.setattr(Renames, "_movable", lambda _: pytest.fail("there is nothing to move"))
    bench.write(group("i", RUNS), file="more.yaml")
    assert bench.plan().sends == 2


@pytest.mark.parametrize(
    "change",
    [
        edit,
        orphan,
        lost_group,
        lost_answer,
        failed,
        unclaimed,
        waits,
        cares,
        moves,
        moves_one,
        moves_what_is_said_of_a_group,
    ],
    ids=lambda one: one.__name__,
)
def test_whatever_is_not_plain_gets_a_closer_look(bench: Workbench, change: Callable[[Workbench], None]) -> None:
    change(bench)
    assert plans(bench)[0] is None


@pytest.mark.parametrize(
    "selection", [Selection(targets=("g",)), Selection(replace=("g/a",)), Selection(prune=True), Selection(limit=1)]
)
def test_whatever_is_asked_for_gets_a_closer_look(bench: Workbench, selection: Selection) -> None:
    assert plans(bench, selection)[0] is None


def test_an_apply_with_nothing_to_do_says_what_a_closer_look_would(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = bench.apply()
    with closing(bench.open()) as store:
        serial = store.head().serial
    monkeypatch.setattr(applying, "_nothing_to_do", lambda *_: None)
    assert replace(bench.apply(), took_s=quick.took_s) == quick
    with closing(bench.open()) as store:
        assert store.head().serial == serial


def test_what_a_group_wants_done_with_removed_runs_is_written_down_though_nothing_is_to_do(bench: Workbench) -> None:
    bench.write(group("g", RUNS, policy={"onRemove": "forget"}), group("h", RUNS))
    assert counts(bench.apply()) == {"kept": 4}
    bench.write(group("h", RUNS))
    assert counts(bench.apply()) == {"forgotten": 2, "kept": 2}
