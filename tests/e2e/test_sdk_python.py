"""Endpoints written with the official Python SDK run on the embedded server, signature verification on."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from qstash import AsyncQStash
from upstash_workflow.fastapi import Serve  # type: ignore[import-untyped]

from tests.support.local_server import LocalServer
from tests.support.sdk_runs import client_of, run_of, steps_of, trigger
from wfdeploy.localserver.clock import MachineClock
from wfdeploy.localserver.tenants import environment

Context: TypeAlias = Any  # the SDK ships no types


class App:
    """A FastAPI application with SDK workflows, served in a thread."""

    def __init__(self, server: LocalServer) -> None:
        self.server = server
        self.api = FastAPI()
        self.env: dict[str, str | None] = dict(environment(server.url))
        self.serve = Serve(self.api)
        self.client = AsyncQStash(server.token, base_url=server.url)
        self.calls: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._uvicorn = uvicorn.Server(uvicorn.Config(self.api, log_config=None, lifespan="off", ws="none"))
        self._thread = threading.Thread(target=self._run)

    def workflow(self, path: str, **options: Any) -> Callable[[Callable[[Context], Awaitable[None]]], Any]:
        decorate: Callable[[Callable[[Context], Awaitable[None]]], Any] = self.serve.post(
            path, env=self.env, qstash_client=self.client, **options
        )
        return decorate

    def _run(self) -> None:
        async def main() -> None:
            await self._uvicorn.serve(sockets=[self._socket])
            await self.client.http._client.aclose()  # the SDK's client has no way to be closed

        asyncio.run(main())

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._uvicorn.started:
            assert time.monotonic() < deadline, "the application did not start"
            time.sleep(0.005)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        # Connections that the server keeps alive would hold a graceful shutdown up.
        self._uvicorn.force_exit = True
        self._thread.join(timeout=10)
        self._socket.close()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    # Server time runs a little faster, so that a sleep of a second does not take one.
    with LocalServer(clock=MachineClock(scale=10)) as running:
        yield running


@pytest.fixture
def app(server: LocalServer) -> Iterator[App]:
    it = App(server)
    yield it
    it.stop()


@pytest.fixture
def http(server: LocalServer) -> Iterator[httpx.Client]:
    with client_of(server) as client:
        yield client


def test_run_and_sleep_reach_success(server: LocalServer, app: App, http: httpx.Client) -> None:
    seen: list[Any] = []

    @app.workflow("/onboard")
    async def onboard(context: Context) -> None:
        async def greet() -> str:
            app.calls.append("greet")
            return f"hello {context.request_payload['tenant']} é"

        greeting = await context.run("greet", greet)
        await context.sleep("nap", 1)
        await context.sleep_until("until", time.time() + 0.5)

        async def finish() -> None:
            seen.append((greeting, context.headers.get("x-team")))

        await context.run("finish", finish)

    app.start()
    trigger(http, "wfr_one", f"{app.url}/onboard", '{"tenant":"acmé"}', Upstash_Forward_X_Team="growth")
    assert server.wait_ended("wfr_one").state == "RUN_SUCCESS"
    assert seen == [("hello acmé é", "growth")]
    assert app.calls == ["greet"]
    assert steps_of(http, "wfr_one") == [
        ("init", "STEP_SUCCESS"),
        ("greet", "STEP_SUCCESS"),
        ("nap", "STEP_SUCCESS"),
        ("until", "STEP_SUCCESS"),
        ("finish", "STEP_SUCCESS"),
    ]
    # The id is free the moment its run ended: the same trigger starts a second run.
    trigger(http, "wfr_one", f"{app.url}/onboard", '{"tenant":"acmé"}')
    server.wait_until(lambda runs: [run.state for run in runs] == ["RUN_SUCCESS"] * 2)


def test_failing_step_ends_failed_after_its_retries(server: LocalServer, app: App, http: httpx.Client) -> None:
    failures: list[tuple[int, str, int]] = []

    async def on_failure(context: Context, status: int, message: str, headers: dict[str, str]) -> None:
        failures.append((status, message, context.request_payload["tenant"]))

    @app.workflow("/broken", failure_function=on_failure)
    async def broken(context: Context) -> None:
        async def explode() -> None:
            app.calls.append("explode")
            raise RuntimeError("no such tenant")

        await context.run("explode", explode)

    app.start()
    trigger(
        http,
        "wfr_bad",
        f"{app.url}/broken",
        '{"tenant":7}',
        Upstash_Retries="2",
        Upstash_Retry_Delay="10 * (1 + retried)",
    )
    ended = server.wait_ended("wfr_bad")
    assert (ended.state, ended.error) == ("RUN_FAILED", "500 Internal Server Error")
    assert app.calls == ["explode"] * 3
    server.wait_idle()
    assert failures == [(500, "no such tenant", 7)]
    run = run_of(http, "wfr_bad")
    assert run["failureFunction"]["state"] == "CALLBACK_SUCCESS"
    assert [error["status"] for error in run["steps"][-1]["steps"][0]["errors"]] == [500] * 3


def test_call_of_a_third_party_comes_back(server: LocalServer, app: App, http: httpx.Client) -> None:
    results: list[tuple[int, Any]] = []
    attempts: list[str] = []

    @app.api.put("/third-party")
    async def third_party(request: Request) -> Response:
        attempts.append(request.headers["x-key"])
        if len(attempts) == 1:
            return Response("busy", 503)
        return Response(json.dumps({"got": await request.json()}), 201, media_type="application/json")

    @app.api.post("/always-down")
    async def always_down() -> Response:
        return Response("down", 500)

    @app.workflow("/calling")
    async def calling(context: Context) -> None:
        url = app.url
        good = await context.call(
            "good", url=f"{url}/third-party", method="PUT", body={"a": "ü"}, headers={"X-Key": "k"}, retries=1
        )
        bad = await context.call("bad", url=f"{url}/always-down", method="POST")

        async def note() -> None:
            results.extend([(good.status, good.body), (bad.status, bad.body)])

        await context.run("note", note)

    app.start()
    trigger(http, "wfr_call", f"{app.url}/calling", Upstash_Retry_Delay="5")
    assert server.wait_ended("wfr_call", 20).state == "RUN_SUCCESS"
    assert attempts == ["k", "k"]
    assert results == [(201, {"got": {"a": "ü"}}), (500, "down")]


def test_plain_publish_has_the_endpoint_start_its_own_run(server: LocalServer, app: App, http: httpx.Client) -> None:
    @app.workflow("/self")
    async def itself(context: Context) -> None:
        async def note() -> None:
            app.calls.append(context.request_payload["x"])

        await context.run("note", note)

    app.start()
    answer = http.post(f"/v2/publish/{app.url}/self", content='{"x":"published"}')
    assert answer.status_code == 200
    server.wait_until(lambda runs: [run.state for run in runs] == ["RUN_SUCCESS"])
    assert app.calls == ["published"]


def test_submission_after_cancel_is_refused(server: LocalServer, app: App, http: httpx.Client) -> None:
    @app.workflow("/cancelled")
    async def cancelled(context: Context) -> None:
        async def cancel() -> None:
            app.calls.append("step")
            await asyncio.to_thread(http.delete, f"/v2/workflows/runs/{context.workflow_run_id}")

        await context.run("cancel", cancel)

        async def never() -> None:
            app.calls.append("never")

        await context.run("never", never)

    app.start()
    trigger(http, "wfr_gone", f"{app.url}/cancelled")
    assert server.wait_ended("wfr_gone").state == "RUN_CANCELED"
    server.wait_idle()
    assert app.calls == ["step"]


def test_sdk_client_and_endpoint_settings(server: LocalServer, app: App) -> None:
    """`AsyncQStash`'s own publish reaches an endpoint that has its retries in code."""

    @app.workflow("/own-retries", retries=0)
    async def own(context: Context) -> None:
        async def first() -> None:
            app.calls.append("first")

        await context.run("first", first)

        async def explode() -> None:
            app.calls.append("explode")
            raise RuntimeError("once")

        await context.run("explode", explode)

    app.start()

    async def publish() -> None:
        client = AsyncQStash(server.token, base_url=server.url)
        await client.message.publish_json(url=f"{app.url}/own-retries", body={})
        await client.http._client.aclose()

    asyncio.run(publish())
    runs = server.wait_until(lambda runs: [run.state for run in runs] == ["RUN_FAILED"])
    assert runs[0].error == "500 Internal Server Error"
    assert app.calls == ["first", "explode"]


def test_endpoint_keeps_verifying_through_one_rotation(server: LocalServer, app: App, http: httpx.Client) -> None:
    """The SDK takes the next key too, so there is time to give an application its new keys; then it refuses."""

    @app.workflow("/signed")
    async def signed(context: Context) -> None:
        async def note() -> None:
            app.calls.append(context.workflow_run_id)

        await context.run("note", note)

    app.start()
    for run_id, state in (("wfr_a", "RUN_SUCCESS"), ("wfr_b", "RUN_SUCCESS"), ("wfr_c", "RUN_FAILED")):
        trigger(http, run_id, f"{app.url}/signed", Upstash_Retries="0")
        assert server.wait_ended(run_id).state == state
        assert http.post("/v2/keys/rotate").status_code == 200
    assert app.calls == ["wfr_a", "wfr_b"]
