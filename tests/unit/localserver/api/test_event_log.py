"""Single events of the logs, and runs by the state of their steps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Answer, Api, Endpoint, Received
from wfdeploy.localserver.clock import ManualClock

STEP = {"stepId": 1, "stepName": "charge", "stepType": "Run", "out": '"secret"', "concurrent": 1}


@pytest.fixture
def server(timed_server: LocalServer) -> LocalServer:
    return timed_server


@pytest.fixture
def api(timed_api: Api) -> Api:
    return timed_api


def submit(api: Api, run_id: str, url: str, step: dict[str, Any], **headers: str) -> None:
    item = {
        "destination": url,
        "headers": {"Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Init": "false", **headers},
        "body": json.dumps(step),
    }
    assert api.http.post("/v2/batch", json=[item]).status_code == 200


def events(api: Api, **query: Any) -> list[dict[str, Any]]:
    """All of them, newest first, over pages."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {**query, **({"cursor": cursor} if cursor else {})}
        answer = api.http.get("/v2/workflows/events", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["events"]
        if not (cursor := page.get("cursor")):
            return found


@pytest.fixture
def story(api: Api, server: LocalServer, clock: ManualClock, endpoint: Endpoint) -> int:
    """A run whose second delivery fails once; a run that waits; one that was cancelled; one that failed. Its start."""
    answers = {"wfr_ok": [200, 500, 200], "wfr_bad": [503, 500]}

    def answer(request: Received) -> Answer:
        left = answers.get(request.headers["upstash-workflow-runid"])
        return (left.pop(0) if left else 200), WORKFLOW, b"an answer"

    endpoint.answer = answer
    start = clock.now_ms()
    api.trigger("wfr_ok", url=endpoint.url, Upstash_Label="x", Upstash_Retry_Delay="5000")
    server.wait_idle()
    clock.advance(1)
    submit(api, "wfr_ok", endpoint.url, STEP)
    server.wait_idle()
    clock.advance(5)
    server.wait_idle()
    api.http.delete("/v2/workflows/runs/wfr_ok", params={"cancel": "false"}, headers={"Content-Type": "x"})
    clock.advance(1)
    api.trigger("wfr_waits", url=endpoint.url)
    server.wait_idle()
    wait = {"step": {"stepId": 1, "stepType": "Wait", "stepName": "ev", "concurrent": 1}}
    api.http.post("/v2/wait/order", json=wait, headers={"Upstash-Workflow-RunId": "wfr_waits"})
    api.trigger("wfr_gone", url=endpoint.url, Upstash_Delay="1h")
    clock.advance(1)
    api.http.delete("/v2/workflows/runs/wfr_gone")
    api.trigger("wfr_bad", url=endpoint.url, Upstash_Retries="1", Upstash_Retry_Delay="1000")
    server.wait_idle()
    clock.advance(1)
    server.wait_ended("wfr_bad")
    server.wait_idle()
    return start


def told(found: list[dict[str, Any]], start: int) -> list[tuple[int, str, str]]:
    return [((event["time"] - start) // 1000, event["workflowRunId"], event["state"]) for event in found[::-1]]


def test_events_tell_the_story(api: Api, story: int) -> None:
    found = events(api)
    assert told(found, story) == [
        (0, "wfr_ok", "RUN_STARTED"),
        (1, "wfr_ok", "STEP_SUCCESS"),
        (1, "wfr_ok", "STEP_RETRY"),
        (6, "wfr_ok", "RUN_SUCCESS"),
        (7, "wfr_waits", "RUN_STARTED"),
        (7, "wfr_gone", "RUN_STARTED"),
        (7, "wfr_waits", "STEP_PROGRESS"),
        (8, "wfr_bad", "RUN_STARTED"),
        (8, "wfr_bad", "STEP_RETRY"),
        (8, "wfr_gone", "STEP_CANCELED"),
        (8, "wfr_gone", "RUN_CANCELED"),
        (9, "wfr_bad", "STEP_FAILED"),
        (9, "wfr_bad", "RUN_FAILED"),
    ]
    # However small the pages are.
    for count in (1, 4):
        assert events(api, count=count) == found


def test_an_event_says_what_happened(api: Api, story: int) -> None:
    recorded, retried = events(api, workflowRunId="wfr_ok", state="STEP_SUCCESS,STEP_RETRY")[::-1]
    assert (recorded["stepInfo"]["stepName"], recorded["stepInfo"]["out"]) == ("charge", '"secret"')
    assert (recorded["label"], recorded["labels"]) == ("x", ["x"])
    assert (retried["responseStatus"], retried["responseBody"]) == (500, "an answer")
    assert retried["responseHeaders"]["Upstash-Workflow-Sdk-Version"] == ["1"]
    assert "nextDeliveryTime" not in retried  # it was delivered since
    (failed,) = events(api, state="RUN_FAILED")
    assert (failed["responseStatus"], failed["error"]) == (500, "500 Internal Server Error")
    assert failed["dlqId"] == api.http.get("/v2/workflows/dlq").json()["messages"][0]["dlqId"]
    (waiting,) = events(api, state="STEP_PROGRESS")
    assert waiting["stepInfo"]["waitEventId"] == "order"
    trimmed = events(api, trimBody=-1)
    assert not any("responseBody" in event or "out" in event.get("stepInfo", ()) for event in trimmed)


def test_events_can_be_filtered(api: Api, story: int) -> None:
    assert {event["workflowRunId"] for event in events(api, label="x")} == {"wfr_ok"}
    assert told(events(api, fromDate=story + 7000, toDate=story + 7999), story) == [
        (7, "wfr_waits", "RUN_STARTED"),
        (7, "wfr_gone", "RUN_STARTED"),
        (7, "wfr_waits", "STEP_PROGRESS"),
    ]
    assert len(events(api, workflowRuns=f"wfr_ok@{story}", label="none")) == 4
    assert events(api, flowControlKey="none") == []
    assert api.http.get("/v2/workflows/events", params={"cursor": "r1.0"}).status_code == 400
    assert api.http.get("/v2/workflows/events", params={"groupBy": "label"}).status_code == 400


def test_runs_by_the_state_of_a_step(api: Api, server: LocalServer, endpoint: Endpoint, story: int) -> None:
    assert api.listed(state="STEP_SUCCESS") == ["wfr_ok"]
    assert api.listed(state="STEP_PROGRESS") == ["wfr_waits"]
    assert api.listed(state="STEP_FAILED") == ["wfr_bad"]
    assert api.listed(state="STEP_CANCELED") == ["wfr_gone"]
    assert api.listed(state="STEP_RETRY") == []
    assert api.listed(state="STEP_FAILED,RUN_SUCCESS") == ["wfr_bad", "wfr_ok"]
    endpoint.answer = lambda _: (500, {}, b"")
    api.trigger("wfr_again", url=endpoint.url)
    server.wait_idle()
    assert api.listed(state="STEP_RETRY") == ["wfr_again"]


def test_runs_by_message(api: Api, story: int) -> None:
    (run,) = api.logs(workflowRunId="wfr_ok")["runs"]
    assert api.listed(messageId=run["steps"][1]["steps"][0]["messageId"]) == ["wfr_ok"]
    assert api.listed(messageId="msg_unknown") == []


def test_what_an_endpoint_writes_into_a_step_is_shown_when_it_is_of_its_type(
    api: Api, server: LocalServer, endpoint: Endpoint
) -> None:
    api.trigger("wfr_odd", url=endpoint.url)
    server.wait_idle()
    odd = {"stepId": 1, "stepName": ["x"], "stepType": 5, "out": {"a": 1}, "waitTimeout": "no", "concurrent": True}
    submit(api, "wfr_odd", endpoint.url, odd)
    (step,) = api.logs(workflowRunId="wfr_odd")["runs"][0]["steps"][1]["steps"]
    assert set(step) == {"stepId", "callType", "messageId", "state", "createdAt", "retries", "headers"}
