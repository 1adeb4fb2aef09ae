"""Ending runs: cancel one, cancel many, finish. Listing them: pages, what is shown, and what the scenario hides."""

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


def test_cancel_ends_a_run(api: Api) -> None:
    api.trigger("wfr_a")
    assert api.http.delete("/v2/workflows/runs/wfr_a").status_code == 200
    assert api.state("wfr_a") == "RUN_CANCELED"
    assert api.http.delete("/v2/workflows/runs/wfr_a").status_code == 200
    assert api.http.delete("/v2/workflows/runs/wfr_unknown").status_code == 404


def test_finish_keeps_the_result(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a")
    assert (
        api.http.request("DELETE", "/v2/workflows/runs/wfr_a?cancel=false", content=b'{"ok":true}').status_code == 200
    )
    run = api.logs()["runs"][0]
    assert (run["workflowState"], run["workflowRunResponse"]) == ("RUN_SUCCESS", '{"ok":true}')
    assert run["workflowRunCompletedAt"] >= run["workflowRunCreatedAt"]
    # An end is final, and saying it twice is no error (an SDK may be called twice).
    api.http.delete("/v2/workflows/runs/wfr_a")
    assert server.accepted("wfr_a")[0].state == "RUN_SUCCESS"


def test_step_list_is_for_running_runs(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a")
    assert [set(entry) for entry in api.http.get("/v2/workflows/runs/wfr_a").json()] == [
        {"messageId", "body", "callType"}
    ]
    server.end("wfr_a")
    assert api.http.get("/v2/workflows/runs/wfr_a").status_code == 404


def cancelled(api: Api, server: LocalServer, **query: str | list[str]) -> list[str]:
    """The ids that a bulk cancel with this query ends."""
    answer = api.http.delete("/v2/workflows/runs", params=query)
    assert answer.status_code == 200
    ended = [run.run_id for run in server.accepted() if run.state == "RUN_CANCELED"]
    assert answer.json() == {"cancelled": len(ended)}
    return ended


@pytest.mark.parametrize(
    ("query", "ended"),
    [
        ({"workflowRunIds": "wfr_a,wfr_c,wfr_unknown"}, ["wfr_a", "wfr_c"]),
        ({"workflowRunIds": ["wfr_a", "wfr_b"], "label": "z"}, ["wfr_a", "wfr_b"]),
        ({"workflowUrl": "http://127.0.0.1:9/on"}, ["wfr_a", "wfr_b"]),
        ({"workflowUrl": "http://127.0.0.1:9/on", "workflowUrlExactMatch": "true"}, []),
        ({"workflowUrl": "http://127.0.0.1:9/o%"}, []),
        ({"host": "127.0.0.1:9", "path": "/one"}, ["wfr_a", "wfr_b"]),
        ({"host": "example.com"}, []),
        ({"label": "x"}, ["wfr_a"]),
        ({"label": ["x", "y"]}, ["wfr_a", "wfr_b"]),
        ({"label": "x", "workflowUrl": "http://127.0.0.1:9/two"}, []),
        ({"toDate": "1"}, []),
        ({"count": "2"}, ["wfr_a", "wfr_b"]),
        ({}, ["wfr_a", "wfr_b", "wfr_c"]),
    ],
)
def test_bulk_cancel(api: Api, server: LocalServer, query: dict[str, str | list[str]], ended: list[str]) -> None:
    api.trigger("wfr_a", url="http://127.0.0.1:9/one", Upstash_Label="x")
    api.trigger("wfr_b", url="http://127.0.0.1:9/one", Upstash_Label="y")
    api.trigger("wfr_c", url="http://127.0.0.1:9/two")
    api.trigger("wfr_done")
    server.end("wfr_done")
    assert cancelled(api, server, **query) == ended


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


def test_one_id_may_have_several_runs(api: Api, server: LocalServer) -> None:
    for _ in range(3):
        api.trigger("wfr_a")
        server.end("wfr_a")
    runs = api.logs(workflowRunId="wfr_a")["runs"]
    assert len({run["workflowRunCreatedAt"] for run in runs}) == 3
    only = api.logs(workflowRunId="wfr_a", workflowCreatedAt=runs[1]["workflowRunCreatedAt"])["runs"]
    assert only == [runs[1]]


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
