"""Recorded runs, shown: their states now and their past."""

from __future__ import annotations

import pytest

from tests.support.virtual import VirtualBench
from tests.support.workbench import group, run
from wfdeploy.errors import StateError, UsageError
from wfdeploy.model.observed import RunState
from wfdeploy.model.options import StopFlag
from wfdeploy.model.status import ShownState, StatusRow
from wfdeploy.operations.status import history, selected, status, watch

MANY = 12
"""So many that they are listed, and not asked for one by one."""


@pytest.fixture
def bench(bench: VirtualBench) -> VirtualBench:
    runs = [run(f"r{n:02}", labels=["even" if n % 2 == 0 else "odd"]) for n in range(MANY)]
    bench.write(group("g", runs), group("h", [run("x")]))
    bench.apply()
    return bench


def test_states_are_those_of_the_server(bench: VirtualBench) -> None:
    bench.pass_time(10)
    assert {row.run_state for row in status(bench.workspace, ())} == {RunState.STARTED}
    bench.pass_time(60)
    rows = status(bench.workspace, ())
    assert {row.run_state for row in rows} == {RunState.SUCCESS}
    assert [row.address for row in rows] == sorted(row.address for row in rows)
    assert len(rows) == MANY + 1


def test_globs_and_labels_choose(bench: VirtualBench) -> None:
    with bench.open() as store:
        assert len(list(selected(store, ["g/*"], ()))) == MANY
        assert len(list(selected(store, ["g/*"], ["even"]))) == MANY / 2
        assert len(list(selected(store, (), ["even", "odd"]))) == MANY
        with pytest.raises(UsageError, match="other"):
            list(selected(store, (), ["other"]))
        with pytest.raises(UsageError, match="nope"):
            list(selected(store, ["nope/*"], ()))


def test_it_is_shown_until_no_run_may_change(bench: VirtualBench) -> None:
    shown: list[int] = []

    def show(rows: list[StatusRow] | object) -> None:
        assert isinstance(rows, list)
        shown.append(sum(row.run_state is RunState.SUCCESS for row in rows))

    watch(bench.workspace, ["g/*"], (), interval_s=30.0, show=show, stop=StopFlag())
    assert shown[0] == 0
    assert shown[-1] == MANY


def test_states_choose_and_it_is_watched_until_none_of_the_others_may_change(bench: VirtualBench) -> None:
    shown: list[int] = []
    watch(
        bench.workspace,
        ["g/*"],
        (),
        {ShownState.RUNNING},
        interval_s=30.0,
        show=lambda rows: shown.append(len(rows)),
        stop=StopFlag(),
    )
    assert (max(shown), shown[-1]) == (MANY, 0)
    assert status(bench.workspace, (), (), {ShownState.FAILED}) == []


def test_a_stop_ends_it(bench: VirtualBench) -> None:
    stop = StopFlag()
    shown: list[object] = []

    def show(rows: object) -> None:
        shown.append(rows)
        stop.request()

    watch(bench.workspace, ["g/*"], (), interval_s=30.0, show=show, stop=stop)
    assert len(shown) == 1


def test_the_past_is_shown_oldest_first(bench: VirtualBench) -> None:
    bench.write(group("h", [run("x", body="2")]), file="h.yaml")
    bench.write(group("g", [run("r00")]))
    bench.pass_time(100)
    bench.apply(prune=False)
    past = history(bench.workspace, ["h/x"], ())
    assert [one.ended for one in past] == ["superseded", None]
    assert [one.record.generation for one in past] == [1, 1]


def test_without_a_state_there_is_no_past(bench: VirtualBench) -> None:
    bench.lose_state()
    with pytest.raises(StateError):
        history(bench.workspace, (), ())
