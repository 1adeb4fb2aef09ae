"""Listing runs: paging, filters, what is shown, and what the scenario hides."""

from __future__ import annotations

import hashlib
import math

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


def test_pages_are_of_ten_newest_first(api: Api) -> None:
    ids = [f"wfr_{number:02}" for number in range(25)]
    api.trigger(*ids)
    page = api.logs(count=1000)
    assert len(page["runs"]) == 10
    assert page["cursor"]
    assert api.listed() == ids[::-1]
    assert api.listed(count=7) == ids[::-1]
    assert "cursor" not in api.logs(workflowRunId="wfr_03")


def test_runs_accepted_meanwhile_do_not_shift_the_pages(api: Api) -> None:
    ids = [f"wfr_{number:02}" for number in range(15)]
    api.trigger(*ids)
    cursor = api.logs()["cursor"]
    api.trigger("wfr_new")
    assert [run["workflowRunId"] for run in api.logs(cursor=cursor)["runs"]] == ids[4::-1]


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


def test_one_id_may_have_several_runs(api: Api, server: LocalServer) -> None:
    for _ in range(3):
        api.trigger("wfr_a")
        server.end("wfr_a")
    runs = api.logs(workflowRunId="wfr_a")["runs"]
    assert len({run["workflowRunCreatedAt"] for run in runs}) == 3
    only = api.logs(workflowRunId="wfr_a", workflowCreatedAt=runs[1]["workflowRunCreatedAt"])["runs"]
    assert only == [runs[1]]


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


def test_the_sdks_path_answers_the_same(api: Api) -> None:
    api.trigger("wfr_a")
    answer = api.http.get("/v2/workflows/events", params={"groupBy": "workflowRunId"})
    assert answer.json() == api.logs()


def test_a_run_shows_its_payload_and_labels(api: Api) -> None:
    api.trigger("wfr_a", Upstash_Label="one, two")
    run = api.logs()["runs"][0]
    assert (run["label"], run["labels"]) == ("one", ["one", "two"])
    assert run["workflowState"] == "RUN_STARTED"
    assert run["steps"][0]["type"] == "sequential"
    assert run["steps"][0]["steps"][0]["out"] == "{}"
    assert run["steps"][1]["type"] == "next"
    assert run["steps"][1]["steps"][0]["state"] == "STEP_PROGRESS"
    assert "workflowRunCompletedAt" not in run


def test_bodies_are_trimmed_left_out_or_redacted(api: Api) -> None:
    def out(**query: int) -> str | None:
        text: str | None = api.logs(workflowRunId="wfr_a", **query)["runs"][0]["steps"][0]["steps"][0].get("out")
        return text

    api.trigger("wfr_a")
    assert out() == "{}"
    assert out(trimBody=1) == "{"
    assert out(trimBody=-1) is None
    api.trigger("wfr_b", Upstash_Redact_Fields="body")
    shown = api.logs(workflowRunId="wfr_b")["runs"][0]["steps"][0]["steps"][0]["out"]
    assert shown == f"REDACTED:{hashlib.sha256(b'{}').hexdigest()}"


def test_log_lag_hides_what_is_young(api: Api, clock: ManualClock, server: LocalServer) -> None:
    server.faults.log_lag_s = 30
    api.trigger("wfr_a")
    assert api.listed() == []
    clock.advance(29)
    assert api.listed() == []
    clock.advance(1)
    assert api.listed() == ["wfr_a"]
    server.faults.log_lag_s = math.inf
    assert api.listed() == []
    server.faults.log_lag_s = 0
    assert api.listed() == ["wfr_a"]
    # A hidden run's id is reserved all the same.
    server.faults.log_lag_s = 30
    assert api.trigger("wfr_a").json()[0]["deduplicated"]


def test_logs_can_be_frozen(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a")
    server.freeze_logs()
    api.trigger("wfr_b")
    assert api.listed() == ["wfr_a"]
    server.thaw_logs()
    assert api.listed() == ["wfr_b", "wfr_a"]


def test_delayed_run_may_be_hidden_until_it_starts(api: Api, clock: ManualClock, server: LocalServer) -> None:
    server.faults.hide_delayed = True
    api.trigger("wfr_a", Upstash_Delay="1m")
    assert api.listed() == []
    assert api.trigger("wfr_a").json()[0]["deduplicated"]
    clock.advance(60)
    assert api.listed() == ["wfr_a"]
