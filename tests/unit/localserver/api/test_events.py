"""Waiting for events, telling them, and webhooks."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, Received, api_for, for_plain_endpoints
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.tenants import TENANTS


def last_step(request: Received) -> dict[str, Any]:
    entry = json.loads(request.body)[-1]
    step: dict[str, Any] = json.loads(base64.b64decode(entry["body"]))
    return step


def wait(
    api: Api, event_id: str, *, run_id: str = "wfr_a", step_id: int = 1, timeout: str = "20s", **step: Any
) -> httpx.Response:
    body = {
        "url": "http://127.0.0.1:9/wf",
        "timeout": timeout,
        "timeoutUrl": "http://127.0.0.1:9/wf",
        "timeoutHeaders": {"Upstash-Workflow-Runid": ["x"], "Upstash-Workflow-RunId": [run_id]},
        "step": {"stepId": step_id, "stepType": "Wait", "stepName": "ev", "concurrent": 1, **step},
    }
    return api.http.post(f"/v2/wait/{event_id}", json=body, headers={"Upstash-Workflow-RunId": run_id})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def server(timed_server: LocalServer) -> LocalServer:
    return timed_server


@pytest.fixture
def api(timed_api: Api, server: LocalServer, endpoint: Endpoint) -> Api:
    """With a run whose first delivery is done."""
    timed_api.trigger("wfr_a", url=endpoint.url, Upstash_Forward_X_Team="growth")
    server.wait_idle()
    endpoint.requests.clear()
    return timed_api


def test_notified_in_time(api: Api, server: LocalServer, endpoint: Endpoint, clock: ManualClock) -> None:
    assert wait(api, "order-1").status_code == 200
    (answer,) = api.http.post("/v2/notify/order-1", content='{"paid":"ü"}').json()
    server.wait_idle()
    (request,) = endpoint.requests
    assert last_step(request) == {
        "stepId": 1,
        "stepType": "Wait",
        "stepName": "ev",
        "concurrent": 1,
        "waitEventId": "order-1",
        "timeout": "20s",
        "waitTimeout": False,
        "out": encoded('{"paid":"ü"}'),
    }
    assert request.headers["x-team"] == "growth"
    assert answer["messageId"] == request.headers["upstash-message-id"]
    assert (answer["error"], answer["workflowRunId"], answer["deduplicated"]) == ("", "wfr_a", False)
    assert answer["workflowCreatedAt"] == server.accepted("wfr_a")[0].created_at_ms
    assert answer["waiter"]["url"] == endpoint.url
    # Only once: nobody waits any more, and the deadline says nothing.
    assert api.http.post("/v2/notify/order-1").json() == []
    clock.advance(3600)
    server.wait_idle()
    assert len(endpoint.requests) == 1


def test_timed_out(api: Api, server: LocalServer, endpoint: Endpoint, clock: ManualClock) -> None:
    wait(api, "order-1", timeout="1d")
    clock.advance(86_399)
    server.wait_idle()
    assert endpoint.requests == []
    clock.advance(1)
    server.wait_idle()
    step = last_step(endpoint.requests[0])
    assert (step["waitTimeout"], "out" in step) == (True, False)
    assert api.http.get("/v2/waiters/order-1").json() == []
    assert api.http.post("/v2/notify/order-1", content="late").json() == []


def test_event_without_data(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    wait(api, "e")
    assert api.http.post("/v2/notify/e").status_code == 201
    server.wait_idle()
    step = last_step(endpoint.requests[0])
    assert (step["waitTimeout"], "out" in step) == (False, False)


def test_everybody_who_waits_is_told(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    api.trigger("wfr_b", "wfr_c", url=endpoint.url)
    server.wait_idle()
    endpoint.requests.clear()
    for run_id in ("wfr_a", "wfr_b"):
        wait(api, "e", run_id=run_id)
    wait(api, "other", run_id="wfr_c")
    assert [each["workflowRunId"] for each in api.http.post("/v2/notify/e").json()] == ["wfr_a", "wfr_b"]
    server.wait_idle()
    assert sorted(request.headers["upstash-workflow-runid"] for request in endpoint.requests) == ["wfr_a", "wfr_b"]


def test_one_run_is_told(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    api.trigger("wfr_b", url=endpoint.url)
    server.wait_idle()
    endpoint.requests.clear()
    wait(api, "e", run_id="wfr_a")
    wait(api, "e", run_id="wfr_b")
    answer = api.http.post("/v2/notify/wfr_b/e", content="x")
    assert (answer.status_code, answer.json()["workflowRunId"]) == (201, "wfr_b")
    server.wait_idle()
    assert [request.headers["upstash-workflow-runid"] for request in endpoint.requests] == ["wfr_b"]
    assert api.http.post("/v2/notify/wfr_unknown/e").status_code == 404


def test_look_back(api: Api, server: LocalServer, endpoint: Endpoint, clock: ManualClock) -> None:
    """Events told before anybody waits are kept for the run, in order, one per wait."""
    assert api.http.post("/v2/notify/e", content="lost").json() == []
    for data in ("one", "two"):
        answer = api.http.post("/v2/notify/wfr_a/e", content=data)
        assert (answer.status_code, answer.json()["workflowRunId"]) == (201, "wfr_a")
    for number in (1, 2, 3):
        wait(api, "e", step_id=number)
        server.wait_idle()
    assert [last_step(request)["out"] for request in endpoint.requests] == [encoded("one"), encoded("two")]
    clock.advance(20)
    server.wait_idle()
    assert last_step(endpoint.requests[2])["waitTimeout"] is True


def test_waiters_are_listed(api: Api, endpoint: Endpoint, clock: ManualClock) -> None:
    wait(api, "a/b c", timeout="1h")
    (waiter,) = api.http.get("/v2/waiters/a%2Fb%20c").json()
    assert waiter["url"] == endpoint.url
    assert waiter["deadline"] == clock.now_ms() // 1000 + 3600
    assert waiter["timeoutUrl"] == "http://127.0.0.1:9/wf"
    assert waiter["timeoutHeaders"] == {"Upstash-Workflow-RunId": ["wfr_a"]}
    assert waiter["headers"]["X-Team"] == ["growth"]
    assert json.loads(base64.b64decode(waiter["timeoutBody"]))["waitTimeout"] is True
    assert api.http.get("/v2/waiters/nothing").json() == []


def test_repeated_wait_is_one(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    first = wait(api, "e").json()
    assert wait(api, "e").json() == {**first, "deduplicated": True}
    assert len(api.http.post("/v2/notify/e").json()) == 1
    assert wait(api, "e").json()["deduplicated"]
    server.wait_idle()
    assert len(endpoint.requests) == 1


def test_ended_run_waits_no_more(api: Api, server: LocalServer, endpoint: Endpoint, clock: ManualClock) -> None:
    wait(api, "e")
    api.http.delete("/v2/workflows/runs/wfr_a")
    assert api.http.get("/v2/waiters/e").json() == []
    assert api.http.post("/v2/notify/e").json() == []
    assert api.http.post("/v2/notify/wfr_a/e").status_code == 404
    assert wait(api, "e", step_id=2).status_code == 400
    clock.advance(3600)
    server.wait_idle()
    assert endpoint.requests == []


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{", '{"step":{}}', '{"step":{"stepId":"1"}}', '{"step":{"stepId":1},"timeout":"soon"}',
     '{"step":{"stepId":1,"stepName":"\\ud800"}}'],
)  # fmt: skip
def test_bad_wait(api: Api, body: str) -> None:
    answer = api.http.post("/v2/wait/e", content=body, headers={"Upstash-Workflow-RunId": "wfr_a"})
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


def test_wait_beyond_the_quota(api: Api) -> None:
    body = {"step": {"stepId": 1}, "timeout": "400d"}
    answer = api.http.post("/v2/wait/e", json=body, headers={"Upstash-Workflow-RunId": "wfr_a"})
    assert (answer.status_code, set(answer.json())) == (412, {"error"})


def test_result_comes_after_what_siblings_recorded_meanwhile(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    wait(api, "e", step_id=2, concurrent=2)
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    sibling = json.dumps({"stepId": 1, "stepName": "s", "stepType": "Run", "out": "1", "concurrent": 2})
    api.http.post("/v2/batch", json=[{"destination": endpoint.url, "headers": headers, "body": sibling}])
    server.wait_idle()
    api.http.post("/v2/notify/e")
    server.wait_idle()
    entries = json.loads(endpoint.requests[-1].body)
    assert [json.loads(base64.b64decode(entry["body"])).get("stepId") for entry in entries] == [None, 1, 2]


def test_waits_and_kept_events_survive_a_restart(tmp_path: Path, endpoint: Endpoint) -> None:
    clock = ManualClock()
    with LocalServer(tmp_path / "x.db", clock=clock, faults=for_plain_endpoints()) as server, api_for(server) as http:
        Api(http).trigger("wfr_a", "wfr_b", url=endpoint.url)
        server.wait_idle()
        wait(Api(http), "e", run_id="wfr_a")
        wait(Api(http), "f", run_id="wfr_b")
        http.post("/v2/notify/wfr_b/g", content="kept")
    endpoint.requests.clear()
    with LocalServer(tmp_path / "x.db", clock=clock, faults=for_plain_endpoints()) as server, api_for(server) as http:
        wait(Api(http), "g", run_id="wfr_b", step_id=2)
        http.post("/v2/notify/e")
        server.wait_idle()
        clock.advance(20)
        server.wait_idle()
    assert sorted((last_step(r)["waitEventId"], last_step(r)["waitTimeout"]) for r in endpoint.requests) == [
        ("e", False),
        ("f", True),
        ("g", False),
    ]


def test_resumed_run_goes_on_waiting(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    """A parallel sibling failed while another waited."""
    wait(api, "e", step_id=2, concurrent=2)
    api.http.post("/v2/notify/wfr_a/later", content="kept")
    endpoint.answer = lambda _: (489, {"Upstash-NonRetryable-Error": "true"}, b"")
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    plan = json.dumps({"stepId": 0, "stepName": "s", "stepType": "Run", "concurrent": 2, "targetStep": 1})
    api.http.post("/v2/batch", json=[{"destination": endpoint.url, "headers": headers, "body": plan}])
    assert server.wait_ended("wfr_a").state == "RUN_FAILED"
    server.wait_idle()
    endpoint.answer = Endpoint().answer
    endpoint.requests.clear()
    entry = api.http.get("/v2/workflows/dlq").json()["messages"][0]
    run_id = api.http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").json()["workflowRunId"]
    (answer,) = api.http.post("/v2/notify/e", content="x").json()
    assert answer["workflowRunId"] == run_id
    wait(api, "later", run_id=run_id, step_id=3)
    server.wait_idle()
    assert [last_step(request).get("waitEventId") for request in endpoint.requests].count("later") == 1


# -- webhooks ----------------------------------------------------------------------------------------------------------


def hook(server: LocalServer, run_id: str = "wfr_a", user: str = "defaultUser") -> str:
    return f"{server.url}/v2/workflows/hooks/{user}/{run_id}/evt_1"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_webhook(api: Api, server: LocalServer, endpoint: Endpoint, method: str) -> None:
    wait(api, "evt_1", stepType="WaitForWebhook")
    content = b"" if method == "GET" else b"\xff\x00"
    answer = httpx.request(
        method, hook(server) + "?a=1&b=%20", content=content, headers={"X-Sig": "s"}, trust_env=False
    )
    assert answer.status_code == 200
    server.wait_idle()
    step = last_step(endpoint.requests[0])
    assert (step["stepType"], step["waitTimeout"]) == ("WaitForWebhook", False)
    told = json.loads(base64.b64decode(step["out"]))
    assert (told["method"], told["proto"]) == (method, "http")
    assert told["url"] == "/v2/workflows/hooks/defaultUser/wfr_a/evt_1?a=1&b=%20"
    assert told["host"] == server.url.removeprefix("http://")
    assert told["header"]["X-Sig"] == ["s"]
    assert base64.b64decode(told["body"]) == content


def test_early_webhook_calls_are_kept_one_per_wait(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    for text in ("one", "two"):
        httpx.post(hook(server), content=text, trust_env=False)
    for number in (1, 2):
        wait(api, "evt_1", step_id=number, stepType="WaitForWebhook")
        server.wait_idle()
    outs = [json.loads(base64.b64decode(last_step(request)["out"])) for request in endpoint.requests]
    assert [base64.b64decode(out["body"]) for out in outs] == [b"one", b"two"]


def test_webhook_of_nobody(api: Api, server: LocalServer) -> None:
    assert httpx.post(hook(server, run_id="wfr_unknown"), trust_env=False).status_code == 404
    assert httpx.post(hook(server, user="nobody"), trust_env=False).status_code == 404
    # The same id belongs to another tenant.
    assert httpx.post(hook(server, user=TENANTS[1].name), trust_env=False).status_code == 404
