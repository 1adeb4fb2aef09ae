"""The proxy does what it says: the tests that lean on it must be able to."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import ChaosServer
from tests.fakes.fault_proxy import ACTED, Fault, FaultProxy, by_chance, scripted
from tests.fakes.manual_clock import ManualClock
from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import Answered, Item, Lost, NotSent, Throttled, TriggerReply
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber


def item(run_id: str) -> Item:
    value = {"destination": "https://app.example.com/wf", "headers": {"Upstash-Workflow-RunId": run_id}}
    return Item(run_id, json.dumps(value).encode())


def trigger_each(url: str, run_ids: list[str], *, read_timeout_s: float = 10.0) -> list[TriggerReply]:
    async def run() -> list[TriggerReply]:
        gateway = UpstashGateway(
            url,
            "tok",
            settings=ServerSettings(read_timeout_s=read_timeout_s),
            clock=ManualClock(),
            scrubber=Scrubber([]),
            deadline_s=20.0,
        )
        try:
            return [await gateway.trigger([item(run_id)]) for run_id in run_ids]
        finally:
            await gateway.aclose()

    return asyncio.run(run())


EXPECTED: dict[Fault, type | tuple[type, ...]] = {
    Fault.REFUSE: (Lost, NotSent),  # a reset may be there before the connection looks made
    Fault.PASS: Answered,
    Fault.DELAY: Answered,
    Fault.ANSWER_TWICE: Answered,
    Fault.TWICE: Answered,
    Fault.THROTTLE: Throttled,
}


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_is_what_it_says(fault: Fault) -> None:
    with ChaosServer() as server, FaultProxy(server.url, scripted([fault])) as proxy:
        if fault is Fault.REFUSE:
            proxy.policy = scripted(())
            proxy.refuse_next()
        hangs = fault in (Fault.HANG_REQUEST, Fault.HANG_ANSWER)
        first, second = trigger_each(proxy.url, ["wfr_1", "wfr_2"], read_timeout_s=1.0 if hangs else 10.0)
    assert isinstance(first, EXPECTED.get(fault, Lost)), first
    assert isinstance(second, Answered)
    # This server deduplicates nothing.
    assert server.started["wfr_1"] == {Fault.TWICE: 2}.get(fault, int(fault in ACTED))
    assert server.started["wfr_2"] == 1
    assert proxy.done[fault] == (2 if fault is Fault.PASS else 1)


def test_chunked_answers_are_passed_on() -> None:
    with ChaosServer([chaos.gzip_accept()]) as server, FaultProxy(server.url) as proxy:
        (reply,) = trigger_each(proxy.url, ["wfr_1"])
    assert isinstance(reply, Answered)


def test_chance_repeats_itself_with_its_seed() -> None:
    weights = {Fault.PASS: 3.0, Fault.DROP_ANSWER: 1.0, Fault.DROP_REQUEST: 1.0, Fault.BAD_GATEWAY: 1.0}
    run_ids = [f"wfr_{n}" for n in range(40)]
    seen = []
    for _ in range(2):
        with ChaosServer() as server, FaultProxy(server.url, by_chance(7, weights, only="/v2/batch")) as proxy:
            replies = trigger_each(proxy.url, run_ids)
        faults = [fault for fault, _ in proxy.log]
        assert [isinstance(reply, Answered) for reply in replies] == [fault is Fault.PASS for fault in faults]
        assert [server.started[run_id] for run_id in run_ids] == [int(fault in ACTED) for fault in faults]
        seen.append(faults)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 4
