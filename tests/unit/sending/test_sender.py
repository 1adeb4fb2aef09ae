"""Sending: what must have left by some time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import ModelServer
from tests.support.sessions import session
from wfdeploy.model.address import Address
from wfdeploy.model.remote import Answered, Item, Lost, Taken, TriggerReply
from wfdeploy.model.state import Attempt, AttemptStatus
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.sender import Limits, Sender
from wfdeploy.sending.server_time import ServerTime


@dataclass
class Stalled(ModelServer):
    """No connection comes about, for as long as anybody waits."""

    given_up: int = 0

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        self.calls += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up += 1
        raise AssertionError


@pytest.mark.parametrize(("left_ms", "calls"), [(50, 1), (0, 0), (-1, 0)])
def test_what_must_have_left_by_some_time_is_given_up_then(left_ms: int, calls: int) -> None:
    clock = ManualClock()
    time, server = ServerTime(clock), Stalled(clock)
    time.learn(clock.now_ms() // 1000 * 1000, asked_at=clock.monotonic(), answered_at=clock.monotonic())
    attempt = Attempt(Address("g/a"), "1:a", 1, "wfr_a", 0, delay_s=600)
    request = OutgoingRequest(
        Item("wfr_a", b"{}"), attempt, inconclusive=True, send_before_ms=time.latest_ms() + left_ms
    )
    around = session(server, clock, time=time)
    asyncio.run(Sender(around, Limits()).run(iter([request])))
    assert (server.calls, server.given_up) == (calls, calls)
    assert around.outcomes.lost == [request]
    assert request.attempt.status is AttemptStatus.UNKNOWN
    assert request.attempt.inconclusive


@dataclass
class Dripping(ModelServer):
    """Every other answer is given up after a minute."""

    async def trigger(self, items: Sequence[Item]) -> TriggerReply:
        self.calls += 1
        if self.calls % 2:
            await self.clock.sleep(60.0)
            return Lost("no whole answer within 60 s")
        return Answered((Taken(1),) * len(items))


@pytest.mark.parametrize(("budget_s", "lost"), [(0.0, 1), (100.0, 3), (300.0, 6)])
def test_requests_whose_answers_do_not_come_use_the_time_for_waiting_up(budget_s: float, lost: int) -> None:
    clock = ManualClock()
    around = session(Dripping(clock), clock, budget_s=budget_s)
    sender, outcomes = Sender(around, Limits(max_items=1, concurrency=1)), around.outcomes
    names = [f"wfr_{n}" for n in range(40)]
    asyncio.run(sender.run(OutgoingRequest(Item(n, b"{}"), Attempt(Address(f"g/{n}"), "1:a", 1, n, 0)) for n in names))
    assert len(outcomes.lost) == lost
    assert outcomes.halt is not None
    assert outcomes.halt.final
    assert "--timeout" in (outcomes.halt.hint or "")
