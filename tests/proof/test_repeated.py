"""A retrigger, restart or resume by hand whose process died, and that is given once more: it happens once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.model_server import Fault, dying
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, planned, run
from wfdeploy.model.event import Notice
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import RequestedAction

RETRIGGER: dict[str, Any] = {"requested": RequestedAction.RETRIGGER, "targets": ("g/a",)}
RESTART: dict[str, Any] = {"requested": RequestedAction.RESTART, "targets": ("g/a",)}
RESUME: dict[str, Any] = {"requested": RequestedAction.RESUME, "targets": ("g/a",)}
REPLACE: dict[str, Any] = {"replace": ("g/a",)}
REQUESTS = {"retrigger": RETRIGGER, "restart": RESTART, "resume": RESUME, "--replace": REPLACE}
DEATHS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.CRASH_LATE)


@pytest.fixture(params=[0.5, 3000.0], ids=["quick", "slow"])
def bench(request: pytest.FixtureRequest) -> Iterator[VirtualBench]:
    """A run that failed; those after it take no time, or long."""
    with virtual_bench() as bench:
        bench.remote.durations_s = (0.5, *[request.param] * 9)
        bench.remote.failing = lambda _: True
        bench.write(group("g", [run("a"), run("b")]))
        bench.remote.refuses_whole = lambda run_id: "-b-" in run_id  # of no interest here
        bench.apply(targets=("g/a",))
        bench.pass_time(100)
        bench.remote.refuses_whole = lambda _: False
        bench.apply(targets=("g/b",))
        bench.pass_time(4000)
        yield bench


def runs_of_a(bench: VirtualBench) -> int:
    assert set(bench.remote.counts.values()) == {1}
    return sum("-b-" not in one.run_id for one in bench.remote.runs)


@pytest.mark.parametrize("death", DEATHS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_repetition_settles_what_the_dead_process_began(bench: VirtualBench, request_: str, death: Fault) -> None:
    bench.remote.faults = [death]
    with dying() as crashed:
        bench.apply(**REQUESTS[request_])
    assert crashed
    done = bench.apply(**REQUESTS[request_])
    assert counts(done).get("unknown") is None
    assert runs_of_a(bench) == 2, f"the first run, and the one that was asked for: {counts(done)}"
    found = death is not Fault.CRASH_BEFORE
    said = [event.message for event in bench.events if isinstance(event, Notice) and "g/a" in event.message]
    assert any("nothing more is" in words for words in said) is found
    bench.pass_time(4000)
    bench.apply(**REQUESTS[request_])
    assert runs_of_a(bench) == 3, "what is asked for once more is done once more"


@pytest.mark.parametrize("request_", REQUESTS)
def test_so_it_is_when_only_the_answer_was_lost(bench: VirtualBench, request_: str) -> None:
    for fault in (Fault.LOST_AFTER, Fault.LOST_LATE, Fault.LOST_BEFORE):
        before = runs_of_a(bench)
        bench.remote.faults = [fault]
        assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0), **REQUESTS[request_]))["unknown"] == 1
        bench.pass_time(60)
        bench.apply(**REQUESTS[request_])
        assert runs_of_a(bench) == before + 1
        bench.pass_time(4000)


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("commit", range(1, 5))
@pytest.mark.parametrize("request_", REQUESTS)
def test_wherever_it_dies_before_the_outcome_is_on_disk(
    bench: VirtualBench, request_: str, commit: int, after: bool
) -> None:
    bench.apply_and_die(commit, after=after, **REQUESTS[request_])
    with bench.open() as store:
        (record,) = store.records(["g/a"])
    is_recorded = record.generation > 1 or record.tries > 0
    bench.apply(**REQUESTS[request_])
    # Of what was recorded before the process died nobody can tell that it wasn't reported: then it is a new request.
    assert runs_of_a(bench) in ((2, 3) if is_recorded else (2,))


@pytest.mark.parametrize("requested", [RequestedAction.CANCEL, RequestedAction.RESUME])
def test_an_attempt_that_the_server_does_not_know_is_left_to_the_next_apply(requested: RequestedAction) -> None:
    with virtual_bench() as bench:
        bench.write(group("n", [run("a")], schedule={"cron": "0 * * * *"}))
        bench.apply()
        bench.at("2026-11-23T15:00:00Z")
        bench.remote.faults = [Fault.CRASH_BEFORE]
        with dying():
            bench.apply()
        bench.pass_time(60)
        bench.apply(requested=requested, targets=("n/*",))
        assert bench.triggered() == []
        bench.apply()
        assert bench.triggered() == ["n-a-2026-11-23t15-00-00z"], "the instance is not lost"


@pytest.mark.parametrize("request_", ["retrigger", "restart", "--replace"])
def test_a_resume_that_never_arrived_gives_way_to_a_new_run(bench: VirtualBench, request_: str) -> None:
    bench.remote.faults = [Fault.CRASH_BEFORE]
    with dying():
        bench.apply(**RESUME)
    bench.pass_time(60)
    bench.apply(**REQUESTS[request_])
    assert runs_of_a(bench) == 2
    assert not any(one.run_id.startswith("wfr_resumed") for one in bench.remote.runs)
    assert all(action == "keep" for action in planned(bench.plan()).values())
