"""What is recorded, shown and mended by hand."""

from __future__ import annotations

import pytest

from tests.fakes.model_server import Fault
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import StateError, UsageError
from wfdeploy.model.options import ApplyOptions
from wfdeploy.operations import state
from wfdeploy.operations.state import Resolution


@pytest.fixture
def bench(bench: VirtualBench) -> VirtualBench:
    bench.write(group("g", [run("a"), run("b")]))
    bench.apply()
    return bench


def test_records_are_listed_and_shown(bench: VirtualBench) -> None:
    assert [row.address for row in state.list_records(bench.workspace, ())] == ["g/a", "g/b"]
    shown = state.show(bench.workspace, "g/a")
    assert (shown["record"]["workflowRunId"], shown["attempt"], shown["history"]) == (
        next(run_id for run_id in bench.remote.counts if "g-a-" in run_id),
        None,
        [],
    )
    with pytest.raises(UsageError, match="nothing is recorded"):
        state.show(bench.workspace, "g/c")


def test_a_forgotten_run_is_triggered_again_under_another_id(bench: VirtualBench) -> None:
    assert state.remove(bench.workspace, ["g/a"]) == ["g/a"]
    bench.pass_time(100)
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    assert set(bench.remote.counts.values()) == {1}
    assert len(bench.remote.counts) == 3


def test_a_renamed_run_is_not_triggered_again(bench: VirtualBench) -> None:
    state.move(bench.workspace, "g/a", "g/c")
    bench.write(group("g", [run("b"), run("c")]))
    bench.pass_time(100)
    bench.apply()
    assert len(bench.remote.counts) == 2
    with pytest.raises(UsageError, match="recorded"):
        state.move(bench.workspace, "g/b", "g/c")
    with pytest.raises(UsageError, match="nothing is recorded"):
        state.move(bench.workspace, "g/x", "g/y")


@pytest.mark.parametrize("resolution", list(Resolution))
def test_a_lost_run_is_resolved_by_hand(bench: VirtualBench, resolution: Resolution) -> None:
    bench.write(group("g", [run("a"), run("b"), run("c")]))
    bench.remote.faults = [Fault.LOST_AFTER if resolution is Resolution.TRIGGERED else Fault.LOST_BEFORE]
    assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0)))["unknown"] == 1
    state.resolve(bench.workspace, "g/c", resolution)
    bench.pass_time(100)
    bench.apply()
    assert len(bench.remote.counts) == 3
    assert set(bench.remote.counts.values()) == {1}
    with pytest.raises(UsageError, match="is not open"):
        state.resolve(bench.workspace, "g/c", resolution)


def test_an_export_is_imported_where_no_state_is(bench: VirtualBench) -> None:
    lines = list(state.export(bench.workspace))
    with pytest.raises(StateError, match="exists"):
        state.import_(bench.workspace, lines)
    bench.lose_state()
    assert state.import_(bench.workspace, lines) == 2
    assert list(state.export(bench.workspace)) == lines
