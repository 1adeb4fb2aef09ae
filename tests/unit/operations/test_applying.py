"""An apply: what it does in which order, and what it leaves undone."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from tests.fakes.model_server import Fault
from tests.fakes.state_backend import altered
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import Interrupted, StateUnusable, Withheld
from wfdeploy.model.options import ApplyOptions, StopFlag
from wfdeploy.model.plan import Plan
from wfdeploy.ports import RecordReader


def test_what_is_declared_is_triggered_once(bench: VirtualBench) -> None:
    bench.write(group("g", [run(f"r{n}") for n in range(3)]))
    assert counts(bench.apply()) == {"triggered": 3}
    assert counts(bench.apply()) == {"kept": 3}
    assert sum(bench.remote.counts.values()) == 3


def test_nothing_is_sent_or_written_without_consent(bench: VirtualBench) -> None:
    bench.write(group("g", [run("a")]))
    with pytest.raises(Withheld, match="declined"):
        bench.apply(confirm=lambda _: False)
    assert bench.remote.calls == 0
    assert not bench.state_file.exists()


def test_consent_is_asked_for_the_plan_that_is_carried_out(bench: VirtualBench) -> None:
    shown: list[int] = []

    def confirm(plan: Plan) -> bool:
        shown.append(plan.sends)
        return True

    bench.write(group("g", [run("a"), run("b")]))
    bench.apply(confirm=confirm)
    assert shown == [2]


def test_a_stop_before_anything_was_sent_sends_nothing(bench: VirtualBench) -> None:
    stop = StopFlag()
    stop.request()
    bench.write(group("g", [run("a")]))
    with pytest.raises(Interrupted):
        bench.apply(stop=stop)
    assert bench.remote.calls == 0


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
def test_a_lost_answer_is_looked_up_in_the_same_apply(bench: VirtualBench, fault: Fault) -> None:
    bench.write(group("g", [run("a")]))
    bench.remote.faults = [fault]
    assert counts(bench.apply()) == {"triggered": 1}
    assert set(bench.remote.counts.values()) == {1}


def test_without_time_a_lost_answer_is_left_to_the_next_apply(bench: VirtualBench) -> None:
    bench.write(group("g", [run("z")]))
    bench.apply()
    bench.pass_time(100)
    bench.write(group("g", [run("z"), run("a")]))
    bench.remote.faults = [Fault.LOST_AFTER]
    assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0))) == {"unknown": 1, "kept": 1}
    bench.pass_time(10)
    assert counts(bench.apply()) == {"triggered": 1, "kept": 1}
    assert set(bench.remote.counts.values()) == {1}


def test_the_mark_of_the_latest_state_is_away_while_requests_are(bench: VirtualBench) -> None:
    bench.write(group("g", [run("a")]))
    backend = bench.workspace.state_backend
    calls: list[str] = []

    def clear(store: RecordReader) -> None:
        calls.append(f"cleared after {bench.remote.calls} calls")
        backend.clear_mark(store)

    def mark(store: RecordReader) -> None:
        calls.append(f"marked after {bench.remote.calls} calls")
        backend.mark_latest(store)

    bench.apply(state_backend=altered(backend, clear_mark=clear, mark_latest=mark))
    assert calls == ["cleared after 0 calls", "marked after 1 calls"]
    with closing(bench.open()) as store:
        assert bench.workspace.state_backend.is_latest(store)


def test_a_mark_that_cannot_be_cleared_sends_nothing(bench: VirtualBench) -> None:
    def stuck(_: object) -> None:
        raise StateUnusable("cannot remove the mark")

    bench.write(group("g", [run("a")]))
    with pytest.raises(StateUnusable, match="mark"):
        bench.apply(state_backend=altered(bench.workspace.state_backend, clear_mark=stuck))
    assert bench.remote.calls == 0


def test_a_new_state_is_withheld_where_one_is_required(bench: VirtualBench) -> None:
    bench.project = replace(bench.project, state_required=True)
    bench.write(group("g", [run("a")]))
    with pytest.raises(Withheld, match="requires one"):
        bench.apply()
    assert counts(bench.apply(options=ApplyOptions(create_state=True))) == {"triggered": 1}
