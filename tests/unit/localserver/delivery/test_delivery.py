"""Delivery to a plain endpoint: what goes out, when, and what the answers lead to."""

from __future__ import annotations

import base64
import json
import threading

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import (
    WORKFLOW,
    Answer,
    Api,
    Endpoint,
    Received,
    api_for,
    decoded,
    for_plain_endpoints,
    step,
    submit,
)
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.delivery.outcome import NOT_A_WORKFLOW


def test_step_may_be_submitted_while_the_delivery_is_open(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    def answer(request: Received) -> Answer:
        done = len(decoded(request)) - 1
        if done < 3:
            submit(api, endpoint, step(done + 1))
        else:
            api.http.delete("/v2/workflows/runs/wfr_a?cancel=false")
        return 200, WORKFLOW, b"{}"

    endpoint.answer = answer
    api.trigger("wfr_a", url=endpoint.url)
    assert server.wait_ended("wfr_a").state == "RUN_SUCCESS"
    server.wait_idle()
    assert len(endpoint.requests) == 4


def test_non_workflow_destination_fails_the_run(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: (200, {}, b"hello")
    api.trigger("wfr_a", url=endpoint.url)
    ended = server.wait_ended("wfr_a")
    assert (ended.state, ended.error) == ("RUN_FAILED", NOT_A_WORKFLOW)


def test_nobody_listening_fails_the_run_after_its_retries(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a", url="http://127.0.0.1:9/wf", Upstash_Retries="2", Upstash_Retry_Delay="1")
    ended = server.wait_ended("wfr_a")
    assert ended.state == "RUN_FAILED"
    assert "ConnectError" in str(ended.error)
    errors = api.logs()["runs"][0]["steps"][-1]["steps"][0]["errors"]
    assert [error["status"] for error in errors] == [0, 0, 0]


def test_retries_follow_the_documented_backoff(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: (503, {}, b"busy")
    timed_api.trigger("wfr_a", url=endpoint.url)
    timed_server.wait_idle()
    for wait_s, attempts in ((12, 1), (0.2, 2), (148, 2), (0.5, 3), (1808, 3), (0.1, 4)):
        clock.advance(wait_s)
        timed_server.wait_idle()
        steps = [request for request in endpoint.requests if "upstash-workflow-is-failure" not in request.headers]
        assert [request.headers["upstash-retried"] for request in steps] == [str(number) for number in range(attempts)]
    assert timed_server.accepted("wfr_a")[0].state == "RUN_FAILED"


def test_retry_is_announced_in_the_logs(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    endpoint.answer = lambda _: (429, {"Retry-After": "60"}, b"")
    timed_api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="1")
    timed_server.wait_idle()
    following = timed_api.logs()["runs"][0]["steps"][-1]["steps"][0]
    assert (following["state"], following["retries"]) == ("STEP_RETRY", 1)
    assert following["nextDeliveryTime"] == clock.now_ms() + 60_000


def test_delayed_run_starts_when_it_is_due(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    not_before = clock.now_ms() // 1000 + 7200
    timed_api.trigger("wfr_year", url=endpoint.url, Upstash_Delay="364d")
    timed_api.trigger("wfr_b", url=endpoint.url, Upstash_Delay="1h")
    timed_api.trigger("wfr_c", url=endpoint.url, Upstash_Not_Before=str(not_before))
    timed_server.wait_idle()
    assert endpoint.requests == []
    for wait_s, arrived in ((3599, []), (1, ["wfr_b"]), (3600, ["wfr_b", "wfr_c"])):
        clock.advance(wait_s)
        timed_server.wait_idle()
        assert [request.headers["upstash-workflow-runid"] for request in endpoint.requests] == arrived


def test_delayed_run_finishes_instantly_when_it_is_due(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock
) -> None:
    timed_server.faults.instant_finish = True
    timed_api.trigger("wfr_a", Upstash_Delay="1h")
    assert timed_api.trigger("wfr_a").json()[0]["deduplicated"]
    clock.advance(3600)
    assert timed_server.wait_ended("wfr_a").state == "RUN_SUCCESS"


def test_cancelled_run_is_not_delivered(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint
) -> None:
    timed_api.trigger("wfr_a", url=endpoint.url, Upstash_Delay="1h")
    timed_api.http.delete("/v2/workflows/runs/wfr_a")
    clock.advance(7200)
    timed_server.wait_idle()
    assert endpoint.requests == []


def failure_callback(endpoint: Endpoint) -> Received:
    return next(request for request in endpoint.requests if "upstash-workflow-is-failure" in request.headers)


def test_failure_callback_goes_to_the_workflow_by_default(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = lambda request: (
        (200, {}, b'{"result":"noted"}')
        if "upstash-workflow-is-failure" in request.headers
        else (500, {}, b'{"message":"no"}')
    )
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="0", Upstash_Forward_X_Team="growth")
    server.wait_ended("wfr_a")
    server.wait_idle()
    request = failure_callback(endpoint)
    assert request.path == "/wf"
    assert request.headers["x-team"] == "growth"
    assert request.headers["upstash-workflow-runid"] == "wfr_a"
    assert "upstash-workflow-sdk-version" not in request.headers
    told = json.loads(request.body)
    assert (told["status"], told["url"], told["retried"], told["maxRetries"]) == (500, endpoint.url, 0, 0)
    assert base64.b64decode(told["body"]) == b'{"message":"no"}'
    assert base64.b64decode(told["sourceBody"]) == b"{}"
    assert told["workflowRunId"] == "wfr_a"
    assert told["header"]["Content-Length"] == ["16"]
    shown = api.logs()["runs"][0]["failureFunction"]
    assert (shown["state"], shown["responseBody"]) == ("CALLBACK_SUCCESS", '{"result":"noted"}')


def test_failure_callback_has_a_timeout_of_its_own(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    release = threading.Event()

    def answer(request: Received) -> Answer:
        if request.path == "/wf/failed":
            release.wait(10)
        return 500, {}, b""

    endpoint.answer = answer
    api.trigger(
        "wfr_a",
        url=endpoint.url,
        Upstash_Retries="0",
        Upstash_Failure_Callback=f"{endpoint.url}/failed",
        Upstash_Failure_Callback_Timeout="50ms",
    )
    try:
        server.wait_until(lambda runs: runs[0].failure_callback == "CALLBACK_FAIL")
        assert api.logs()["runs"][0]["failureFunction"]["responseBody"] == "no answer within 0.05s"
    finally:
        release.set()


def test_plain_message_is_delivered_as_it_is(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    answer = api.http.post(
        f"/v2/publish/{endpoint.url}",
        content="<a/>",
        headers={"Content-Type": "text/xml", "Upstash-Method": "put", "Upstash-Forward-X-A": "1"},
    )
    assert answer.json()["messageId"].startswith("msg_")
    server.wait_idle()
    (request,) = endpoint.requests
    assert (request.method, request.body, request.headers["content-type"]) == ("PUT", b"<a/>", "text/xml")
    assert request.headers["x-a"] == "1"
    assert "upstash-workflow-runid" not in request.headers
    assert server.accepted() == []


def test_batch_takes_a_body_that_is_no_text(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    """`context.call` of the JavaScript SDK sends an object as it is."""
    api.http.post("/v2/batch", json=[{"destination": endpoint.url, "body": {"a": ["ü", 1]}}])
    server.wait_idle()
    assert endpoint.requests[0].body.decode() == '{"a":["ü",1]}'
    answer = api.http.post("/v2/batch/trigger", json=[{"destination": endpoint.url, "body": {}}])
    assert (answer.status_code, answer.json()) == (400, {"error": "body must be a string"})


def test_redirect_is_not_followed(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: (302, {"Location": "/elsewhere"}, b"")
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="0")
    assert server.wait_ended("wfr_a").error == "302 Found"
    assert {request.path for request in endpoint.requests} == {"/wf"}


def test_slow_endpoint_times_out(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    let_go = threading.Event()

    def answer(_: Received) -> Answer:
        let_go.wait(10)
        return 200, WORKFLOW, b""

    endpoint.answer = answer
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="0", Upstash_Timeout="50ms")
    try:
        assert server.wait_ended("wfr_a").error == "no answer within 0.05s"
    finally:
        let_go.set()


@pytest.mark.parametrize("header", ["bad\nvalue", "bad\x00value"])
def test_header_that_cannot_travel_fails_the_run(
    api: Api, server: LocalServer, endpoint: Endpoint, header: str
) -> None:
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="0", Upstash_Forward_X=header)
    assert "LocalProtocolError" in str(server.wait_ended("wfr_a").error)


def test_open_deliveries_are_bounded(endpoint: Endpoint) -> None:
    lock, together, open_now, let_go = threading.Lock(), [0], [0], threading.Event()

    def answer(_: Received) -> Answer:
        with lock:
            open_now[0] += 1
            together[0] = max(together[0], open_now[0])
            if open_now[0] == 4:
                let_go.set()
        let_go.wait(10)
        with lock:
            open_now[0] -= 1
        return 200, WORKFLOW, b""

    endpoint.answer = answer
    with LocalServer(max_open_deliveries=4, faults=for_plain_endpoints()) as server:
        with api_for(server) as http:
            Api(http).trigger(*(f"wfr_{number}" for number in range(40)), url=endpoint.url)
        server.wait_idle()
    assert len(endpoint.requests) == 40
    assert together == [4]


def test_whole_year_of_runs_waits_without_being_busy(
    timed_api: Api, timed_server: LocalServer, clock: ManualClock
) -> None:
    timed_server.faults.instant_finish = True
    timed_api.trigger(*(f"wfr_{day:03}" for day in range(365)), Upstash_Delay="1d")
    assert {run.state for run in timed_server.accepted()} == {"RUN_STARTED"}
    clock.advance(86_400)
    timed_server.wait_until(lambda runs: all(run.state == "RUN_SUCCESS" for run in runs))


def test_late_step_of_an_earlier_run_is_refused(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    """Its id belongs to a new run by then; the Python SDK tells which delivery a submission came from."""
    api.trigger("wfr_a", url=endpoint.url)
    server.wait_idle()
    api.http.delete("/v2/workflows/runs/wfr_a")
    api.trigger("wfr_a", url=endpoint.url)
    server.wait_idle()
    old, new = (request.headers["upstash-message-id"] for request in endpoint.requests)
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "false"}
    item = {
        "destination": endpoint.url,
        "headers": {**headers, "Upstash-Forward-upstash-message-id": old},
        "body": step(1),
    }
    assert api.http.post("/v2/batch", json=[item]).status_code == 400
    submit(api, endpoint, step(1), **{"Upstash_Forward_upstash_message_id": new})
    server.wait_idle()
    assert len(endpoint.requests) == 3


def test_delivery_that_breaks_inside_the_server_is_tried_again(
    timed_api: Api,
    timed_server: LocalServer,
    clock: ManualClock,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("wfdeploy.localserver.delivery.outcome.judge", lambda *args, **options: 1 / 0)
        timed_api.trigger("wfr_a", url=endpoint.url)
        timed_server.wait_idle()
    assert "a delivery broke" in caplog.text
    clock.advance(10)
    timed_server.wait_idle()
    assert len(endpoint.requests) == 2
    timed_server.wait_idle()
    assert timed_api.logs()["runs"][0]["workflowState"] == "RUN_STARTED"
