"""Many runs, dead letters and queues at a glance."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Api, Endpoint
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.tenants import TENANTS


def told(api: Api, path: str, **query: str) -> dict[str, Any]:
    answer = api.http.get(f"/-/{path}", params=query)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def ids(api: Api, **query: str) -> list[str]:
    return [run["runId"] for run in told(api, "runs", **query)["runs"]]


@pytest.fixture
def held(server: LocalServer) -> LocalServer:
    server.faults.hold_deliveries = True
    return server


@pytest.mark.parametrize(
    ("piece", "found"),
    [
        ("", ["wfr_c", "wfr_b.c", "wfr_a"]),
        ("WFR_A", ["wfr_a"]),
        ("%", []),
        ("_", ["wfr_c", "wfr_b.c", "wfr_a"]),
        ("r_", ["wfr_c", "wfr_b.c", "wfr_a"]),
        ("fx_", []),
        ("onboard", ["wfr_c", "wfr_a"]),
        ("hourl", ["wfr_b.c"]),
        ("\\", []),
        ("'--", []),
    ],
)
def test_a_piece_of_id_url_or_label(held: LocalServer, api: Api, piece: str, found: list[str]) -> None:
    api.trigger("wfr_a", url="http://127.0.0.1:9/onboard")
    api.trigger("wfr_b.c", Upstash_Label="daily,hourly")
    api.trigger("wfr_c", Upstash_Label="onboarding")
    assert ids(api, q=piece) == found


def test_filters_of_the_logs_hold_too(held: LocalServer, api: Api) -> None:
    api.trigger("wfr_a", Upstash_Label="x")
    api.trigger("wfr_b", url="http://127.0.0.1:9/b", Upstash_Label="x")
    held.end("wfr_a")
    assert ids(api, label="x") == ["wfr_b", "wfr_a"]
    assert ids(api, label="x", state="RUN_SUCCESS") == ["wfr_a"]
    assert ids(api, workflowUrl="http://127.0.0.1:9/b", q="wfr") == ["wfr_b"]
    assert ids(api, workflowRunId="wfr_a") == ["wfr_a"]
    for query in ({"state": "x"}, {"cursor": "x"}):
        answer = api.http.get("/-/runs", params=query)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_pages_go_on_where_the_last_one_ended(held: LocalServer, api: Api) -> None:
    api.trigger(*(f"wfr_{number:03d}" for number in range(120)), Upstash_Label="x")
    for query in ({}, {"label": "x"}, {"q": "wfr"}):
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = told(api, "runs", **query, cursor=cursor)
            seen += [run["runId"] for run in page["runs"]]
            cursor = page["cursor"]
        assert seen == [f"wfr_{number:03d}" for number in reversed(range(120))]


def test_another_user_sees_nothing(held: LocalServer, api: Api) -> None:
    api.trigger("wfr_a")
    assert ids(api) == ["wfr_a"]
    api.http.headers["Authorization"] = f"Bearer {TENANTS[1].token}"
    assert ids(api) == []
    assert api.http.get("/-/run", params={"id": "wfr_a"}).status_code == 404


def test_what_runs_wait_for(timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint) -> None:
    endpoint.answer = lambda request: (500 if request.headers.get("x") == "bad" else 200, WORKFLOW, b"{}")
    timed_api.trigger("wfr_later", url=endpoint.url, Upstash_Delay="60s")
    timed_api.trigger("wfr_wait", url=endpoint.url)
    timed_api.http.post(
        "/v2/batch/trigger",
        json=[
            {
                "destination": endpoint.url,
                "headers": {
                    "Upstash-Workflow-RunId": "wfr_bad",
                    "Upstash-Retry-Delay": "5000",
                    "Upstash-Forward-X": "bad",
                },
                "body": "bad",
            }
        ],
    )
    step = {"stepId": 1, "stepType": "Wait", "stepName": "w", "concurrent": 1}
    body = {"timeout": "20s", "step": step}
    timed_api.http.post("/v2/wait/order", json=body, headers={"Upstash-Workflow-RunId": "wfr_wait"})
    timed_server.wait_idle()
    page = told(timed_api, "runs")
    assert page["now"] == clock.now_ms()
    runs = {run["runId"]: run["underWay"] for run in page["runs"]}
    now = clock.now_ms()
    assert runs["wfr_later"] == [{"kind": "init", "many": 1, "dueAt": now + 60_000, "retried": 0}]
    assert {"kind": "wait", "many": 1, "dueAt": now + 20_000, "retried": 0, "event": "order"} in runs["wfr_wait"]
    assert runs["wfr_bad"] == [{"kind": "init", "many": 1, "dueAt": now + 5000, "retried": 1}]


def test_dead_letters_tell_why(server: LocalServer, api: Api, endpoint: Endpoint) -> None:
    error = {"error": "Error", "message": "no tenant", "stack": "…"}
    for run_id, answer in [("wfr_sdk", json.dumps(error)), ("wfr_text", "x" * 1000), ("wfr_list", "[1]")]:
        endpoint.answer = lambda _, answer=answer: (500, WORKFLOW, answer.encode())  # type: ignore[misc]
        api.trigger(run_id, url=endpoint.url, Upstash_Retries="0", Upstash_Label=run_id)
        server.wait_ended(run_id)
    found = {letter["runId"]: letter for letter in told(api, "dead-letters")["letters"]}
    assert list(found) == ["wfr_list", "wfr_text", "wfr_sdk"]
    assert [letter["message"] for letter in found.values()] == [None, None, "no tenant"]
    assert found["wfr_text"]["answer"] == "x" * 300
    assert found["wfr_sdk"]["error"] == "500 Internal Server Error"
    assert found["wfr_sdk"]["failedAt"] >= found["wfr_sdk"]["createdAt"]
    assert found["wfr_sdk"]["dlqId"] == api.http.get("/v2/workflows/dlq").json()["messages"][-1]["dlqId"]
    assert [each["runId"] for each in told(api, "dead-letters", label="wfr_text")["letters"]] == ["wfr_text"]
    assert [run["message"] for run in told(api, "runs", q="sdk")["runs"]] == ["no tenant"]


def test_a_queue_shows_what_is_due(held: LocalServer, api: Api) -> None:
    flow = {"Upstash_Flow_Control_Key": "a.b", "Upstash_Flow_Control_Value": "parallelism=1"}
    api.trigger("wfr_a", "wfr_b", **flow)
    api.trigger("wfr_later", Upstash_Delay="1h", **flow)
    api.trigger("wfr_other")
    due = told(api, "queue", key="a.b")["deliveries"]
    assert [(each["runId"], each["kind"], each["retried"]) for each in due] == [
        ("wfr_a", "init", 0),
        ("wfr_b", "init", 0),
    ]
    assert told(api, "queue", key="x")["deliveries"] == []
