"""Adopt in virtual time: what it records is what an apply would have triggered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.model.plan import Plan


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    with virtual_bench(duration_s=1000.0) as bench:
        yield bench


@pytest.mark.parametrize("policy", ["allow", "wait", "cancel"])
def test_a_changed_run_is_adopted_while_its_predecessor_runs(bench: VirtualBench, policy: str) -> None:
    """Nothing is sent, so there is nothing that would have to wait, or to be cancelled."""
    spec = {"policy": {"replaceRunning": policy}}
    bench.write(group("g", [run("a", body=1), run("b", body=1)], **spec))
    bench.apply()
    bench.write(group("g", [run("a", body=2), run("b", body=1)], **spec))
    shown: list[Plan] = []

    def confirm(plan: Plan) -> bool:
        shown.append(plan)
        return True

    assert counts(bench.adopt(confirm=confirm)) == {"adopted": 1, "kept": 1}
    assert [change.reason for change in shown[0].changes] == ["recorded as triggered, not sent (changed)"]
    bench.pass_time(2000)
    assert counts(bench.apply()) == {"kept": 2}
    assert len(bench.triggered()) == 2
