"""Lost answers and what becomes of them, in virtual time against the model of the far end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer, dying
from tests.support.workbench import Workbench, counts, group, planned, run
from wfdeploy.errors import RemoteFailure, Withheld
from wfdeploy.model.address import exactly
from wfdeploy.model.event import Notice, Outcome, Waiting
from wfdeploy.model.options import ApplyOptions
from wfdeploy.model.remote import Answered, Item, Throttled, TriggerReply
from wfdeploy.model.run import OnRemove
from wfdeploy.model.state import AttemptStatus
from wfdeploy.operations import state as state_operations
from wfdeploy.operations.state import Resolution

LAG_S = 60.0


@pytest.fixture
def remote() -> ModelServer:
    return ModelServer(ManualClock(), lag_s=LAG_S)


@pytest.fixture
def world(remote: ModelServer, tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token", clock=remote.clock)
    bench.wrap = lambda _: remote
    bench.server(log_lag_s=LAG_S, log_lag_given=True)
    bench.write(group("g", [run("first")]))
    bench.apply()
    bench.events.clear()
    return bench


def waits(bench: Workbench) -> list[float]:
    return [event.seconds for event in bench.events if isinstance(event, Waiting)]


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_LATE, Fault.LOST_PARTLY])
def test_a_lost_answer_is_looked_up_after_the_lag_and_each_run_starts_once(
    world: Workbench, remote: ModelServer, fault: Fault
) -> None:
    world.write(group("g", [run("first"), run("a"), run("b"), run("c")]))
    remote.faults = [fault]
    report = world.apply()
    assert counts(report) == {"triggered": 3, "kept": 1}
    assert set(remote.counts.values()) == {1}
    (wait,) = waits(world)
    assert wait == pytest.approx(LAG_S, abs=1)


def test_nothing_is_sent_again_before_the_logs_can_tell(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), run("a")]))
    remote.faults = [Fault.LOST_AFTER]
    before = remote.calls
    report = world.apply(options=ApplyOptions(timeout_s=10.0))
    assert counts(report) == {"unknown": 1, "kept": 1}
    assert remote.calls == before + 1
    with world.open() as store:
        (attempt,) = store.attempts()
    assert attempt.status is AttemptStatus.UNKNOWN
    assert planned(world.plan(offline=True)) == {"g/a": "recover"}
    remote.clock._move(LAG_S)
    assert counts(world.apply(options=ApplyOptions(timeout_s=10.0))) == {"triggered": 1, "kept": 1}
    assert remote.calls == before + 1, "it was found, not sent again"


def test_a_dead_process_is_waited_for_from_the_lock_on(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), run("a")]))
    remote.faults = [Fault.CRASH_LATE]
    with dying() as died:
        world.apply()
    assert died
    assert counts(world.apply()) == {"triggered": 1, "kept": 1}
    assert waits(world) == [pytest.approx(LAG_S, abs=1)]
    assert set(remote.counts.values()) == {1}


def test_a_delayed_run_that_the_logs_hide_is_safe_to_send_again_at_once(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), run("a", delay="10h")]))
    remote.faults = [Fault.LOST_AFTER]
    assert counts(world.apply()) == {"deduplicated": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}


def test_a_delayed_run_that_may_just_have_ended_is_waited_for(world: Workbench, remote: ModelServer) -> None:
    """Its id is free again and the logs don't show it yet: sending now would start it twice."""
    remote.durations_s = (0.001,)
    world.write(group("g", [run("first"), run("a", delay="90s")]))
    remote.faults = [Fault.LOST_AFTER]
    report = world.apply(options=ApplyOptions(timeout_s=1000.0))
    assert counts(report) == {"triggered": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}
    assert sum(waits(world)) > 90 + LAG_S


def test_an_edit_after_a_lost_answer_starts_both_runs_once(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), run("a", body=1)]))
    remote.faults = [Fault.CRASH_AFTER]
    with dying():
        world.apply()
    world.write(group("g", [run("first"), run("a", body=2)]))
    assert counts(world.apply()) == {"triggered": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}
    with world.open() as store:
        assert len(store.history(exactly("g/a"))) == 1


def test_an_attempt_older_than_the_logs_is_never_sent_by_itself(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), run("a"), run("b")]))
    remote.faults = [Fault.CRASH_BEFORE]
    with dying():
        world.apply()
    remote.clock._move(4 * 86400.0)
    assert counts(world.apply()) == {"unknown": 2, "kept": 1}
    assert sum(remote.counts.values()) == 1
    state_operations.resolve(world.workspace, "g/a", Resolution.RESEND)
    state_operations.resolve(world.workspace, "g/b", Resolution.TRIGGERED)
    assert counts(world.apply()) == {"triggered": 1, "kept": 2}
    assert sum(remote.counts.values()) == 2


def test_a_server_that_loses_everything_is_given_up_on_early(world: Workbench, remote: ModelServer) -> None:
    world.server(max_batch_items=1)
    world.write(group("g", [run("first"), *(run(f"r{index}") for index in range(100))]))
    remote.faults = [Fault.LOST_BEFORE] * 1000
    before = remote.calls
    report = world.apply()
    assert report.stopped is not None
    assert remote.calls - before < 60
    assert report.summary[Outcome.PENDING] > 60
    remote.faults = []
    assert world.apply().summary[Outcome.TRIGGERED] == 100
    assert set(remote.counts.values()) == {1}


def test_a_state_that_was_moved_waits_for_the_logs_before_its_first_trigger(
    world: Workbench, remote: ModelServer
) -> None:
    copy = world.state_file.read_bytes()
    world.write(group("g", [run("first"), run("a")]))
    world.apply()
    assert waits(world) == []
    world.lose_state()
    world.state_file.write_bytes(copy)
    assert counts(world.apply()) == {"adopted": 1, "kept": 1}
    assert waits(world) == [pytest.approx(LAG_S, abs=1)]
    assert set(remote.counts.values()) == {1}


def test_a_copy_from_before_an_interrupted_apply_is_suspect_in_its_own_place(
    world: Workbench, remote: ModelServer
) -> None:
    """A hole once: the apply died, so its note still fitted the copy that was put back over the very same file."""
    copy = world.state_file.read_bytes()
    world.write(group("g", [run("first"), run("a")]))
    remote.faults = [Fault.CRASH_AFTER]
    with dying():
        world.apply()
    for log in world.state_file.parent.glob("*-wal"):
        log.unlink()
    world.state_file.write_bytes(copy)
    assert counts(world.apply()) == {"adopted": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}


def test_an_apply_with_nothing_to_send_does_not_make_a_copy_the_whole_story(
    world: Workbench, remote: ModelServer
) -> None:
    """A hole once: it only wrote a group's policy down, asked the server nothing, and left its note as if it had."""
    copy = world.state_file.read_bytes()
    world.write(group("g", [run("first"), run("a")]))
    world.apply()
    world.lose_state()
    world.state_file.write_bytes(copy)
    world.write(group("g", [run("first")], policy={"onRemove": "forget"}))
    before = remote.calls
    world.apply()
    assert remote.calls == before
    with world.open() as store:
        assert store.groups()["g"] is OnRemove.FORGET
    world.write(group("g", [run("first"), run("a")], policy={"onRemove": "forget"}))
    assert counts(world.apply()) == {"adopted": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}


def test_without_time_to_wait_a_suspect_state_triggers_nothing(world: Workbench, remote: ModelServer) -> None:
    world.lose_state()
    with pytest.raises(Withheld, match="state is new"):
        world.apply(options=ApplyOptions(timeout_s=5.0))
    assert sum(remote.counts.values()) == 1


def test_runs_of_an_address_that_is_not_declared_now_are_remembered(world: Workbench, remote: ModelServer) -> None:
    """A hole once: the state is lost while a run isn't declared, the watermark moves past it, it is declared again."""
    world.lose_state()
    world.write(group("g", [run("other", body=1)]))
    report = world.apply()
    assert counts(report) == {"triggered": 1}
    world.write(group("g", [run("other", body=1), run("first")]))
    assert planned(world.plan(offline=True)) == {"g/first": "adopt"}
    assert counts(world.apply()) == {"adopted": 1, "kept": 1}
    assert set(remote.counts.values()) == {1}


def test_a_listing_that_breaks_off_stops_the_apply(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), run("a")]))
    remote.listing_faults = [Fault.LOST_BEFORE]
    with pytest.raises(RemoteFailure):
        world.apply()
    assert sum(remote.counts.values()) == 1


def test_one_bad_run_among_many_is_found_by_halves(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), *(run(f"r{index:02}") for index in range(99))]))
    remote.refuses_whole = lambda run_id: "-r42-" in run_id
    report = world.apply()
    assert counts(report) == {"triggered": 98, "rejected": 1, "kept": 1}
    assert planned(world.plan()) == {"g/r42": "trigger"}
    assert "rejected last time" in world.plan().changes[0].reason
    remote.refuses_whole = lambda _: False
    assert counts(world.apply()) == {"triggered": 1, "kept": 99}
    assert set(remote.counts.values()) == {1}


def test_a_refusal_of_everything_stops_after_a_few(world: Workbench, remote: ModelServer) -> None:
    world.write(group("g", [run("first"), *(run(f"r{index:03}") for index in range(500))]))
    remote.refuses_whole = lambda _: True
    before = remote.calls
    report = world.apply(options=ApplyOptions(concurrency=1))
    assert "refused 8 runs, each by itself" in (report.stopped or "")
    assert remote.calls - before < 40
    assert report.summary[Outcome.PENDING] > 400


def test_a_server_that_takes_a_few_at_a_time_gets_all_of_them(
    world: Workbench, remote: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of each batch are put off; as long as it gets on, the waits don't grow."""
    honest = remote.trigger

    async def three(items: Sequence[Item]) -> TriggerReply:
        reply = await honest(items[:3])
        assert isinstance(reply, Answered)
        return Answered((*reply.items, *(Throttled("too many at once") for _ in items[3:])))

    monkeypatch.setattr(remote, "trigger", three)
    world.write(group("g", [run("first"), *(run(f"r{index:03}") for index in range(100))]))
    assert counts(world.apply(options=ApplyOptions(timeout_s=100.0))) == {"triggered": 100, "kept": 1}
    assert set(remote.counts.values()) == {1}


class Together:
    """The far end, with the first requests all under way before one of them is answered."""

    def __init__(self, remote: ModelServer, count: int) -> None:
        self._remote = remote
        self._missing = count
        self._all_here = asyncio.Event()

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        self._missing -= 1
        if self._missing <= 0:
            self._all_here.set()
        await self._all_here.wait()
        return await self._remote.trigger(items)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)


def test_a_pause_that_the_server_asks_for_is_taken_once(world: Workbench, remote: ModelServer) -> None:
    world.server(max_batch_items=10)
    world.wrap = lambda _: Together(remote, 8)
    world.write(group("g", [run("first"), *(run(f"r{index}") for index in range(80))]))
    remote.faults = [Fault.THROTTLED] * 8
    assert counts(world.apply()) == {"triggered": 80, "kept": 1}
    assert len(waits(world)) <= 2


def test_a_new_hosted_state_says_what_cannot_be_known(world: Workbench, remote: ModelServer) -> None:
    world.lose_state()
    world.events.clear()
    world.apply()
    assert any("cannot be known" in event.message for event in world.events if isinstance(event, Notice))
