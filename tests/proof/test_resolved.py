"""A person says what became of a restart or a resume that is older than the logs remember."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.model_server import Fault, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import UsageError
from wfdeploy.model.address import exactly
from wfdeploy.model.state import Record
from wfdeploy.operations import state as state_operations
from wfdeploy.operations.state import Resolution

DAYS = 4 * 86_400.0
MOST_TRIES = 3


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    """Every run fails, and the logs forget it after three days."""
    with virtual_bench() as bench:
        bench.remote.failing = lambda _: True
        bench.server(dlq_retention_s=60 * 86_400.0)
        yield bench


def begin(bench: VirtualBench, action: str, **policy: str) -> None:
    """A run that failed, and another try at it of which nobody knows any more what became of it."""
    bench.write(group("g", [run("a")], policy={"onFailure": {"action": action, "maxAttempts": MOST_TRIES}, **policy}))
    bench.apply()
    bench.pass_time(100)
    bench.remote.faults = [Fault.CRASH_AFTER]
    with dying():
        bench.apply()
    assert len(bench.remote.runs) == 2
    bench.pass_time(DAYS)
    bench.remote.runs[-1].visible_ms = 2**62  # the logs have forgotten it
    assert counts(bench.apply()) == {"unknown": 1}


def record(bench: VirtualBench) -> Record:
    with bench.open() as store:
        assert not list(store.attempts())
        (one,) = store.records(["g/a"])
        return one


def resolve(bench: VirtualBench, resolution: Resolution, run_id: str | None = None) -> None:
    state_operations.resolve(bench.workspace, "g/a", resolution, run_id)


def try_on(bench: VirtualBench) -> int:
    """Apply until nothing happens any more; how many runs there are then."""
    bench.remote.runs[-1].visible_ms = 0
    bench.server(log_retention_s=60 * 86_400.0)
    for _ in range(2 * MOST_TRIES):
        bench.pass_time(100)
        bench.apply()
    return len(bench.remote.runs)


def test_a_restart_keeps_the_number_of_its_tries(bench: VirtualBench) -> None:
    begin(bench, "restart")
    resolve(bench, Resolution.TRIGGERED)
    assert (record(bench).tries, record(bench).generation) == (1, 2)
    assert try_on(bench) == 1 + MOST_TRIES


def test_a_restart_that_is_sent_again_keeps_the_number_of_its_tries(bench: VirtualBench) -> None:
    begin(bench, "restart")
    lost = bench.remote.runs.pop()
    resolve(bench, Resolution.RESEND)
    assert counts(bench.apply()) == {"triggered": 1}
    assert (bench.remote.runs[-1].run_id, record(bench).tries) == (lost.run_id, 1)
    assert try_on(bench) == 1 + MOST_TRIES


@pytest.mark.parametrize("action", ["restart", "resume"])
def test_a_run_of_which_the_logs_know_nothing_is_too_old_and_not_missing(bench: VirtualBench, action: str) -> None:
    begin(bench, action, onCancelled="restart")
    resolve(bench, Resolution.TRIGGERED, bench.remote.runs[1].run_id)
    for _ in range(3):
        bench.pass_time(1000)
        bench.apply()
    assert len(bench.remote.runs) == 2


def test_a_resumed_run_is_known_by_the_id_that_a_person_tells(bench: VirtualBench) -> None:
    begin(bench, "resume")
    first, resumed = (one.run_id for one in bench.remote.runs)
    with pytest.raises(UsageError, match="--run-id") as without:
        resolve(bench, Resolution.TRIGGERED)
    (label,) = (one for one in bench.remote.runs[1].labels[1:])
    assert label in (without.value.hint or ""), "it can be looked for in the console"
    for wrong in (label, first, f"wfr_{first}", "", "a,b"):
        with pytest.raises(UsageError, match="is not the id"):
            resolve(bench, Resolution.TRIGGERED, wrong)
    resolve(bench, Resolution.TRIGGERED, resumed)
    found = record(bench)
    assert (found.workflow_run_id, found.triggered_id, found.tries) == (resumed, first, 1)
    with bench.open() as store:
        (before,) = store.history(exactly("g/a"))
        assert (before.record.workflow_run_id, before.ended.value) == (first, "resumed")
    assert try_on(bench) == 1 + MOST_TRIES


def test_a_resumed_run_that_succeeded_is_not_begun_again(bench: VirtualBench) -> None:
    bench.remote.failing = lambda number: number == 0
    begin(bench, "resume")
    resolve(bench, Resolution.TRIGGERED, bench.remote.runs[1].run_id)
    assert try_on(bench) == 2


def test_the_id_of_a_triggered_run_needs_no_telling(bench: VirtualBench) -> None:
    begin(bench, "restart")
    with pytest.raises(UsageError, match="has the id"):
        resolve(bench, Resolution.TRIGGERED, "wfr_other")
    resolve(bench, Resolution.TRIGGERED, f"wfr_{bench.remote.runs[1].run_id}")
    assert record(bench).workflow_run_id == bench.remote.runs[1].run_id
