"""The dead-letter queue: what enters it, how it is listed, and what becomes of its entries."""

from __future__ import annotations

import base64
import json

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, Workflow, api_for, is_callback


def test_failed_run_is_an_entry(api: Api, server: LocalServer, endpoint: Endpoint, workflow: Workflow) -> None:
    (entry,) = workflow.fail(
        server,
        "wfr_a",
        Upstash_Label="x,y",
        Upstash_Forward_X_Team="growth",
        Upstash_Flow_Control_Key="k",
        Upstash_Flow_Control_Value="parallelism=9",
    )
    run = api.logs()["runs"][0]
    assert entry["dlqId"] == run["dlqId"]
    assert (entry["workflowRunId"], entry["workflowCreatedAt"]) == ("wfr_a", run["workflowRunCreatedAt"])
    assert (entry["url"], entry["workflowUrl"], entry["method"]) == (endpoint.url, endpoint.url, "POST")
    assert (entry["body"], entry["maxRetries"], entry["callerIP"]) == ("{}", 0, "127.0.0.1")
    assert entry["header"]["X-Team"] == ["growth"]
    assert (entry["label"], entry["labels"], entry["flowControlKey"]) == ("x", ["x", "y"], "k")
    assert (entry["responseStatus"], entry["responseBody"]) == (503, '{"message":"no"}')
    assert entry["responseHeader"]["X-Why"] == ["weather"]
    assert (entry["failureCallback"], entry["failureFunctionState"]) == (endpoint.url, "CALLBACK_FAIL")
    assert entry["failureCallbackInfo"]["responseBody"] == "callback down"
    assert api.http.get(f"/v2/workflows/dlq/{entry['dlqId']}").json() == entry
    assert api.http.get("/v2/dlq?source=workflow").json() == {"cursor": "", "messages": [entry]}
    assert api.http.get("/v2/dlq").json()["messages"] == []


def test_cancelled_and_finished_runs_are_not(api: Api, server: LocalServer, workflow: Workflow) -> None:
    server.faults.hold_deliveries = True
    api.trigger("wfr_a", "wfr_b")
    api.http.delete("/v2/workflows/runs/wfr_a")
    server.end("wfr_b")
    assert workflow.entries() == []


def test_redacted_fields_stay_hidden_and_are_delivered(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(
        server, "wfr_a", Upstash_Redact_Fields="body,header[x-key]", Upstash_Forward_X_Key="k", Upstash_Forward_X="1"
    )
    assert entry["body"].startswith("REDACTED:")
    assert entry["header"]["X-Key"][0].startswith("REDACTED:")
    assert entry["header"]["X"] == ["1"]
    api.http.post(f"/v2/workflows/dlq/restart/{entry['dlqId']}")
    server.wait_idle()
    received = [request for request in workflow.endpoint.requests if not is_callback(request)][-1]
    assert base64.b64decode(json.loads(received.body)[0]["body"]) == b"{}"
    assert received.headers["x-key"] == "k"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/workflows/dlq/1-1"),
        ("DELETE", "/v2/workflows/dlq/1-1"),
        ("POST", "/v2/workflows/dlq/resume/1-1"),
        ("POST", "/v2/workflows/dlq/restart/1-1"),
        ("POST", "/v2/workflows/dlq/resume?dlqIds=1-1"),
        ("POST", "/v2/workflows/dlq/restart?dlqIds=1-1"),
        ("POST", "/v2/workflows/dlq/callback/1-1"),
        ("DELETE", "/v2/workflows/dlq/callback/1-1"),
    ],
)
def test_unknown_entry(api: Api, method: str, path: str) -> None:
    answer = api.http.request(method, path)
    assert (answer.status_code, set(answer.json())) == (404, {"error"})


@pytest.mark.parametrize("query", ["count=0", "count=x", "cursor=nonsense", "failureFunctionState=BROKEN"])
def test_bad_query(api: Api, query: str) -> None:
    for method, path in (
        ("GET", "/v2/workflows/dlq"),
        ("DELETE", "/v2/workflows/dlq"),
        ("POST", "/v2/workflows/dlq/resume"),
    ):
        assert api.http.request(method, f"{path}?{query}").status_code == 400


def test_delete(api: Api, server: LocalServer, workflow: Workflow) -> None:
    entries = workflow.fail(server, "wfr_a", "wfr_b", "wfr_c", "wfr_d", Upstash_Failure_Callback_Retries="0")
    assert api.http.delete(f"/v2/workflows/dlq/{entries[0]['dlqId']}").status_code == 200
    ids = [entries[1]["dlqId"], "1-1"]
    assert api.http.delete("/v2/workflows/dlq", params={"dlqIds": ids, "label": "z"}).json()["deleted"] == 1
    one = api.http.delete("/v2/workflows/dlq", params={"count": 1}).json()
    assert one["deleted"] == 1
    assert one["cursor"]
    assert api.http.delete("/v2/workflows/dlq", params={"cursor": one["cursor"]}).json() == {"deleted": 1, "cursor": ""}
    assert workflow.entries() == []
    # The logs still tell how it ended.
    assert {run["workflowState"] for run in api.logs()["runs"]} == {"RUN_FAILED"}


def test_bulk_by_filter(api: Api, server: LocalServer, workflow: Workflow) -> None:
    workflow.fail(server, "wfr_a", "wfr_b", Upstash_Label="x")
    workflow.fail(server, "wfr_c", Upstash_Label="y")
    workflow.healed = True
    first = api.http.post("/v2/workflows/dlq/restart", params={"label": "x", "count": 1}).json()
    assert len(first["workflowRuns"]) == 1
    rest = api.http.post("/v2/workflows/dlq/restart", params={"label": "x", "cursor": first["cursor"]}).json()
    assert (len(rest["workflowRuns"]), rest["cursor"]) == (1, "")
    assert [entry["workflowRunId"] for entry in workflow.entries()] == ["wfr_c"]
    server.wait_all_ended()
    assert sorted(run.state for run in server.accepted()) == ["RUN_FAILED"] * 3 + ["RUN_SUCCESS"] * 2


def test_restart_takes_fifty_at_a_time(api: Api, server: LocalServer, workflow: Workflow) -> None:
    server.faults.hold_deliveries = False
    workflow.endpoint.answer = lambda _: (489, {"Upstash-NonRetryable-Error": "true"}, b"")
    entries = workflow.fail(server, *(f"wfr_{number}" for number in range(60)), Upstash_Failure_Callback_Retries="0")
    server.faults.hold_deliveries = True
    ids = [entry["dlqId"] for entry in entries]
    first = api.http.post("/v2/workflows/dlq/restart", params={"dlqIds": ids}).json()
    assert len(first["workflowRuns"]) == 50
    rest = api.http.post("/v2/workflows/dlq/restart", params={"dlqIds": ids, "cursor": first["cursor"]}).json()
    assert (len(rest["workflowRuns"]), rest["cursor"]) == (10, "")


def test_failure_callback_is_sent_again(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a", Upstash_Failure_Callback_Retries="0")
    path = f"/v2/workflows/dlq/callback/{entry['dlqId']}"
    assert api.http.delete(path).status_code == 400
    workflow.healed = True
    answer = api.http.post(path)
    assert (answer.status_code, answer.json()["workflowRunId"]) == (200, "wfr_a")
    server.wait_idle()
    (entry,) = workflow.entries()
    assert (entry["failureFunctionState"], entry["failureCallbackInfo"]["responseStatus"]) == ("CALLBACK_SUCCESS", 200)
    assert api.logs()["runs"][0]["failureFunction"]["state"] == "CALLBACK_SUCCESS"
    bodies = [json.loads(request.body) for request in workflow.endpoint.requests if is_callback(request)]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert api.http.post(path).status_code == 400


def test_failure_callback_in_progress_is_cancelled(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(
        server, "wfr_a", Upstash_Failure_Callback_Retries="3", Upstash_Failure_Callback_Retry_Delay="3600000"
    )
    assert entry["failureFunctionState"] == "CALLBACK_INPROGRESS"
    path = f"/v2/workflows/dlq/callback/{entry['dlqId']}"
    assert api.http.post(path).status_code == 400
    assert api.http.delete(path).status_code == 200
    assert workflow.entries()[0]["failureFunctionState"] == "CALLBACK_CANCELED"
    assert workflow.entries(failureFunctionState="CALLBACK_CANCELED")


def test_entries_belong_to_their_tenant(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a")
    other = "eyJVc2VySUQiOiJ0ZXN0VXNlcjEiLCJQYXNzd29yZCI6InRlc3RQYXNzd29yZCJ9"
    with api_for(server, other) as http:
        assert http.get("/v2/workflows/dlq").json()["messages"] == []
        assert http.delete(f"/v2/workflows/dlq/{entry['dlqId']}").status_code == 404
        assert http.delete("/v2/workflows/dlq").json()["deleted"] == 0
