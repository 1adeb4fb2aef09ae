"""A failed run that somebody restarts in the console is started once more, and not again by wfdeploy: also when the
logs are late, show no payloads, or when answers are lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.model_server import Fault
from tests.support.virtual import VirtualBench, virtual_bench
from tests.support.workbench import counts, group, run
from wfdeploy.errors import Withheld
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.plan import RequestedAction

LAG_S = 30.0


@pytest.fixture
def bench() -> Iterator[VirtualBench]:
    """The first run has failed, and it is recorded."""
    with virtual_bench(lag_s=LAG_S, duration_s=5.0) as bench:
        bench.remote.failing = lambda number: number == 0
        declare(bench, "report")
        bench.apply()
        bench.pass_time(120)
        yield bench


def declare(bench: VirtualBench, policy: str) -> None:
    bench.write(group("g", [run("a", body=1)], policy={"onFailure": policy}))


def button(bench: VirtualBench) -> str:
    letter = bench.remote.runs[0].letter
    assert letter is not None
    return bench.remote.continue_elsewhere(letter)


@pytest.mark.parametrize("policy", ["restart", "resume"])
@pytest.mark.parametrize("later_s", [0.0, LAG_S - 1, LAG_S + 1])
@pytest.mark.parametrize("shows_payloads", [True, False])
def test_no_apply_starts_it_again(bench: VirtualBench, policy: str, later_s: float, shows_payloads: bool) -> None:
    bench.remote.logs_tell_payloads = shows_payloads
    declare(bench, policy)
    button(bench)
    bench.pass_time(later_s)
    for _ in range(4):
        bench.apply()
        bench.pass_time(40)
    assert len(bench.remote.runs) == 2


@pytest.mark.parametrize("shows_payloads", [True, False])
@pytest.mark.parametrize("later_s", [LAG_S - 1, LAG_S + 1])
def test_nor_is_a_restart_that_never_arrived_sent_again(
    bench: VirtualBench, later_s: float, shows_payloads: bool
) -> None:
    bench.remote.logs_tell_payloads = shows_payloads
    declare(bench, "restart")
    bench.remote.faults = [Fault.LOST_BEFORE]
    assert counts(bench.apply(options=ApplyOptions(timeout_s=0.0))) == {"unknown": 1}
    button(bench)
    bench.pass_time(later_s)
    for _ in range(4):
        bench.apply()
        bench.pass_time(40)
    assert len(bench.remote.runs) == 2
    with bench.open() as store:
        assert list(store.attempts()) == []


def test_with_the_button_not_pressed_it_is_restarted(bench: VirtualBench) -> None:
    declare(bench, "restart")
    assert counts(bench.apply()) == {"triggered": 1}


def test_a_request_waits_for_consent_until_the_logs_show_which_run_it_is(bench: VirtualBench) -> None:
    successor = button(bench)
    with pytest.raises(Withheld, match="its dead letter"):
        bench.apply(requested=RequestedAction.RESTART, targets=("g/*",))
    bench.pass_time(LAG_S + 10)
    assert bench.apply(requested=RequestedAction.RESTART, targets=("g/*",)).unmet == 1
    with bench.open() as store:
        assert [record.workflow_run_id for record in store.records()] == [successor]
    assert len(bench.remote.runs) == 2
    allowed = ApplyOptions(allow_retrigger=True)
    assert counts(bench.apply(requested=RequestedAction.RETRIGGER, targets=("g/*",), options=allowed))["triggered"] == 1


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE, Fault.LOST_LATE])
def test_a_resume_of_our_own_whose_answer_is_lost_is_not_somebody_elses(bench: VirtualBench, fault: Fault) -> None:
    declare(bench, "resume")
    bench.remote.faults = [fault]
    bench.apply()
    for _ in range(3):
        bench.pass_time(40)
        bench.apply()
    assert len(bench.remote.runs) == 2
    with bench.open() as store:
        (record,) = store.records()
        assert (record.workflow_run_id, record.handled) == (bench.remote.runs[1].run_id, False)
