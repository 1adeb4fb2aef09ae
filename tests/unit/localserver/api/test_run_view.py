"""How the logs show the steps of a run: finished, under way, and what is delivered next."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Api, Endpoint
from wfdeploy.localserver.clock import ManualClock

CALL = {
    "Upstash-Workflow-CallType": "toCallback",
    "Upstash-Method": "PUT",
    "Upstash-Forward-X-Key": "k",
    "Upstash-Callback-Forward-Upstash-Workflow-StepId": "1",
    "Upstash-Callback-Forward-Upstash-Workflow-StepName": "ask",
    "Upstash-Callback-Forward-Upstash-Workflow-Concurrent": "1",
}


@pytest.fixture
def server(timed_server: LocalServer) -> LocalServer:
    return timed_server


@pytest.fixture
def api(timed_api: Api, server: LocalServer, endpoint: Endpoint) -> Api:
    timed_api.trigger("wfr_a", url=endpoint.url)
    server.wait_idle()
    return timed_api


def submit(api: Api, url: str, body: str, **headers: str) -> None:
    item = {
        "destination": url,
        "headers": {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false", **headers},
        "body": body,
    }
    assert api.http.post("/v2/batch", json=[item]).status_code == 200


def groups(api: Api, **query: Any) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = api.logs(workflowRunId="wfr_a", **query)["runs"][0]["steps"]
    return shown[1:]


def test_call(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    third = f"{endpoint.url}/third"
    endpoint.answer = lambda request: (503 if request.path == "/wf/third" else 200, WORKFLOW, b"busy")
    callback = {"Upstash-Callback": endpoint.url}
    submit(api, third, "ask ü", **CALL, **callback, **{"Upstash-Retries": "1", "Upstash-Retry-Delay": "60000"})
    server.wait_idle()
    sequential, following = groups(api)
    (step,) = sequential["steps"]
    assert (sequential["type"], step["stepName"], step["stepType"]) == ("sequential", "ask", "Call")
    assert (step["state"], step["callType"], step["callUrl"]) == ("STEP_PROGRESS", "toCallback", third)
    assert (step["callMethod"], step["callHeaders"], step["callBody"]) == ("PUT", {"X-Key": ["k"]}, "ask ü")
    assert following["type"] == "next"
    assert following["steps"][0]["state"] == "STEP_RETRY"
    assert following["steps"][0]["errors"][0]["body"] == "busy"
    assert groups(api, trimBody=2)[1]["steps"][0]["errors"][0]["body"] == "bu"
    assert "body" not in groups(api, trimBody=-1)[1]["steps"][0]["errors"][0]
    out = json.dumps({"status": 503, "body": "busy", "header": {"X": ["1"]}})
    submit(api, endpoint.url, json.dumps({"stepId": 1, "stepName": "ask", "stepType": "Call", "out": out}))
    server.wait_idle()
    step = groups(api)[0]["steps"][0]
    assert (step["state"], step["callResponseStatus"], step["callResponseBody"]) == ("STEP_SUCCESS", 503, "busy")
    assert step["callResponseHeaders"] == {"X": ["1"]}
    assert not {"callBody", "callResponseBody", "out"} & set(groups(api, trimBody=-1)[0]["steps"][0])


def test_wait(api: Api, server: LocalServer, clock: ManualClock) -> None:
    body = {"timeout": "20s", "step": {"stepId": 1, "stepType": "Wait", "stepName": "ev", "concurrent": 1}}
    api.http.post("/v2/wait/order", json=body, headers={"Upstash-Workflow-RunId": "wfr_a"})
    (group,) = groups(api)
    (step,) = group["steps"]
    assert (step["state"], step["stepName"], step["waitEventId"]) == ("STEP_PROGRESS", "ev", "order")
    assert (step["waitTimeoutDuration"], step["waitTimeoutDeadline"]) == ("20s", clock.now_ms() + 20_000)
    api.http.post("/v2/notify/order", content="x")
    server.wait_idle()
    (step,) = groups(api)[0]["steps"]
    assert (step["state"], step["waitTimeout"]) == ("STEP_SUCCESS", False)
    assert base64.b64decode(step["out"]) == b"x"


def test_invoke(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    headers = {
        "Upstash-Workflow-Init": "true",
        "Upstash-Workflow-RunId": "wfr_child",
        "Upstash-Workflow-Invoke": "true",
        "Upstash-Forward-X-Team": "growth",
    }
    step = {"stepId": 1, "stepName": "inv", "stepType": "Invoke", "concurrent": 1}
    body = {"workflowRunId": "wfr_a", "step": step, "body": "p"}
    api.http.post(f"/v2/publish/{endpoint.url}/child", json=body, headers=headers)
    server.wait_idle()
    for state in ("STEP_PROGRESS", "STEP_SUCCESS"):
        (shown,) = groups(api)[0]["steps"]
        assert (shown["state"], shown["invokedWorkflowRunId"]) == (state, "wfr_child")
        assert (shown["invokedWorkflowUrl"], shown["invokedWorkflowRunBody"]) == (f"{endpoint.url}/child", "p")
        assert shown["invokedWorkflowRunHeaders"] == {"x-team": ["growth"]}
        assert shown["invokedWorkflowCreatedAt"] == server.accepted("wfr_child")[0].created_at_ms
        server.end("wfr_child")
        server.wait_idle()


def test_parallel_siblings_under_way_share_a_group(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    sibling = {"stepId": 1, "stepName": "s", "stepType": "Run", "out": "1", "concurrent": 2}
    submit(api, endpoint.url, json.dumps(sibling))
    body = {"step": {"stepId": 2, "stepType": "Wait", "stepName": "ev", "concurrent": 2}}
    api.http.post("/v2/wait/order", json=body, headers={"Upstash-Workflow-RunId": "wfr_a"})
    server.wait_idle()
    (group,) = groups(api)
    assert group["type"] == "parallel"
    assert [(step["stepId"], step["state"]) for step in group["steps"]] == [(1, "STEP_SUCCESS"), (2, "STEP_PROGRESS")]


def test_redaction_covers_every_body(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    api.trigger("wfr_b", url=endpoint.url, Upstash_Redact_Fields="body, header[X-Key]")
    server.wait_idle()
    item = {
        "destination": endpoint.url,
        "headers": {"Upstash-Workflow-RunId": "wfr_b", "Upstash-Workflow-Init": "false", **CALL},
        "body": "secret",
    }
    server.faults.hold_deliveries = True
    api.http.post("/v2/batch", json=[item])
    step = api.logs(workflowRunId="wfr_b")["runs"][0]["steps"][1]["steps"][0]
    assert step["callBody"].startswith("REDACTED:")
    assert step["callHeaders"]["X-Key"][0].startswith("REDACTED:")


def test_each_step_tells_how_it_was_delivered(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    """As the types of the JavaScript SDK have it."""
    options = {"Upstash_Retries": "1", "Upstash_Retry_Delay": "60000", "Upstash_Forward_X_Team": "growth"}
    api.trigger("wfr_b", url=endpoint.url, **options)
    server.wait_idle()
    endpoint.answer = lambda _: (500, {**WORKFLOW, "Upstash-Error-Step-Name": "charge"}, b"no")
    item = {
        "destination": endpoint.url,
        "headers": {"Upstash-Workflow-RunId": "wfr_b", "Upstash-Workflow-Init": "false"},
        "body": json.dumps({"stepId": 1, "stepName": "s", "stepType": "Run", "out": "1", "concurrent": 1}),
    }
    api.http.post("/v2/batch", json=[item])
    server.wait_idle()
    init, step, following = (group["steps"][0] for group in api.logs(workflowRunId="wfr_b")["runs"][0]["steps"])
    for each in (init, step):
        assert (each["retries"], each["retryDelay"], each["headers"]) == (1, "60000", {"X-Team": ["growth"]})
    assert (following["stepName"], following["retries"], following["retryDelay"]) == ("charge", 1, "60000")


def test_failure_callback_tells_its_attempts(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: (500, WORKFLOW, b"no")
    callback = {"Upstash_Failure_Callback": endpoint.url, "Upstash_Failure_Callback_Retries": "1"}
    api.trigger("wfr_b", url=endpoint.url, Upstash_Retries="0", Upstash_Retry_Delay="60000", **callback)
    server.wait_ended("wfr_b")
    server.wait_idle()
    told = api.logs(workflowRunId="wfr_b")["runs"][0]["failureFunction"]
    assert (told["state"], [error["status"] for error in told["errors"]]) == ("CALLBACK_INPROGRESS", [500])
    assert told["nextDeliveryTime"] == told["errors"][0]["time"] + 60_000
    assert told["errors"][0]["body"] == "no"
