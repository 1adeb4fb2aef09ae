"""Many runs are cancelled by few requests, and what is said of each of them is what the server's logs say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelRun, ModelServer
from tests.support.sessions import session
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Edit, Observe
from wfdeploy.model.event import Event, Notice, Outcome, Started, Waiting
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.options import StopFlag
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.remote import CancelReply
from wfdeploy.ports import StateWriter
from wfdeploy.sending import session as sessions
from wfdeploy.sending.cancelling import MOST_CHARACTERS, MOST_RUNS, Canceller
from wfdeploy.sending.session import Outcomes

LAG_S = 60.0


@dataclass
class Server(ModelServer):
    """A model server whose logs show for `LAG_S` what they showed before. `asked`: the ids of each cancel."""

    asked: list[list[str]] = field(default_factory=list)
    on_cancel: Callable[[], object] = lambda: None

    async def cancel(self, workflow_run_ids: Sequence[str], *, label: str) -> CancelReply:
        assert label == "ours"
        self.asked.append(list(workflow_run_ids))
        self.on_cancel()
        return await super().cancel(workflow_run_ids, label=label)

    def _observed(self, run: ModelRun, now_ms: int) -> ObservedRun:
        seen = super()._observed(run, now_ms)
        is_late = now_ms - run.ends_ms < 1000 * self.lag_s
        return seen._replace(state=RunState.STARTED, dlq_id=None) if is_late else seen


@dataclass
class Notes(StateWriter):
    """What is written down, by address: what was observed last, and whether it was dealt with."""

    states: dict[str, RunState] = field(default_factory=dict)
    handled: dict[str, bool] = field(default_factory=dict)
    commits: int = 0
    fails: bool = False
    _staged: list[Observe] = field(default_factory=list)

    def stage(self, edits: Sequence[Edit], *, precedes_request: bool = False) -> None:
        if self.fails:
            raise StateUnusable("the disk is full")
        self._staged = [edit for edit in edits if isinstance(edit, Observe)]

    def finish(self) -> int:
        for edit in self._staged:
            if edit.run_state is not None:
                self.states[edit.address] = edit.run_state
            if edit.handled is not None:
                self.handled[edit.address] = edit.handled
        self.commits += 1
        return self.commits


class Scene:
    """`count` runs that are going for an hour; `ended` of these have ended an hour ago, unseen."""

    def __init__(self, count: int, *, ended: int = 0, lag_s: float = LAG_S, budget_s: float = 300.0) -> None:
        self.clock = ManualClock()
        self.server = Server(self.clock, lag_s=lag_s)
        self.notes = Notes()
        self.heard: list[Event] = []
        self.stop = StopFlag()
        self.budget_s = budget_s
        now_ms = self.clock.now_ms()
        for number in range(count):
            ends_ms = now_ms + (-3_600_000 if number < ended else 3_600_000)
            run_id = self.run_id(number)
            self.server.runs.append(
                ModelRun(run_id, "ours", now_ms - 7_200_000, now_ms - 7_200_000, ends_ms, 0, labels=("ours",))
            )
        self.count = count

    @staticmethod
    def run_id(number: int) -> str:
        return f"wfr_{number:05}"

    def changes(self, *, replacing: bool = False) -> list[Change]:
        if replacing:
            return [
                Change(
                    address=Address(f"g/{number:05}"),
                    action=Action.RETRIGGER,
                    reason="changed",
                    cancels=self.run_id(number),
                )
                for number in range(self.count)
            ]
        return [
            Change(
                address=Address(f"g/{number:05}"), action=Action.CANCEL, reason="requested", run_id=self.run_id(number)
            )
            for number in range(self.count)
        ]

    def run(self, changes: Sequence[Change] | None = None) -> Outcomes:
        around = session(
            self.server,
            self.clock,
            store=self.notes,
            listener=self.heard.append,
            stop=self.stop,
            budget_s=self.budget_s,
            log_lag_s=self.server.lag_s,
        )
        canceller = Canceller(around, lambda _: None)
        asyncio.run(canceller.run(self.changes() if changes is None else changes))
        return around.outcomes

    @property
    def waits(self) -> list[float]:
        return [event.seconds for event in self.heard if isinstance(event, Waiting)]


def counted(outcomes: Outcomes) -> Counter[Outcome]:
    return Counter(result.outcome for result in outcomes.results)


def test_all_of_them_need_one_request_for_a_hundred_and_no_look_at_the_logs() -> None:
    scene = Scene(250)
    scene.server.listing_faults = [Fault.LOST_BEFORE] * 10  # nobody asks
    outcomes = scene.run()
    assert [len(ids) for ids in scene.server.asked] == [MOST_RUNS, MOST_RUNS, 50]
    assert counted(outcomes) == {Outcome.CANCELLED: 250}
    assert set(scene.notes.states.values()) == {RunState.CANCELED}
    assert all(scene.notes.handled.values())
    assert scene.heard[0] == Started(250, cancels=True)
    assert scene.notes.commits <= 6
    assert outcomes.halt is None


def test_long_ids_make_more_requests() -> None:
    scene = Scene(60)
    for run in scene.server.runs:
        run.run_id += "x" * 250
    changes = [change._replace(run_id=f"{change.run_id}{'x' * 250}") for change in scene.changes()]
    assert counted(scene.run(changes)) == {Outcome.CANCELLED: 60}
    assert all(sum(map(len, ids)) <= MOST_CHARACTERS for ids in scene.server.asked)
    assert len(scene.server.asked) == 4


def test_which_of_them_had_ended_the_logs_tell_at_once() -> None:
    scene = Scene(30, ended=30)
    scene.server.runs[0].fails = True
    scene.server.runs[0].letter = "1-0"
    scene.server.runs[1].cancelled = True
    outcomes = scene.run()
    assert counted(outcomes) == {Outcome.KEPT: 29, Outcome.CANCELLED: 1}
    assert Counter(scene.notes.states.values()) == {RunState.SUCCESS: 28, RunState.FAILED: 1, RunState.CANCELED: 1}
    assert [address for address, handled in scene.notes.handled.items() if handled] == ["g/00001"], "it was cancelled"
    assert {result.error for result in outcomes.results} == {"the run had ended", None}
    assert scene.waits == []
    assert len(scene.server.asked) == 1


def test_which_of_them_were_cancelled_the_logs_tell_when_they_have_caught_up() -> None:
    scene = Scene(30, ended=3)
    outcomes = scene.run()
    assert counted(outcomes) == {Outcome.KEPT: 3, Outcome.CANCELLED: 27}
    assert scene.waits == [pytest.approx(LAG_S, abs=0.1)]
    assert len(scene.server.asked) == 1
    assert Counter(scene.notes.states.values()) == {RunState.SUCCESS: 3, RunState.CANCELED: 27}


def test_an_answer_that_was_lost_on_the_way_is_made_good_by_the_logs() -> None:
    scene = Scene(30)
    scene.server.cancel_faults = [Fault.LOST_PARTLY]  # and the client asked again
    assert counted(scene.run()) == {Outcome.CANCELLED: 30}
    assert len(scene.server.asked) == 1


def test_what_is_still_going_is_cancelled_again_and_at_last_reported() -> None:
    scene = Scene(30)
    scene.server.uncancellable = lambda run_id: run_id == "wfr_00007"
    outcomes = scene.run()
    assert counted(outcomes) == {Outcome.CANCELLED: 29, Outcome.UNKNOWN: 1}
    assert [len(ids) for ids in scene.server.asked] == [30, 1, 1]
    assert scene.notes.handled["g/00007"], "it was meant to be cancelled, and may be"
    assert outcomes.halt is None


def test_a_run_that_the_server_knows_under_a_longer_id_is_cancelled_under_that() -> None:
    scene = Scene(3)
    for run in scene.server.runs:
        run.run_id = f"wfr_{run.run_id}"
    assert counted(scene.run()) == {Outcome.CANCELLED: 3}
    assert scene.server.asked[1] == ["wfr_wfr_00000", "wfr_wfr_00001", "wfr_wfr_00002"]


def test_a_run_that_the_logs_do_not_show_is_no_cancelled_run() -> None:
    scene = Scene(3)
    scene.server.runs.pop()
    outcomes = scene.run()
    assert counted(outcomes) == {Outcome.CANCELLED: 2, Outcome.KEPT: 1}
    assert not scene.notes.handled["g/00002"]
    assert "g/00002" not in scene.notes.states


def test_without_time_to_wait_it_is_unknown() -> None:
    scene = Scene(30, ended=3, budget_s=10.0)
    outcomes = scene.run()
    assert counted(outcomes) == {Outcome.KEPT: 3, Outcome.UNKNOWN: 27}
    assert all("refresh" in (result.error or "") for result in outcomes.results if result.outcome is Outcome.UNKNOWN)


def test_without_logs_it_is_unknown() -> None:
    scene = Scene(30, ended=3)
    scene.server.listing_faults = [Fault.LOST_BEFORE]
    assert counted(scene.run()) == {Outcome.UNKNOWN: 30}
    assert any(isinstance(event, Notice) and "could not be looked up" in event.message for event in scene.heard)


@pytest.mark.parametrize("fault", [Fault.NOT_SENT, Fault.UNAUTHORISED])
def test_a_cancel_that_was_refused_ends_it(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "AT_ONCE", 1)
    scene = Scene(250)
    scene.server.cancel_faults = [Fault.NONE, fault]
    outcomes = scene.run()
    assert len(scene.server.asked) == 2
    assert counted(outcomes) == {Outcome.CANCELLED: MOST_RUNS}
    assert outcomes.halt is not None
    assert not any(scene.notes.handled[f"g/{number:05}"] for number in range(100, 200))
    assert "g/00200" not in scene.notes.handled


@pytest.mark.parametrize("logs", [True, False], ids=["the logs tell", "no logs"])
def test_a_cancel_without_an_answer_ends_it_and_may_have_been_carried_out(
    logs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "AT_ONCE", 1)
    scene = Scene(250)
    scene.server.cancel_faults = [Fault.NONE, Fault.LOST_AFTER]
    scene.server.listing_faults = [] if logs else [Fault.LOST_BEFORE]
    outcomes = scene.run()
    assert len(scene.server.asked) == 2
    told = {Outcome.CANCELLED: 200} if logs else {Outcome.CANCELLED: 100, Outcome.UNKNOWN: 100}
    assert counted(outcomes) == told
    assert outcomes.halt is not None
    assert all(scene.notes.handled[f"g/{number:05}"] for number in range(100, 200))
    assert "g/00200" not in scene.notes.handled


def test_what_replaces_a_run_that_may_be_going_is_not_sent() -> None:
    scene = Scene(30)
    scene.server.uncancellable = lambda run_id: run_id == "wfr_00007"
    outcomes = scene.run(scene.changes(replacing=True))
    assert outcomes.halt is not None
    assert "1 run that is to be replaced" in outcomes.halt.reason
    assert [(one.address, one.outcome) for one in outcomes.results] == [("g/00007", Outcome.PENDING)]
    assert scene.heard[:1] != [Started(30, cancels=True)]


def test_predecessors_that_have_ended_hold_nothing_up() -> None:
    scene = Scene(30, ended=30)
    outcomes = scene.run(scene.changes(replacing=True))
    assert outcomes.halt is None


def test_a_stop_is_heeded_between_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "AT_ONCE", 1)
    scene = Scene(250)
    scene.server.on_cancel = scene.stop.request
    outcomes = scene.run()
    assert len(scene.server.asked) == 1
    assert counted(outcomes) == {Outcome.CANCELLED: MOST_RUNS}, "what was answered is told"


def test_what_is_not_written_down_is_not_sent() -> None:
    scene = Scene(250)
    scene.notes.fails = True
    outcomes = scene.run()
    assert scene.server.asked == []
    assert isinstance(outcomes.broken, StateUnusable)


@given(data=st.data(), count=st.integers(1, 300), lag_s=st.sampled_from((0.0, LAG_S)))
def test_what_is_said_of_a_run_is_so(data: st.DataObject, count: int, lag_s: float) -> None:
    budget_s = data.draw(st.sampled_from((0.0, 100.0, 300.0)))
    scene = Scene(count, ended=data.draw(st.integers(0, count)), lag_s=lag_s, budget_s=budget_s)
    scene.server.listing_faults = data.draw(st.lists(st.sampled_from((Fault.NONE, Fault.LOST_BEFORE)), max_size=3))
    scene.server.uncancellable = lambda run_id: run_id in stubborn
    stubborn = data.draw(st.sets(st.integers(0, count - 1).map(scene.run_id), max_size=3))
    faults = st.sampled_from((Fault.NONE, Fault.LOST_PARTLY, Fault.LOST_AFTER, Fault.LOST_BEFORE, Fault.NOT_SENT))
    scene.server.cancel_faults = data.draw(st.lists(faults, max_size=4))
    outcomes = scene.run()
    now_ms = scene.clock.now_ms()
    truth = {f"g/{run.run_id[4:]}": run for run in scene.server.runs}
    for result in outcomes.results:
        run = truth[result.address]
        match result.outcome:
            case Outcome.CANCELLED:
                assert run.cancelled
            case Outcome.KEPT:
                assert run.state(now_ms) is RunState.SUCCESS
            case other:
                assert other is Outcome.UNKNOWN
    for address, state in scene.notes.states.items():
        assert truth[address].state(now_ms) is state
    for address, run in truth.items():
        if run.cancelled:
            assert scene.notes.handled[address], "nobody takes it for one that somebody else cancelled"
    assert len({result.address for result in outcomes.results}) == len(outcomes.results)
