"""The server in the hands of a test: time that leaps, stubs, runs, applications of both kinds."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.fakes.step_endpoint import VERSION, StepEndpoint
from wfdeploy.testing import NothingLeft, WorkflowServer


@pytest.fixture
def server() -> Iterator[WorkflowServer]:
    with WorkflowServer() as running:
        yield running


@pytest.fixture
def application(server: WorkflowServer) -> Iterator[StepEndpoint]:
    it = StepEndpoint(lambda: server.url, server.environment["QSTASH_TOKEN"])
    yield it
    it.close()


Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], object]


def wsgi(application: StepEndpoint) -> Any:
    return application.wsgi


def asgi(application: StepEndpoint) -> Callable[..., Awaitable[None]]:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        status, told, content = application.answer(f"http://{headers['host']}{scope['path']}", headers, body)
        lines = [(name.encode(), text.encode()) for name, text in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content})

    return app


@pytest.fixture
def url(server: WorkflowServer, application: StepEndpoint) -> Iterator[str]:
    with server.serving(wsgi(application)) as base:
        yield f"{base}/wf"


@pytest.mark.parametrize("make", [wsgi, asgi])
def test_both_kinds_of_applications(server: WorkflowServer, application: StepEndpoint, make: Any) -> None:
    with server.serving(make(application)) as base:
        run = server.trigger(
            f"{base}/wf", ["run", "sleep 90d", "run"], labels=["a", "b"], headers={"X-Team": "t"}
        ).wait()
    assert run.state == "RUN_SUCCESS"
    assert [(step.name, step.type) for step in run.steps] == [
        ("run-1", "Run"),
        ("sleep-2", "SleepFor"),
        ("run-3", "Run"),
    ]
    assert run.steps[0].out == {"ok": True}
    assert run.logged["labels"] == ["a", "b"]
    assert (server.now.timestamp() * 1000 - run.created_at_ms) == 90 * 86_400_000


def test_application_that_does_not_start(server: WorkflowServer) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(RuntimeError, match="did not start"), server.serving(app):
        pass


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


def test_the_newest_stub_that_fits_answers(server: WorkflowServer) -> None:
    general = server.stub("http://third.example/", headers=VERSION)
    special = server.stub("http://third.example/wf", json={"a": 1}, headers=VERSION, times=1)
    for _ in range(2):
        server.trigger("http://third.example/wf/x", "text")
    server.settle()
    assert (len(special.requests), len(general.requests)) == (1, 1)
    assert special.requests[0].method == "POST"


def test_what_will_never_happen_is_said(server: WorkflowServer, url: str) -> None:
    with pytest.raises(NothingLeft, match="without going on or finishing"):
        server.trigger(url, ["idle"]).wait()
    server.call("POST", "/v2/flowControl/k/pause")
    with pytest.raises(NothingLeft, match="flow control holds it up: k"):
        server.trigger(url, ["run"], flow_control={"key": "k", "parallelism": 1}).wait()


def test_slow_application_is_waited_for_in_real_time(server: WorkflowServer) -> None:
    let_go = threading.Event()

    def app(_: Environ, start: Start) -> list[bytes]:
        let_go.wait(10)
        start("200 OK", [*VERSION.items(), ("Content-Length", "2")])
        return [b"{}"]

    with server.serving(app) as base:
        run = server.trigger(base)
        with pytest.raises(TimeoutError, match="not answered yet: 1"):
            run.wait(timeout_s=0.2)
        assert server.now.timestamp() * 1000 == run.created_at_ms
        let_go.set()
        server.settle()
        run.cancel()
        assert run.wait().state == "RUN_CANCELED"


def test_refusals_carry_the_servers_words(server: WorkflowServer) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="destination must start with"):
        server.trigger("ftp://x")


def test_rate_over_a_day(server: WorkflowServer, url: str) -> None:
    begun = server.now
    runs = [server.trigger(url, [], flow_control={"key": "k", "rate": 1, "period": "1h"}) for _ in range(25)]
    for run in runs:
        run.wait()
    assert server.now - begun == timedelta(days=1)
