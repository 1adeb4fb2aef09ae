"""Assumption 5: an id is reserved from acceptance until its run has ended."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.adversary.support import declare, starts
from tests.fakes.model_server import Fault
from tests.support.virtual import VirtualBench
from tests.support.workbench import counts
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Refresh
from wfdeploy.model.remote import Answered, Item, Taken, TriggerReply


@pytest.fixture
def unreserved(bench: VirtualBench, monkeypatch: pytest.MonkeyPatch) -> VirtualBench:
    """The server starts a run for each trigger, whatever goes on under its id."""
    monkeypatch.setattr(bench.remote, "_running", lambda run_id, now_ms: None)
    bench.remote.durations_s = (7200.0,)
    return bench


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_LATE, Fault.LOST_BEFORE, Fault.LOST_PARTLY])
def test_nothing_is_sent_that_may_be_there(unreserved: VirtualBench, fault: Fault) -> None:
    declare(unreserved, "a", "b")
    unreserved.remote.faults = [fault]
    unreserved.apply()
    unreserved.pass_time(60)
    unreserved.apply()
    assert (starts(unreserved, "a"), starts(unreserved, "b")) == (1, 1)


def test_a_delayed_run_that_does_not_show_starts_twice(unreserved: VirtualBench) -> None:
    unreserved.remote.hide_delayed = True
    declare(unreserved, "a", delay="1h")
    unreserved.remote.faults = [Fault.LOST_AFTER]
    unreserved.apply()
    assert starts(unreserved) == 2, "it was sent again, since its id would be reserved"


def test_a_run_that_was_called_deduplicated_and_never_was_is_missing(
    bench: VirtualBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trigger(sent: Sequence[Item]) -> TriggerReply:
        return Answered(tuple(Taken(bench.remote.now_ms(), deduplicated=True) for _ in sent))

    declare(bench, "a")
    with monkeypatch.context() as patch:
        patch.setattr(bench.remote, "trigger", trigger)
        assert counts(bench.apply()) == {"deduplicated": 1, "kept": 1}
    bench.pass_time(60)
    assert bench.plan(refresh=Refresh.ALL).drifted == {RunState.MISSING: 1}
    assert starts(bench) == 0
