"""Filters of the logs, in SQL."""

from __future__ import annotations

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api
from wfdeploy.localserver.clock import ManualClock


@pytest.fixture
def server(timed_server: LocalServer) -> LocalServer:
    timed_server.faults.hold_deliveries = True
    return timed_server


@pytest.fixture
def api(server: LocalServer, timed_api: Api) -> Api:
    return timed_api


def test_filters(api: Api, clock: ManualClock, server: LocalServer) -> None:
    start = clock.now_ms()
    api.trigger("wfr_a", url="http://127.0.0.1:9/one", Upstash_Label="x,shared")
    clock.advance(10)
    api.trigger("wfr_b", url="http://127.0.0.1:9/two", Upstash_Label="y,shared")
    clock.advance(10)
    api.trigger("wfr_c", Upstash_Flow_Control_Key="k", Upstash_Flow_Control_Value="parallelism=2, rate=5, period=1m")
    server.end("wfr_b")

    assert api.listed(label="x") == ["wfr_a"]
    assert api.listed(label=["x", "y"]) == ["wfr_b", "wfr_a"]
    assert api.listed(label="x,y") == ["wfr_b", "wfr_a"]
    assert api.listed(label="shared", fromDate=start + 1) == ["wfr_b"]
    assert api.listed(label="unknown") == []
    assert api.listed(workflowUrl="http://127.0.0.1:9/one") == ["wfr_a"]
    assert api.listed(workflowUrl="http://127.0.0.1:9") == []
    assert api.listed(host="127.0.0.1:9", path="/one") == ["wfr_a"]
    assert api.listed(path=["/one", "/two"]) == ["wfr_b", "wfr_a"]
    assert api.listed(host="127.0.0.1") == []
    assert api.listed(state="RUN_SUCCESS") == ["wfr_b"]
    assert api.listed(state="RUN_STARTED,RUN_SUCCESS") == ["wfr_c", "wfr_b", "wfr_a"]
    assert api.listed(fromDate=start + 10_000) == ["wfr_c", "wfr_b"]
    assert api.listed(toDate=start + 10_000) == ["wfr_b", "wfr_a"]
    assert api.listed(fromDate=start + 1, toDate=start + 19_999) == ["wfr_b"]
    assert api.listed(fromDate=start + 99_999) == []
    assert api.listed(flowControlKey="k") == ["wfr_c"]
    assert api.listed(callerIp="127.0.0.1", label="x") == ["wfr_a"]
    assert api.listed(callerIp="10.0.0.1") == []
    created = server.accepted("wfr_b")[0].created_at_ms
    assert api.listed(workflowCreatedAt=created) == ["wfr_b"]
    # Other filters are ignored beside this one.
    assert api.listed(workflowRuns=f"wfr_b@{created},wfr_a@{start}", label="z") == ["wfr_b", "wfr_a"]
    assert api.listed(workflowRuns=f"wfr_b@{created + 1}") == []


@pytest.mark.parametrize(
    "query",
    [{"cursor": "nonsense"}, {"state": "RUN_AROUND"}, {"state": "STEP_AROUND"}, {"count": "x"}, {"count": "0"},
     {"state": ""}, {"fromDate": "yesterday"}, {"fromDate": "1.5"}, {"fromDate": "1e30"}, {"trimBody": "-2"},
     {"workflowUrl": "x"}, {"workflowRuns": "wfr_a"}, {"workflowRuns": ""}, {"groupBy": "label"}, {"cursor": "é"}],
)  # fmt: skip
def test_bad_filter_is_refused(api: Api, query: dict[str, str]) -> None:
    answer = api.http.get("/v2/workflows/logs", params=query)
    assert answer.status_code == 400
    assert answer.json()["error"]
