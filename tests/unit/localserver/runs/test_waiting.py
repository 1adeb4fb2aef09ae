"""A run that starts another and waits for its end. (For waits for events see `api/test_events.py`.)"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Api, Endpoint, Received, api_for, for_plain_endpoints

STEP = {"stepId": 1, "stepName": "inv", "stepType": "Invoke", "concurrent": 1}


def invoke(
    api: Api, url: str, run_id: str = "wfr_child", *, payload: str | None = "p", invoker: str = "wfr_a", **changed: Any
) -> httpx.Response:
    headers = {
        "Upstash-Workflow-Init": "true",
        "Upstash-Workflow-RunId": run_id,
        "Upstash-Workflow-Invoke": "true",
        "Upstash-Forward-Upstash-Workflow-Invoke-Count": "1",
        "Upstash-Forward-X-Child": "yes",
        "Upstash-Retries": "0",
    }
    body = {"workflowRunId": invoker, "workflowUrl": "http://x", "step": STEP, **changed}
    if payload is not None:
        body["body"] = payload
    return api.http.post(f"/v2/publish/{url}", content=json.dumps(body), headers=headers)


def last_step(request: Received) -> dict[str, Any]:
    step: dict[str, Any] = json.loads(base64.b64decode(json.loads(request.body)[-1]["body"]))
    return step


@pytest.fixture
def invoker(api: Api, server: LocalServer, endpoint: Endpoint) -> Endpoint:
    """An endpoint with a run in progress, `wfr_a`, that labels what is its own."""
    api.trigger("wfr_a", url=endpoint.url, Upstash_Forward_X_Parent="yes")
    server.wait_idle()
    endpoint.requests.clear()
    return endpoint


def out_of(endpoint: Endpoint) -> dict[str, Any]:
    """The result that the invoker got."""
    (request,) = [r for r in endpoint.requests if r.headers["upstash-workflow-runid"] == "wfr_a"]
    step = last_step(request)
    assert {name: step[name] for name in STEP} == STEP
    assert request.headers["x-parent"] == "yes"
    assert "x-child" not in request.headers
    out: dict[str, Any] = json.loads(step["out"])
    return out


def test_success(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    answer = invoke(api, f"{invoker.url}/child")
    assert (answer.status_code, answer.json()["workflowRunId"]) == (200, "wfr_child")
    server.wait_idle()
    (request,) = invoker.requests
    assert (request.path, base64.b64decode(json.loads(request.body)[0]["body"])) == ("/wf/child", b"p")
    assert (request.headers["x-child"], request.headers["upstash-workflow-invoke-count"]) == ("yes", "1")
    assert "x-parent" not in request.headers
    api.http.request("DELETE", "/v2/workflows/runs/wfr_child?cancel=false", content=b'{"n":1}')
    server.wait_idle()
    assert out_of(invoker) == {"body": '{"n":1}', "isFailed": False, "isCanceled": False}
    shown = api.logs(workflowRunId="wfr_child")["runs"][0]["invoker"]
    created_at = server.accepted("wfr_a")[0].created_at_ms
    assert shown == {"workflowRunId": "wfr_a", "workflowUrl": invoker.url, "workflowRunCreatedAt": created_at}


def test_no_payload_and_no_result(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    invoke(api, f"{invoker.url}/child", payload=None)
    server.end("wfr_child")
    server.wait_idle()
    assert out_of(invoker) == {"isFailed": False, "isCanceled": False}
    assert server.accepted("wfr_child")[0].body == b""


def test_failure(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    invoker.answer = lambda request: (500 if request.path == "/wf/child" else 200, WORKFLOW, b"{}")
    invoke(api, f"{invoker.url}/child")
    assert server.wait_ended("wfr_child").state == "RUN_FAILED"
    server.wait_idle()
    assert out_of(invoker) == {"isFailed": True, "isCanceled": False}


@pytest.mark.parametrize("path", ["/v2/workflows/runs/wfr_child", "/v2/workflows/runs?workflowRunIds=wfr_child"])
def test_cancel(api: Api, server: LocalServer, invoker: Endpoint, path: str) -> None:
    invoke(api, f"{invoker.url}/child")
    server.wait_idle()
    api.http.delete(path)
    server.wait_idle()
    assert out_of(invoker) == {"isFailed": False, "isCanceled": True}


def test_parallel(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    for number in (1, 2, 3):
        step = {**STEP, "stepId": number, "concurrent": 3}
        assert invoke(api, f"{invoker.url}/child", f"wfr_{number}", step=step).status_code == 200
    server.wait_idle()
    invoker.requests.clear()
    for number in (2, 3, 1):
        server.end(f"wfr_{number}")
        server.wait_idle()
    assert [last_step(request)["stepId"] for request in invoker.requests] == [2, 3, 1]
    assert [len(json.loads(request.body)) for request in invoker.requests] == [2, 3, 4]


def test_repeated_invocation_is_one(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    """The delivery was repeated, and the SDK made up another id."""
    first = invoke(api, f"{invoker.url}/child", "wfr_1").json()
    again = invoke(api, f"{invoker.url}/child", "wfr_2").json()
    assert again == {**first, "deduplicated": True}
    assert server.accepted_counts() == {"wfr_a": 1, "wfr_1": 1}


def test_running_id_is_joined_once(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    api.trigger("wfr_child", url=f"{invoker.url}/child")
    assert invoke(api, f"{invoker.url}/child").json()["deduplicated"]
    assert invoke(api, f"{invoker.url}/child", step={**STEP, "stepId": 2}).status_code == 412
    server.wait_idle()
    server.end("wfr_child")
    server.wait_idle()
    assert out_of(invoker) == {"isFailed": False, "isCanceled": False}


def test_ended_invoker_is_not_told(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    invoke(api, f"{invoker.url}/child")
    server.wait_idle()
    server.end("wfr_a")
    server.end("wfr_child")
    server.wait_idle()
    assert len(invoker.requests) == 1
    assert invoke(api, f"{invoker.url}/child", "wfr_late").status_code == 400
    # Nor is a later run of the same id.
    api.trigger("wfr_a", url=invoker.url)
    old = server.accepted("wfr_a")[0].created_at_ms
    assert invoke(api, f"{invoker.url}/child", "wfr_late", workflowRunCreatedAt=old).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"step":{"stepId":1}}',
        '{"workflowRunId":"wfr_a"}',
        '{"workflowRunId":"wfr_a","step":{"stepId":1},"body":{}}',
    ],
)
def test_bad_invocation(api: Api, invoker: Endpoint, body: str) -> None:
    headers = {"Upstash-Workflow-Init": "true", "Upstash-Workflow-Invoke": "true"}
    answer = api.http.post(f"/v2/publish/{invoker.url}", content=body, headers=headers)
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


def test_instant_finish(api: Api, server: LocalServer, invoker: Endpoint) -> None:
    server.faults.instant_finish = True
    invoke(api, f"{invoker.url}/child")
    server.wait_idle()
    assert out_of(invoker) == {"isFailed": False, "isCanceled": False}


def test_invocation_survives_a_restart(tmp_path: Path, endpoint: Endpoint) -> None:
    with LocalServer(tmp_path / "x.db", faults=for_plain_endpoints()) as server, api_for(server) as http:
        Api(http).trigger("wfr_a", url=endpoint.url, Upstash_Forward_X_Parent="yes")
        server.wait_idle()
        endpoint.requests.clear()
        invoke(Api(http), f"{endpoint.url}/child")
        server.wait_idle()
    with LocalServer(tmp_path / "x.db", faults=for_plain_endpoints()) as server:
        server.end("wfr_child")
        server.wait_idle()
    assert out_of(endpoint) == {"isFailed": False, "isCanceled": False}


@pytest.mark.parametrize("ends_before", [True, False])
def test_resumed_invoker_goes_on_waiting(api: Api, server: LocalServer, invoker: Endpoint, ends_before: bool) -> None:
    """A parallel sibling failed while the invoked run was under way."""
    invoke(api, f"{invoker.url}/child")
    server.wait_idle()
    invoker.answer = lambda _: (489, {"Upstash-NonRetryable-Error": "true"}, b"")
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    plan = json.dumps({"stepId": 0, "stepName": "s", "stepType": "Run", "concurrent": 2, "targetStep": 2})
    api.http.post("/v2/batch", json=[{"destination": invoker.url, "headers": headers, "body": plan}])
    assert server.wait_ended("wfr_a").state == "RUN_FAILED"
    server.wait_idle()
    invoker.answer = Endpoint().answer
    invoker.requests.clear()
    if ends_before:
        server.end("wfr_child")
    entry = api.http.get("/v2/workflows/dlq").json()["messages"][0]
    run_id = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").json()["workflowRunId"]
    server.end("wfr_child")
    server.wait_idle()
    told = [last_step(r) for r in invoker.requests if r.headers["upstash-workflow-runid"] == run_id]
    assert sorted(step["stepType"] for step in told) == ["Invoke", "Run"]
