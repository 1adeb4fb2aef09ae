"""Applications of both kinds, served for as long as a test needs them."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.fakes.step_endpoint import VERSION, StepEndpoint
from tests.unit.testing.conftest import wsgi
from wfdeploy.testing import WorkflowServer

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], object]


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
        run.cancel()
        let_go.set()
        assert run.wait().state == "RUN_CANCELED"
