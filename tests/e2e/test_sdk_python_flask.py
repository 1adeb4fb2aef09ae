"""Endpoints written with the official Python SDK on Flask run on the embedded server, signature verification on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx
import pytest
from flask import Flask, request
from qstash import QStash
from upstash_workflow.flask import Serve  # type: ignore[import-untyped]
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.support.local_server import LocalServer
from tests.support.sdk_runs import client_of, run_of, steps_of, trigger
from wfdeploy.localserver.clock import MachineClock
from wfdeploy.localserver.tenants import environment

Context: TypeAlias = Any  # the SDK ships no types
Workflow: TypeAlias = Callable[[Context], None]


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class App:
    """A Flask application with SDK workflows, served by threads."""

    def __init__(self, server: LocalServer) -> None:
        self.flask = Flask(__name__)
        self.env: dict[str, str | None] = dict(environment(server.url))
        self.client = QStash(server.token, base_url=server.url)
        self.calls: list[Any] = []
        self._serve = Serve(self.flask)
        self._server = make_server("127.0.0.1", 0, self.flask, threaded=True, request_handler=_Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def workflow(self, path: str, **options: Any) -> Callable[[Workflow], Workflow]:
        decorate: Callable[[Workflow], Workflow] = self._serve.route(
            path, env=self.env, qstash_client=self.client, **options
        )
        return decorate

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()
        self.client.http._client.close()  # the SDK's client has no way to be closed


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


def test_run_and_sleeps(server: LocalServer, app: App, http: httpx.Client) -> None:
    @app.workflow("/onboard")
    def onboard(context: Context) -> None:
        greeting = context.run("greet", lambda: f"hello {context.request_payload['tenant']} é")
        context.sleep("nap", 1)
        context.sleep_until("until", time.time() + 0.5)
        context.run("finish", lambda: app.calls.append((greeting, context.headers.get("X-Team"))))

    app.start()
    trigger(http, "wfr_one", f"{app.url}/onboard", '{"tenant":"acmé"}', Upstash_Forward_X_Team="growth")
    assert server.wait_ended("wfr_one").state == "RUN_SUCCESS"
    assert app.calls == [("hello acmé é", "growth")]
    assert steps_of(http, "wfr_one") == [(name, "STEP_SUCCESS") for name in ("init", "greet", "nap", "until", "finish")]


def test_calls(server: LocalServer, app: App, http: httpx.Client) -> None:
    attempts: list[str] = []

    @app.flask.put("/third-party")
    def third_party() -> tuple[Any, int]:
        attempts.append(request.headers["x-key"])
        return ("busy", 503) if len(attempts) == 1 else ({"got": request.get_json()}, 201)

    @app.flask.post("/always-down")
    def always_down() -> tuple[str, int]:
        return "down", 500

    @app.workflow("/calling")
    def calling(context: Context) -> None:
        good = context.call(
            "good",
            url=f"{app.url}/third-party",
            method="PUT",
            body={"a": "ü"},
            headers={"X-Key": "k"},
            retries=1,
        )
        bad = context.call("bad", url=f"{app.url}/always-down", method="POST")
        context.run("note", lambda: app.calls.extend([(good.status, good.body), (bad.status, bad.body)]))

    app.start()
    trigger(http, "wfr_call", f"{app.url}/calling", Upstash_Retry_Delay="5")
    assert server.wait_ended("wfr_call", 30).state == "RUN_SUCCESS"
    assert attempts == ["k", "k"]
    assert app.calls == [(201, {"got": {"a": "ü"}}), (500, "down")]


def test_failure_function_and_resumption(server: LocalServer, app: App, http: httpx.Client) -> None:
    failures: list[tuple[int, str, int]] = []
    broken = [True]

    def on_failure(context: Context, status: int, message: str, headers: dict[str, str]) -> None:
        failures.append((status, message, context.request_payload["tenant"]))

    @app.workflow("/broken", failure_function=on_failure)
    def may_fail(context: Context) -> None:
        context.run("first", lambda: app.calls.append("first"))

        def second() -> None:
            app.calls.append("second")
            if broken[0]:
                raise RuntimeError("no such tenant")

        context.run("second", second)

    app.start()
    options = {"Upstash_Retries": "2", "Upstash_Retry_Delay": "10 * (1 + retried)"}
    trigger(http, "wfr_bad", f"{app.url}/broken", '{"tenant":7}', **options)
    assert server.wait_ended("wfr_bad", 20).state == "RUN_FAILED"
    server.wait_idle()
    assert app.calls == ["first", "second", "second", "second"]
    assert failures == [(500, "no such tenant", 7)]
    broken[0] = False
    (entry,) = http.get("/v2/workflows/dlq").json()["messages"]
    assert entry["failureFunctionState"] == "CALLBACK_SUCCESS"
    resumed = http.post(f"/v2/workflows/dlq/resume/{entry['dlqId']}").json()["workflowRunId"]
    assert server.wait_ended(resumed).state == "RUN_SUCCESS"
    assert app.calls == ["first", "second", "second", "second", "second"]


def test_failure_url(server: LocalServer, app: App, http: httpx.Client) -> None:
    @app.flask.post("/ops")
    def ops() -> dict[str, str]:
        app.calls.append(request.get_json())
        return {}

    @app.workflow("/broken", retries=0, failure_url=f"{app.url}/ops")
    def broken(context: Context) -> None:
        def explode() -> None:
            raise RuntimeError("once")

        context.run("explode", explode)

    app.start()
    # A plain message: the endpoint starts its own run, with the settings that stand in its code.
    assert http.post(f"/v2/publish/{app.url}/broken", content='{"a":1}').status_code == 200
    (run,) = server.wait_until(lambda runs: [run.state for run in runs] == ["RUN_FAILED"])
    server.wait_idle()
    (told,) = app.calls
    assert (told["status"], told["workflowRunId"], told["url"]) == (500, run.run_id, f"{app.url}/broken")
    assert run_of(http, run.run_id)["failureFunction"]["state"] == "CALLBACK_SUCCESS"


def test_unsigned_requests_are_refused_by_the_sdk(server: LocalServer, app: App, http: httpx.Client) -> None:
    @app.workflow("/signed")
    def signed(context: Context) -> None:
        context.run("never", lambda: app.calls.append("never"))

    app.start()
    headers = {"Upstash-Workflow-Sdk-Version": "1", "Upstash-Workflow-RunId": "wfr_x"}
    assert httpx.post(f"{app.url}/signed", json=[], headers=headers, trust_env=False).status_code == 500
    assert app.calls == []
