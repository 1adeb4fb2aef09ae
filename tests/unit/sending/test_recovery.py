"""Lost runs are looked up; those that never arrived are sent again, and no run twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.manual_clock import ManualClock
from tests.fakes.model_server import Fault, ModelServer
from tests.support.sessions import session
from wfdeploy.model.address import Address
from wfdeploy.model.event import Outcome
from wfdeploy.model.options import StopFlag
from wfdeploy.model.remote import Item
from wfdeploy.model.state import Attempt
from wfdeploy.sending.batches import OutgoingRequest
from wfdeploy.sending.recovery import ROUNDS, Recovery
from wfdeploy.sending.resuming import Resumer
from wfdeploy.sending.sender import Limits, Sender
from wfdeploy.sending.session import Session

LAG_S = 60.0


class Scene:
    """`count` requests, one a batch, to a server whose logs lag."""

    def __init__(self, count: int, *faults: Fault, budget_s: float = 600.0) -> None:
        self.clock = ManualClock()
        self.server = ModelServer(self.clock, lag_s=LAG_S, durations_s=(3600.0,), faults=list(faults))
        self.stop = StopFlag()
        self.around = session(
            self.server, self.clock, budget_s=budget_s, log_lag_s=LAG_S, stop=self.stop, listener=lambda _: None
        )
        since_ms = self.clock.now_ms() - 1000
        self.requests = [
            OutgoingRequest(
                Item(f"wfr_g-{n}", b'{"headers":{"Upstash-Label":"ours"}}'),
                Attempt(Address(f"g/{n}"), "1:a", 1, f"wfr_g-{n}", 0, since_ms),
            )
            for n in range(count)
        ]

    def run(self) -> Session:
        async def run() -> None:
            sender = Sender(self.around, Limits(max_items=1, concurrency=1))
            resumer = Resumer(self.around)
            requests = iter(self.requests)
            await sender.run(requests)
            await Recovery(self.around, sender, resumer, lambda attempt: (attempt.workflow_run_id,)).run(requests)

        asyncio.run(run())
        return self.around

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        return sorted((one.address, one.outcome) for one in self.around.outcomes.results)


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LOST_LATE])
def test_a_lost_run_is_started_once(fault: Fault) -> None:
    scene = Scene(3, Fault.NONE, fault)
    around = scene.run()
    assert scene.outcomes == [(f"g/{n}", Outcome.TRIGGERED) for n in range(3)]
    assert set(scene.server.counts.values()) == {1}
    assert sum(scene.server.counts.values()) == 3
    assert not around.outcomes.lost
    assert scene.server.calls == (4 if fault is Fault.LOST_BEFORE else 3), "only what never arrived is sent again"


def test_nothing_is_looked_up_when_nothing_was_lost() -> None:
    scene = Scene(3)
    scene.server.listing_faults = [Fault.LOST_BEFORE] * 9  # nobody asks
    scene.run()
    assert scene.outcomes == [(f"g/{n}", Outcome.TRIGGERED) for n in range(3)]
    assert max(scene.clock.sleeps) < 1.0


def test_what_was_held_back_goes_on_after_what_was_lost() -> None:
    scene = Scene(6, *[Fault.LOST_BEFORE] * 3)
    scene.run()
    assert scene.outcomes == [(f"g/{n}", Outcome.TRIGGERED) for n in range(6)]
    assert set(scene.server.counts.values()) == {1}


def test_a_listing_that_fails_leaves_the_runs_lost() -> None:
    scene = Scene(1, Fault.LOST_AFTER)
    scene.server.listing_faults = [Fault.LOST_BEFORE]
    around = scene.run()
    assert around.outcomes.lost == scene.requests
    assert scene.server.calls == 1, "without a listing, nothing is sent again"


def test_without_time_to_wait_for_the_logs_nothing_is_sent_again() -> None:
    scene = Scene(1, Fault.LOST_BEFORE, budget_s=LAG_S / 2)
    around = scene.run()
    assert around.outcomes.lost == scene.requests
    assert scene.server.calls == 1


def test_it_is_given_up_after_a_few_rounds() -> None:
    scene = Scene(1, *[Fault.LOST_BEFORE] * 99)
    around = scene.run()
    assert around.outcomes.lost == scene.requests
    assert scene.server.calls == 1 + ROUNDS


def test_a_final_reason_to_halt_ends_it() -> None:
    scene = Scene(2, Fault.LOST_AFTER, Fault.UNAUTHORISED)
    around = scene.run()
    assert around.outcomes.lost == scene.requests[:1]
    assert around.outcomes.halt is not None
    assert around.outcomes.halt.final
