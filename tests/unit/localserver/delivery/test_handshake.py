"""The handshake of runs from the REST API: which endpoints the service is known to run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import WORKFLOW, Answer, Api, Endpoint, Received, api_for, step, submit
from wfdeploy.localserver.delivery.outcome import NOT_A_WORKFLOW, SDK_TOO_OLD, UNPROVEN
from wfdeploy.localserver.fault_plan import Handshakes

UNKNOWN = "upstash-workflow-unknown-sdk"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
def api(server: LocalServer) -> Iterator[Api]:
    with api_for(server) as http:
        yield Api(http)


def retrigger(api: Api, endpoint: Endpoint, *, body: str = "{}", **options: str) -> dict[str, Any]:
    """What a current SDK sends from inside the delivery that asks it to."""
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "true"}
    headers |= {"upstash-workflow-trigger-by-sdk": "true"}
    headers |= {name.replace("_", "-"): value for name, value in options.items()}
    answer = api.http.post("/v2/batch", json=[{"destination": endpoint.url, "headers": headers, "body": body}])
    assert answer.status_code == 200, answer.text
    message: dict[str, Any] = answer.json()[0]
    return message


def current(api: Api, endpoint: Endpoint, **options: str) -> Callable[[Received], Answer]:
    """An endpoint with a current SDK, whose workflow has no steps."""

    def answer(request: Received) -> Answer:
        if UNKNOWN in request.headers:
            assert "deduplicated" not in retrigger(api, endpoint, **options)
        else:
            api.http.delete("/v2/workflows/runs/wfr_a?cancel=false")
        return 200, WORKFLOW, b"{}"

    return answer


def python(api: Api, endpoint: Endpoint, headers: dict[str, str] = WORKFLOW) -> Callable[[Received], Answer]:
    """An endpoint that submits a step at once and sends back the headers it got, as the Python SDK does."""

    def answer(request: Received) -> Answer:
        if UNKNOWN in request.headers:
            came = {"Upstash_Forward_Upstash_Message_Id": request.headers["upstash-message-id"]}
            submit(api, endpoint, step(1), **came)
        elif "upstash-workflow-is-failure" not in request.headers:
            api.http.delete("/v2/workflows/runs/wfr_a?cancel=false")
        return 200, headers, b"{}"

    return answer


def test_current_sdk_triggers_the_run_itself(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = current(api, endpoint)
    api.trigger("wfr_a", url=endpoint.url)
    assert server.wait_ended("wfr_a").state == "RUN_SUCCESS"
    server.wait_idle()
    first, second = endpoint.requests
    assert (first.headers[UNKNOWN], UNKNOWN in second.headers) == ("true", False)
    assert first.body == second.body
    assert first.headers["upstash-retried"] == second.headers["upstash-retried"] == "0"
    assert [run.state for run in server.accepted()] == ["RUN_SUCCESS"]  # no second run


def test_what_the_trigger_set_stays(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    own = {"Upstash_Retries": "7", "Upstash_Forward_X_Team": "sdk", "Upstash_Forward_X_More": "1"}
    endpoint.answer = current(api, endpoint, **own)
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retries="1", Upstash_Forward_X_Team="growth")
    server.wait_ended("wfr_a")
    settings = server.inside(lambda services: services.store.runs_of_id("wfr_a")[0].settings)
    assert (settings.retries, dict(settings.headers)) == (1, {"X-Team": "growth", "X-More": "1"})
    assert settings.failure_url == endpoint.url


def test_sdk_may_name_another_failure_function(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    elsewhere = endpoint.url + "/failed"
    endpoint.answer = current(api, endpoint, Upstash_Failure_Callback=elsewhere)
    api.trigger("wfr_a", url=endpoint.url)
    server.wait_ended("wfr_a")
    assert server.inside(lambda services: services.store.runs_of_id("wfr_a")[0].settings.failure_url) == elsewhere


def test_failed_handshake_is_tried_again(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    introduce = current(api, endpoint)
    endpoint.answer = lambda request: (500, {}, b"starting") if len(endpoint.requests) == 1 else introduce(request)
    api.trigger("wfr_a", url=endpoint.url, Upstash_Retry_Delay="1")
    assert server.wait_ended("wfr_a").state == "RUN_SUCCESS"
    assert [UNKNOWN in request.headers for request in endpoint.requests] == [True, True, False]


def test_second_trigger_by_the_sdk_is_a_duplicate(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    server.faults.hold_deliveries = True
    api.trigger("wfr_a", url=endpoint.url)
    assert "deduplicated" not in retrigger(api, endpoint)
    assert retrigger(api, endpoint)["deduplicated"]
    assert len(server.accepted()) == 1


@pytest.mark.parametrize("headers", [WORKFLOW, {}], ids=["protocol version", "no version"])
def test_old_sdk_that_submits_a_step_is_refused(
    api: Api, server: LocalServer, endpoint: Endpoint, headers: dict[str, str]
) -> None:
    def answer(request: Received) -> Answer:
        if UNKNOWN in request.headers:
            submit(api, endpoint, step(1))
        return 200, headers, b"{}"

    endpoint.answer = answer
    api.trigger("wfr_a", url=endpoint.url)
    ended = server.wait_ended("wfr_a")
    assert (ended.state, ended.error) == ("RUN_FAILED", SDK_TOO_OLD)
    server.wait_idle()
    # The submitted step isn't delivered: this is the handshake and the failure callback.
    assert ["upstash-workflow-is-failure" in request.headers for request in endpoint.requests] == [False, True]


def test_old_sdk_that_does_nothing_is_refused(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    api.trigger("wfr_a", url=endpoint.url)
    assert server.wait_ended("wfr_a").error == SDK_TOO_OLD


def test_other_servers_are_no_workflows(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = lambda _: (200, {}, b"hello")
    api.trigger("wfr_a", url=endpoint.url)
    assert server.wait_ended("wfr_a").error == NOT_A_WORKFLOW


def test_python_goes_on_with_a_warning(
    api: Api, server: LocalServer, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.answer = python(api, endpoint)
    with caplog.at_level(logging.WARNING, "wfdeploy"):
        api.trigger("wfr_a", url=endpoint.url)
        assert server.wait_ended("wfr_a").state == "RUN_SUCCESS"
    assert [record.getMessage() for record in caplog.records] == [f"wfr_a: {UNPROVEN}"]
    page = api.http.get("/-/run", params={"id": "wfr_a"})
    assert page.json()["warning"] == UNPROVEN


def test_python_is_refused_if_strict(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    server.faults.handshakes = Handshakes.STRICT
    endpoint.answer = python(api, endpoint)
    api.trigger("wfr_a", url=endpoint.url)
    assert server.wait_ended("wfr_a").error == SDK_TOO_OLD


def test_old_python_is_refused(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    endpoint.answer = python(api, endpoint, {})
    api.trigger("wfr_a", url=endpoint.url)
    assert server.wait_ended("wfr_a").error == SDK_TOO_OLD


def test_runs_of_the_sdks_own_clients_need_none(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    headers = {"Upstash-Workflow-RunId": "wfr_a", "Upstash-Workflow-Init": "true"}
    api.http.post("/v2/batch", json=[{"destination": endpoint.url, "headers": headers, "body": "{}"}])
    server.wait_idle()
    assert [UNKNOWN in request.headers for request in endpoint.requests] == [False]
    assert server.accepted("wfr_a")[0].state == "RUN_STARTED"


def test_restarted_run_is_asked_again(api: Api, server: LocalServer, endpoint: Endpoint) -> None:
    api.trigger("wfr_a", url=endpoint.url)
    server.wait_ended("wfr_a")
    server.wait_idle()
    letter = api.http.get("/v2/workflows/dlq").json()["messages"][0]["dlqId"]
    api.http.post(f"/v2/workflows/dlq/restart/{letter}")
    server.wait_idle()
    asked = [json.loads(request.body) for request in endpoint.requests if UNKNOWN in request.headers]
    assert len(asked) == 2
