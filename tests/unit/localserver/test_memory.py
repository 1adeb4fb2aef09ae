"""Memory is for what is going on: neither runs that have ended nor runs that wait leave objects behind."""

from __future__ import annotations

import gc
from collections import Counter

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, Received
from wfdeploy.localserver.clock import ManualClock


def ours() -> Counter[str]:
    """How many objects of our classes there are, and how many tasks."""
    gc.collect()
    names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return Counter(name for name in names if name.startswith(("wfdeploy.", "_asyncio.Task")))


def test_runs_leave_nothing_in_memory(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    """Each with a flow-control key of its own; some end, some fail, some are delayed for a day."""

    def answer(request: Received) -> tuple[int, dict[str, str], bytes]:
        run_id = request.headers["upstash-workflow-runid"]
        if run_id.endswith("0"):
            return 500, {}, b'{"message":"no"}'
        timed_api.http.delete(f"/v2/workflows/runs/{run_id}?cancel=false")
        return 200, {"Upstash-Workflow-Sdk-Version": "1"}, b"{}"

    endpoint.answer = answer

    def some(prefix: str, count: int) -> Counter[str]:
        """So many ended runs more, and as many that wait."""
        items = []
        for number in range(count):
            key = {
                "Upstash-Flow-Control-Key": f"{prefix}{number}",
                "Upstash-Flow-Control-Value": "rate=1,period=1h",
                "Upstash-Retries": "0",
            }
            for run_id, more in (
                (f"wfr_{prefix}{number}", {}),
                (f"wfr_later_{prefix}{number}", {"Upstash-Delay": "1d"}),
            ):
                headers = {"Upstash-Workflow-RunId": run_id, **key, **more}
                items.append({"destination": endpoint.url, "headers": headers, "body": "{}"})
        assert timed_api.http.post("/v2/batch/trigger", json=items).status_code == 201
        timed_server.wait_idle(60)
        clock.advance(3600)  # a key of a failed run held its failure callback up
        timed_server.wait_idle(60)
        endpoint.requests.clear()
        return timed_server.inside(lambda _: ours())

    some("a", 300)  # fills the caches, which are bounded
    before, after = some("b", 100), some("c", 100)
    assert len(timed_server.accepted()) == 1000
    grown = {name: (before[name], count) for name, count in after.items() if count > before[name] + 10}
    assert grown == {}
