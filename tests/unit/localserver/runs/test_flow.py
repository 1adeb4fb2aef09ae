"""Flow control: limits that hold under load, and keys that take turns."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Answer, Api, Endpoint, Received, api_for, for_plain_endpoints
from tests.unit.localserver.flow_control import arrived, info, keyed, names, order
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.runs import flow
from wfdeploy.localserver.runs.flow import FlowKey, FlowLimits, FlowQueue, FlowQueues
from wfdeploy.localserver.store.records import DueMessage


class Counting:
    """An endpoint that counts how many of its requests are open at once, per flow-control key."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.lock = threading.Lock()
        self.open: dict[str, int] = {}
        self.most: dict[str, int] = {}
        endpoint.answer = self.answer

    def answer(self, request: Received) -> Answer:
        key = request.headers.get("x-key", "")
        with self.lock:
            self.open[key] = self.open.get(key, 0) + 1
            self.most[key] = max(self.most.get(key, 0), self.open[key])
        threading.Event().wait(0.002)
        with self.lock:
            self.open[key] -= 1
        return 200, WORKFLOW, b"{}"


def test_parallelism_holds_under_load(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    counting = Counting(endpoint)
    api.trigger(*names("a", 120), url=endpoint.url, **keyed("a", "parallelism=3"))
    api.trigger(*names("b", 60), url=endpoint.url, **keyed("b", "parallelism=1"))
    api.trigger(*names("c", 60), url=endpoint.url)
    server.wait_idle(30)
    assert len(endpoint.requests) == 240
    assert counting.most["a"] <= 3
    assert counting.most["b"] == 1
    assert counting.most[""] > 3


def test_every_step_of_a_run_counts(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    counting = Counting(endpoint)
    api.trigger(*names("a", 10), url=endpoint.url, **keyed("k", "parallelism=1"))
    server.wait_idle()
    step = '{"stepId":1,"stepName":"s","stepType":"Run","out":"1"}'
    items = [
        {
            "destination": endpoint.url,
            "headers": {"Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Init": "false"},
            "body": step,
        }
        for run_id in names("a", 10)
    ]
    api.http.post("/v2/batch", json=items)
    server.wait_idle()
    assert (counting.most["k"], len(endpoint.requests)) == (1, 20)


def test_a_call_has_its_own_key(api: Api, server: LocalServer, endpoint: Endpoint, gate: threading.Event) -> None:
    """The only slot of the run's key is taken by another run; its call does not need it."""
    api.trigger("wfr_b", "wfr_a", url=endpoint.url, **keyed("run", "parallelism=1"))
    arrived(server, endpoint, 1)
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    call = {
        "Upstash-Workflow-CallType": "toCallback",
        "Upstash-Callback": endpoint.url,
        "Upstash-Flow-Control-Key": "third",
        "Upstash-Flow-Control-Value": "parallelism=1",
    }
    api.http.post("/v2/batch", json=[{"destination": f"{endpoint.url}/third", "headers": {**headers, **call}}])
    arrived(server, endpoint, 2)
    assert [info(api, key)["parallelismCount"] for key in ("run", "third")] == [1, 1]


def test_rate_counts_what_begins_in_a_period(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    timed_api.trigger(*names("a", 12), url=endpoint.url, **keyed("k", "rate=5,period=1m"))
    for wait_s, count in ((0, 5), (59, 5), (1, 10), (59, 10), (1, 12), (600, 12)):
        clock.advance(wait_s)
        timed_server.wait_idle()
        assert len(endpoint.requests) == count
    timed_api.trigger(*names("b", 6), url=endpoint.url, **keyed("k", "rate=5,period=1m"))
    timed_server.wait_idle()
    assert len(endpoint.requests) == 17
    assert (info(timed_api, "k")["rateCount"], info(timed_api, "k")["ratePeriodStart"]) == (5, clock.now_ms() // 1000)


def test_dropped_messages_do_not_use_up_the_rate(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    timed_api.trigger(*names("a", 10), url=endpoint.url, **keyed("k", "rate=2,period=1h"))
    timed_server.wait_idle()
    timed_api.http.delete("/v2/workflows/runs", params={"workflowRunIds": ",".join(names("a", 8))})
    clock.advance(3600)
    timed_server.wait_idle()
    assert sorted(order(endpoint)[2:]) == ["wfr_a8", "wfr_a9"]


def test_keys_take_turns(endpoint: Endpoint) -> None:
    """A long waitlist of one key does not hold up another, nor what has no key."""
    with LocalServer(max_open_deliveries=1, faults=for_plain_endpoints()) as server, api_for(server) as http:
        api = Api(http)
        server.faults.hold_deliveries = True
        api.trigger(*names("a", 50), url=endpoint.url, **keyed("a", "parallelism=10"))
        api.trigger(*names("b", 3), url=endpoint.url, **keyed("b", "parallelism=10"))
        api.trigger(*names("c", 3), url=endpoint.url)
        server.faults.hold_deliveries = False
        server.poke()
        server.wait_idle()
    assert [run_id[4] for run_id in order(endpoint)[:9]] == ["a", "b", "c"] * 3
    assert order(endpoint)[9:] == names("a", 50)[3:]


LIMITS = st.builds(
    FlowLimits,
    parallelism=st.none() | st.integers(1, 3),
    rate=st.none() | st.integers(1, 3),
    period_ms=st.sampled_from([10, 100]),
)


@given(limits=st.lists(LIMITS, min_size=1, max_size=4), counts=st.lists(st.integers(0, 12), min_size=4, max_size=4),
       holds=st.lists(st.integers(0, 30), min_size=1, max_size=12))  # fmt: skip
def test_limits_hold_and_everything_leaves(limits: list[FlowLimits], counts: list[int], holds: list[int]) -> None:
    """Time goes on in steps of a millisecond; a delivery is open for as long as `holds` says."""
    names = [FlowKey("t", f"k{number}") for number in range(len(limits))]
    kept = {name: FlowQueue(name, limit) for name, limit in zip(names, limits, strict=True)}
    queues, now, seq = FlowQueues(kept.__getitem__), 1_000_000, 0
    waiting = 0
    for number, count in enumerate(counts[: len(limits)]):
        for _ in range(count):
            seq += 1
            waiting += 1
            queues.add(DueMessage(now, seq, "t", f"k{number}"))
    under_way: list[tuple[int, FlowKey]] = []
    begun: dict[FlowKey, list[int]] = {}
    for _ in range(5000):
        if not waiting:
            break
        for ends, name in [each for each in under_way if each[0] <= now]:
            under_way.remove((ends, name))
            queues.end(queues.queue(name))
        for name in names:
            queues.recheck(queues.queue(name))
        while (taken := queues.take(now)) is not None:
            if not isinstance(taken, tuple):
                continue
            queue, _ = taken
            queues.begin(queue, now)
            waiting -= 1
            under_way.append((now + holds[waiting % len(holds)], queue.name))
            begun.setdefault(queue.name, []).append(now)
            held = queue.limits
            assert held.parallelism is None or sum(name == queue.name for _, name in under_way) <= held.parallelism
        now += 1
    assert waiting == 0
    assert queues.open == len(under_way)
    for _, name in under_way:
        queues.end(queues.queue(name))
    assert not any(queues.busy(name) for name in names)  # nothing stays in memory
    for number, held in enumerate(limits):
        starts = begun.get(FlowKey("t", f"k{number}"), [])
        if held.rate is not None and starts:
            # Periods begin with the first start after the one before was over.
            start, count = starts[0], 0
            for at in starts:
                if at >= start + held.period_ms:
                    start, count = at, 0
                count += 1
                assert count <= held.rate


def test_period_in_the_future_is_not_waited_for() -> None:
    """The server before had a faster clock."""
    queue = FlowQueue(FlowKey("t", "k"), FlowLimits(rate=1, period_ms=1000), begun=1, period_start=100_000)
    assert queue.admits(50_000)
    assert not queue.admits(100_500)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("parallelism=2, rate=5, period=1m", FlowLimits(2, 5, 60_000)),
        ("rate=5,period=90", FlowLimits(None, 5, 90_000)),
        ("parallelism=1", FlowLimits(1)),
        ("period=7d", FlowLimits(period_ms=604_800_000)),
    ],
)
def test_values(text: str, limits: FlowLimits) -> None:
    assert flow.parse(text) == limits


@pytest.mark.parametrize("text", ["", "parallelism=0", "rate=-1", "rate=x", "period=8d", "period=0", "speed=1", "rate"])
def test_bad_values(api: Api, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        flow.parse(text)
    answer = api.trigger("wfr_a", **keyed("k", text))
    assert answer.status_code == 400
