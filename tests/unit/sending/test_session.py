"""What sender, resumer and canceller share: outcomes, a bounded number at once, lost answers, connections."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.sessions import session
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.event import Outcome, Result, Settled
from wfdeploy.model.options import StopFlag
from wfdeploy.model.remote import Item
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.session import AT_ONCE, CONNECT_TRIES, Halt, Outcomes


def request(name: str, status: AttemptStatus = AttemptStatus.INTENT) -> OutgoingRequest:
    attempt = Attempt(Address(f"g/{name}"), "1:a", 1, f"wfr_{name}", 0)._replace(status=status)
    return OutgoingRequest(Item(f"wfr_{name}", b"{}"), attempt)


def test_an_outcome_is_counted_kept_and_reported() -> None:
    heard: list[object] = []
    outcomes = Outcomes(heard.append)
    result = Result(Address("g/a"), Outcome.TRIGGERED, "wfr_a")
    outcomes.report(result)
    outcomes.report_refusal(request("b"), "no such target")
    outcomes.report_all(Outcome.KEPT, ())
    assert [(one.address, one.outcome) for one in outcomes.results] == [
        ("g/a", Outcome.TRIGGERED),
        ("g/b", Outcome.REJECTED),
    ]
    assert {outcome: count for outcome, count in outcomes.counts.items() if count} == {
        Outcome.TRIGGERED: 1,
        Outcome.REJECTED: 1,
    }
    assert heard[0] == Settled((result,))
    assert len(heard) == 2


def test_the_first_reason_to_halt_is_kept_unless_only_the_later_one_is_final() -> None:
    outcomes = Outcomes(lambda _: None)
    outcomes.stop("lost", final=False)
    outcomes.stop("lost again", final=False)
    assert outcomes.halt == Halt("lost", final=False)
    outcomes.stop("401", "check the token")
    outcomes.stop("429")
    assert outcomes.halt == Halt("401", "check the token")


def test_what_may_have_been_sent_is_looked_up_and_the_rest_is_held_back() -> None:
    outcomes = Outcomes(lambda _: None)
    fresh, unclear = request("a"), request("b", AttemptStatus.UNKNOWN)
    outcomes.put_back([fresh, unclear])
    assert (outcomes.held_back, outcomes.lost) == ([fresh], [unclear])


def test_several_are_sent_at_once_and_no_more() -> None:
    clock = ManualClock(auto=False)
    around = session(ModelServer(clock), clock)
    under_way: list[int] = []
    most = 0

    async def send(item: int) -> None:
        nonlocal most
        under_way.append(item)
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.remove(item)

    asyncio.run(around.each(range(5 * AT_ONCE), send))
    assert most == AT_ONCE
    assert not under_way


def test_a_state_that_cannot_be_written_is_a_reason_to_halt() -> None:
    clock = ManualClock()
    around = session(ModelServer(clock), clock)
    sent: list[int] = []

    async def send(item: int) -> None:
        sent.append(item)
        await asyncio.sleep(0)
        if item == 3:
            raise StateUnusable("the disk is full")

    asyncio.run(around.each(range(100), send))
    assert len(sent) < 100
    assert isinstance(around.outcomes.broken, StateUnusable)
    assert around.outcomes.halt == Halt("the disk is full")


def test_a_stop_request_ends_it_between_two() -> None:
    clock, stop = ManualClock(), StopFlag()
    around = session(ModelServer(clock), clock, stop=stop)
    sent: list[int] = []

    async def send(item: int) -> None:
        sent.append(item)
        stop.request()

    asyncio.run(around.each(range(100), send))
    assert 1 <= len(sent) <= AT_ONCE
    assert around.outcomes.halt is None
    assert around.halted


@pytest.mark.parametrize(("budget_s", "halts"), [(100.0, False), (0.0, True)])
def test_a_lost_answer_is_recorded_and_costs_time(budget_s: float, halts: bool) -> None:
    clock = ManualClock()
    around = session(ModelServer(clock), clock, budget_s=budget_s)
    lost = [request("a"), request("b")]
    clock._move(60.0)
    asyncio.run(around.lose(lost, "timeout", 0.0))
    assert around.outcomes.lost == lost
    assert [one.attempt.status for one in lost] == [AttemptStatus.UNKNOWN] * 2
    assert [one.ended_at for one in lost] == [clock.monotonic()] * 2
    assert (around.outcomes.halt is not None) is halts


def test_a_connection_is_tried_a_few_times() -> None:
    clock = ManualClock()
    around = session(ModelServer(clock), clock, budget_s=60.0)
    tries = [asyncio.run(around.reconnect(number)) for number in range(1, CONNECT_TRIES + 1)]
    assert tries == [True] * (CONNECT_TRIES - 1) + [False]
    assert clock.sleeps == sorted(clock.sleeps)
