"""Runs as a test sees them: told, waited for, resumed, and said to have nothing left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from wfdeploy.testing import NothingLeft, WorkflowServer


def test_a_run_that_waits_for_an_event_is_told(server: WorkflowServer, url: str) -> None:
    run = server.trigger(url, ["sleep 3d", "wait paid", "run"]).wait_for_event("paid")
    assert server.notify("paid", {"amount": 12}) == 1
    assert run.wait().steps[1].type == "Wait"
    assert (server.now.timestamp() * 1000 - run.created_at_ms) == 3 * 86_400_000
    # Untold, it times out; told before it asks, it does not wait.
    assert server.trigger(url, ["wait paid"]).wait().state == "RUN_SUCCESS"
    early = server.trigger(url, ["sleep 1h", "wait paid"])
    early.notify("paid")
    before = server.now
    early.wait()
    assert server.now - before == timedelta(hours=1)
    with pytest.raises(NothingLeft, match="does not wait for 'other'"):
        server.trigger(url, ["run"]).wait_for_event("other")


def test_failing_retrying_resuming(server: WorkflowServer, url: str, application: StepEndpoint) -> None:
    busy = server.stub(url, status=503, times=4)
    run = server.trigger(url, ["run"]).wait()
    assert (run.state, run.failure_callback, run.result) == ("RUN_FAILED", "CALLBACK_SUCCESS", None)
    assert application.failures_told == [run.id]
    assert [request.headers["upstash-retried"] for request in busy.requests] == ["0", "1", "2", "3"]
    assert run.resume().wait().state == "RUN_SUCCESS"
    crashed = server.trigger(url, ["crash"], retries=0).wait()
    assert crashed.error == '{"message":"crashed"}'
    assert crashed.restart().wait().state == "RUN_FAILED"
    assert [each.state for each in server.runs()] == ["RUN_FAILED", "RUN_SUCCESS", "RUN_FAILED", "RUN_FAILED"]
    broken = server.trigger(url, ["run"], retries=0)
    server.stub(url, error="the cable is cut")
    assert broken.wait().error == "the cable is cut"


def test_what_will_never_happen_is_said(server: WorkflowServer, url: str) -> None:
    with pytest.raises(NothingLeft, match="without going on or finishing"):
        server.trigger(url, ["idle"]).wait()
    server.call("POST", "/v2/flowControl/k/pause")
    with pytest.raises(NothingLeft, match="flow control holds it up: k"):
        server.trigger(url, ["run"], flow_control={"key": "k", "parallelism": 1}).wait()
