"""The server in the hands of a test: time that leaps, stubs, refusals."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from tests.fakes.step_endpoint import VERSION
from wfdeploy.testing import WorkflowServer


def test_time_stands_still_until_it_is_let_go(server: WorkflowServer, url: str) -> None:
    run = server.trigger(url, ["sleep 1h", "sleep 1h", "run"], delay=timedelta(hours=1))
    server.settle()
    assert run.steps == []
    server.advance(timedelta(hours=2) - timedelta(milliseconds=1))
    assert [step.name for step in run.steps if step.state == "STEP_SUCCESS"] == []
    server.advance(0.001)
    assert [step.name for step in run.steps if step.state == "STEP_SUCCESS"] == ["sleep-1"]
    server.advance(3600)
    assert run.state == "RUN_SUCCESS"


def test_the_newest_stub_that_fits_answers(server: WorkflowServer) -> None:
    general = server.stub("http://third.example/", headers=VERSION)
    special = server.stub("http://third.example/wf", json={"a": 1}, headers=VERSION, times=1)
    for _ in range(2):
        server.trigger("http://third.example/wf/x", "text")
    server.settle()
    assert (len(special.requests), len(general.requests)) == (1, 1)
    assert special.requests[0].method == "POST"


def test_refusals_carry_the_servers_words(server: WorkflowServer) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="destination must start with"):
        server.trigger("ftp://x")


def test_rate_over_a_day(server: WorkflowServer, url: str) -> None:
    begun = server.now
    runs = [server.trigger(url, [], flow_control={"key": "k", "rate": 1, "period": "1h"}) for _ in range(25)]
    for run in runs:
        run.wait()
    # Two deliveries each: the one that asks the SDK to trigger the run itself counts as any other.
    assert server.now - begun == timedelta(hours=2 * 25 - 1)
