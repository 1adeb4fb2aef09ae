"""The dead-letter queue: what enters it, how it is listed, and what becomes of its entries."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Answer, Api, Endpoint, Received, api_for
from wfdeploy.localserver.clock import ManualClock


def step(number: int, **more: Any) -> str:
    return json.dumps(
        {"stepId": number, "stepName": f"s{number}", "stepType": "Run", "out": "1", "concurrent": 1, **more}
    )


def is_callback(request: Received) -> bool:
    return "upstash-workflow-is-failure" in request.headers


class Workflow:
    """An endpoint of two steps whose second one fails until `healed`; its failure function works only then, too."""

    def __init__(self, api: Api, endpoint: Endpoint) -> None:
        self.api, self.endpoint = api, endpoint
        self.healed = False
        self.done: list[tuple[str, int]] = []
        endpoint.answer = self.answer

    def answer(self, request: Received) -> Answer:
        if is_callback(request):
            return (200, {}, b'{"result":"noted"}') if self.healed else (500, {}, b"callback down")
        run_id = request.headers["upstash-workflow-runid"]
        number = len(json.loads(request.body))
        if number == 2 and not self.healed:
            return 503, {**WORKFLOW, "X-Why": "weather"}, b'{"message":"no"}'
        self.done.append((run_id, number))
        if number == 3:
            self.api.http.delete(f"/v2/workflows/runs/{run_id}?cancel=false")
        else:
            headers = {"Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Init": "false"}
            self.api.http.post(
                "/v2/batch", json=[{"destination": self.endpoint.url, "headers": headers, "body": step(number)}]
            )
        return 200, WORKFLOW, b"{}"

    def fail(self, server: LocalServer, *run_ids: str, **options: str) -> list[dict[str, Any]]:
        self.api.trigger(*run_ids, url=self.endpoint.url, Upstash_Retries="0", **options)
        for run_id in run_ids:
            assert server.wait_ended(run_id).state == "RUN_FAILED"
        server.wait_idle()
        return self.entries()

    def entries(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.api.http.get("/v2/workflows/dlq", params=query)
        assert answer.status_code == 200, answer.text
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages


@pytest.fixture
def workflow(api: Api, endpoint: Endpoint) -> Workflow:
    return Workflow(api, endpoint)


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


def test_filters_and_pages(timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint) -> None:
    workflow = Workflow(timed_api, endpoint)
    start = clock.now_ms()
    workflow.fail(timed_server, "wfr_a", Upstash_Label="x")
    clock.advance(10)
    workflow.healed = False
    workflow.fail(timed_server, "wfr_b", Upstash_Label="y", Upstash_Failure_Callback_Retries="0")

    def ids(**query: Any) -> list[str]:
        return [entry["workflowRunId"] for entry in workflow.entries(**query)]

    assert ids() == ["wfr_b", "wfr_a"]
    assert ids(label="x") == ["wfr_a"]
    assert ids(label=["x", "y"]) == ["wfr_b", "wfr_a"]
    assert ids(workflowUrl=endpoint.url) == ["wfr_b", "wfr_a"]
    assert ids(workflowUrl="http://127.0.0.1:9") == []
    assert ids(workflowRunId="wfr_b") == ["wfr_b"]
    assert ids(fromDate=start + 1) == ["wfr_b"]
    assert ids(toDate=start + 9_000) == ["wfr_a"]
    assert ids(workflowCreatedAt=timed_server.accepted("wfr_a")[0].created_at_ms) == ["wfr_a"]
    assert ids(failureFunctionState="CALLBACK_FAIL") == ["wfr_b", "wfr_a"]
    assert ids(failureFunctionState="CALLBACK_SUCCESS") == []
    assert ids(responseStatus="503", callerIp="127.0.0.1") == ["wfr_b", "wfr_a"]
    assert ids(responseStatus="500") == []
    assert ids(flowControlKey="k") == []
    first = timed_api.http.get("/v2/workflows/dlq", params={"count": 1}).json()
    assert [entry["workflowRunId"] for entry in first["messages"]] == ["wfr_b"]
    rest = timed_api.http.get("/v2/workflows/dlq", params={"count": 1, "cursor": first["cursor"]}).json()
    assert ([entry["workflowRunId"] for entry in rest["messages"]], rest["cursor"]) == (["wfr_a"], "")


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


def test_bad_override_changes_nothing(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a")
    for headers in ({"Upstash-Retries": "many"}, {"Upstash-Delay": "soon"}, {"Upstash-Flow-Control-Key": "k"}):
        assert api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}", headers=headers).status_code == 400
    assert workflow.entries() == [entry]
    assert len(server.accepted()) == 1


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


def test_resume_goes_on_where_it_failed(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a", Upstash_Label="x", Upstash_Forward_X_Team="growth")
    workflow.healed = True
    answer = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}")
    assert answer.status_code == 200
    run_id = answer.json()["workflowRunId"]
    assert run_id != "wfr_a"
    ended = server.wait_ended(run_id)
    assert (ended.state, ended.labels, ended.created_at_ms) == (
        "RUN_SUCCESS",
        ("x",),
        answer.json()["workflowCreatedAt"],
    )
    # The first step was not done again.
    assert workflow.done == [("wfr_a", 1), (run_id, 2), (run_id, 3)]
    assert workflow.endpoint.requests[-1].headers["x-team"] == "growth"
    assert server.accepted("wfr_a")[0].state == "RUN_FAILED"
    assert workflow.entries() == []
    assert api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").status_code == 404
    groups = api.logs(workflowRunId=run_id)["runs"][0]["steps"]
    assert [step["stepName"] for group in groups for step in group["steps"]] == ["init", "s1", "s2"]


def test_restart_begins_again(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a")
    workflow.healed = True
    run_id = api.http.post(f"/v2/workflows/dlq/restart/{entry['dlqId']}").json()["workflowRunId"]
    assert server.wait_ended(run_id).state == "RUN_SUCCESS"
    assert workflow.done == [("wfr_a", 1), (run_id, 1), (run_id, 2), (run_id, 3)]


def test_run_that_fails_again_is_a_new_entry(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a")
    run_id = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").json()["workflowRunId"]
    assert server.wait_ended(run_id).state == "RUN_FAILED"
    server.wait_idle()
    (again,) = workflow.entries()
    assert (again["workflowRunId"], again["dlqId"] != entry["dlqId"]) == (run_id, True)
    callbacks = [
        json.loads(request.body)["workflowRunId"] for request in workflow.endpoint.requests if is_callback(request)
    ]
    assert callbacks == ["wfr_a", run_id]
    workflow.healed = True
    last = api.http.post(f"/v2/workflows/dlq/resume/{again['dlqId']}").json()["workflowRunId"]
    assert server.wait_ended(last).state == "RUN_SUCCESS"


def test_overrides(api: Api, server: LocalServer, workflow: Workflow) -> None:
    (entry,) = workflow.fail(server, "wfr_a", Upstash_Label="x", Upstash_Failure_Callback_Retries="0")
    headers = {
        "Upstash-Retries": "2",
        "Upstash-Retry-Delay": "1",
        "Upstash-Label": "again",
        "Upstash-Flow-Control-Key": "k",
        "Upstash-Flow-Control-Value": "parallelism=3",
        "Upstash-Failure-Callback": f"{workflow.endpoint.url}/elsewhere",
    }
    answer = api.http.post("/v2/workflows/dlq/resume", params={"dlqIds": entry["dlqId"]}, headers=headers).json()
    assert answer["cursor"] == ""
    run_id = answer["workflowRuns"][0]["workflowRunId"]
    server.wait_ended(run_id)
    server.wait_idle()
    run = api.logs(workflowRunId=run_id)["runs"][0]
    assert (run["labels"], run["flowControlKey"]) == (["again"], "k")
    attempts = [
        request
        for request in workflow.endpoint.requests
        if request.headers["upstash-workflow-runid"] == run_id and not is_callback(request)
    ]
    assert [request.headers["upstash-retried"] for request in attempts] == ["0", "1", "2"]
    assert workflow.endpoint.requests[-1].path == "/wf/elsewhere"


def test_resume_may_be_delayed(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    workflow = Workflow(timed_api, endpoint)
    (entry,) = workflow.fail(timed_server, "wfr_a", Upstash_Failure_Callback_Retries="0")
    workflow.healed = True
    answer = timed_api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}", headers={"Upstash-Delay": "1h"})
    timed_server.wait_idle()
    assert timed_api.state(answer.json()["workflowRunId"]) == "RUN_STARTED"
    clock.advance(3600)
    assert timed_server.wait_ended(answer.json()["workflowRunId"]).state == "RUN_SUCCESS"


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


def test_siblings_that_were_under_way_go_on_too(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    """Parallel: one sibling failed while another slept; the failed one is delivered last."""
    plans = [step(0, targetStep=1, concurrent=2), step(0, targetStep=2, concurrent=2, sleepFor=3600)]
    broken = [True]

    def answer(request: Received) -> Answer:
        entries = json.loads(request.body)
        last = json.loads(base64.b64decode(entries[-1]["body"]) or "{}")
        if broken[0] and last.get("targetStep") == 1:
            return 500, WORKFLOW, b"{}"
        return 200, WORKFLOW, b"{}"

    endpoint.answer = answer
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="0", Upstash_Failure_Callback_Retries="0")
    server.wait_idle()
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    items = [{"destination": endpoint.url, "headers": headers, "body": plan} for plan in plans]
    items[1] = {**items[1], "headers": {**headers, "Upstash-Delay": "1h"}}
    api.http.post("/v2/batch", json=items)
    server.wait_ended("wfr_a")
    server.wait_idle()
    broken[0] = False
    entry = api.http.get("/v2/workflows/dlq").json()["messages"][0]
    run_id = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").json()["workflowRunId"]
    server.wait_idle()
    listed = api.http.get(f"/v2/workflows/runs/{run_id}").json()
    bodies = [json.loads(base64.b64decode(each["body"])) for each in listed]
    assert bodies == [{}, json.loads(plans[1]), json.loads(plans[0])]
    # The sleeper sleeps on: only the failed one was delivered.
    assert len([request for request in endpoint.requests if request.headers["upstash-workflow-runid"] == run_id]) == 1


def test_delivery_that_was_still_open_is_not_repeated(api: Api, server: LocalServer, workflow: Workflow) -> None:
    """The second step failed before the first delivery, which had submitted it, was answered."""
    ended = threading.Event()
    inner = workflow.answer

    def answer(request: Received) -> Answer:
        told = inner(request)
        if len(json.loads(request.body)) == 1:
            ended.wait(10)
        return told

    workflow.endpoint.answer = answer
    api.trigger("wfr_a", url=workflow.endpoint.url, Upstash_Retries="0", Upstash_Failure_Callback_Retries="0")
    assert server.wait_ended("wfr_a").state == "RUN_FAILED"
    ended.set()
    server.wait_idle()
    workflow.healed = True
    run_id = api.http.post("/v2/workflows/dlq/resume").json()["workflowRuns"][0]["workflowRunId"]
    assert server.wait_ended(run_id).state == "RUN_SUCCESS"
    assert workflow.done == [("wfr_a", 1), (run_id, 2), (run_id, 3)]


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


def test_entries_survive_a_restart_of_the_server(tmp_path: Path, endpoint: Endpoint) -> None:
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        (entry,) = Workflow(Api(http), endpoint).fail(server, "wfr_a")
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        assert Workflow(Api(http), endpoint).entries() == [entry]


def test_database_of_the_first_version_is_taken_over(tmp_path: Path, endpoint: Endpoint) -> None:
    """A file as the first version left it: its failed runs become entries."""
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        (entry,) = Workflow(Api(http), endpoint).fail(server, "wfr_a")
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.executescript(
        "DROP TABLE dlq; DROP TABLE events; DROP TABLE flow_keys; DROP TABLE head;"
        "DROP INDEX messages_waiting; DROP INDEX messages_by_key;"
        "ALTER TABLE runs DROP COLUMN invoker; ALTER TABLE messages DROP COLUMN event_id;"
        "ALTER TABLE messages DROP COLUMN flow_key; PRAGMA user_version = 1;"
    )
    connection.close()
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        assert Workflow(Api(http), endpoint).entries() == [entry]


def test_the_queue_has_no_filter_by_host_or_path(api: Api) -> None:
    """A filter that is not there must not end as all entries."""
    for query in ({"host": "127.0.0.1"}, {"path": "/wf"}):
        assert api.http.get("/v2/workflows/dlq", params=query).status_code == 400
        assert api.http.delete("/v2/workflows/dlq", params=query).status_code == 400
