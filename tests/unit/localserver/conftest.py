"""Fixtures of the embedded server's own tests: a server, clients that talk to it, endpoints it delivers to."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.support.openapi import hold_to_document
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.fault_plan import FaultPlan, Handshakes

Answer = tuple[int, dict[str, str], bytes]


WORKFLOW = {"Upstash-Workflow-Sdk-Version": "1"}


@dataclass(frozen=True)
class Received:
    """A request as an endpoint got it; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """A plain HTTP endpoint whose answers a test decides, one function for all requests."""

    answer: Callable[[Received], Answer] = lambda _: (200, WORKFLOW, b"{}")
    requests: list[Received] = field(default_factory=list)
    url: str = ""
    _server: ThreadingHTTPServer | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body would leave as two packets, the second one 40 ms late.
            wbufsize = -1
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.command, self.path, headers, body)
                endpoint.requests.append(received)
                status, extra, content = endpoint.answer(received)
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET = do_PUT = handle_any  # noqa: N815 - names that the base class looks for

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256  # dozens of deliveries may knock at once

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/wf"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    it = Endpoint()
    it.start()
    yield it
    it.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def for_plain_endpoints() -> FaultPlan:
    """No handshake: the endpoints of most tests answer each delivery by hand."""
    return FaultPlan(handshakes=Handshakes.OFF)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(faults=for_plain_endpoints()) as running:
        yield running


@pytest.fixture
def timed_server(clock: ManualClock) -> Iterator[LocalServer]:
    """A server whose time stands still until the test moves it."""
    with LocalServer(clock=clock, faults=for_plain_endpoints()) as running:
        yield running


@dataclass(frozen=True)
class Api:
    """The REST API as a client sees it."""

    http: httpx.Client

    def trigger(self, *run_ids: str, url: str = "http://127.0.0.1:9/wf", **options: str) -> httpx.Response:
        """A batch of runs; keywords become headers: `Upstash_Label="x"`."""
        headers = {name.replace("_", "-"): value for name, value in options.items()}
        items = [
            {"destination": url, "headers": {**headers, "Upstash-Workflow-RunId": run_id}, "body": "{}"}
            for run_id in run_ids
        ]
        return self.http.post("/v2/batch/trigger", json=items)

    def logs(self, **query: Any) -> dict[str, Any]:
        answer = self.http.get("/v2/workflows/logs", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def listed(self, **query: Any) -> list[str]:
        """The ids on all pages of the logs."""
        ids: list[str] = []
        cursor = None
        while True:
            page = self.logs(**query, **({"cursor": cursor} if cursor else {}))
            ids += [run["workflowRunId"] for run in page["runs"]]
            cursor = page.get("cursor")
            if not cursor:
                return ids

    def state(self, run_id: str) -> str:
        return str(self.logs(workflowRunId=run_id)["runs"][0]["workflowState"])


def api_for(server: LocalServer, token: str | None = None) -> httpx.Client:
    """A client whose every answer is held to the server's OpenAPI document, whatever the test is about."""
    return httpx.Client(
        base_url=server.url,
        headers={"Authorization": f"Bearer {token or server.token}"},
        trust_env=False,
        timeout=10,
        event_hooks={"response": [hold_to_document]},
    )


@pytest.fixture
def api(server: LocalServer) -> Iterator[Api]:
    with api_for(server) as http:
        yield Api(http)


@pytest.fixture
def timed_api(timed_server: LocalServer) -> Iterator[Api]:
    with api_for(timed_server) as http:
        yield Api(http)


@pytest.fixture
def gate(endpoint: Endpoint) -> Iterator[threading.Event]:
    """Requests to the endpoint are answered only once this is set."""
    let_go = threading.Event()

    def answer(_: Received) -> Answer:
        let_go.wait(10)
        return 200, WORKFLOW, b"{}"

    endpoint.answer = answer
    yield let_go
    let_go.set()


@pytest.fixture
def deliveries_held(server: LocalServer) -> None:
    """Accepted runs stay in progress: nothing listens where they go."""
    server.faults.hold_deliveries = True


def step(number: int, **more: Any) -> str:
    return json.dumps(
        {"stepId": number, "stepName": f"s{number}", "stepType": "Run", "out": "1", "concurrent": 1, **more}
    )


def is_callback(request: Received) -> bool:
    return "upstash-workflow-is-failure" in request.headers


class Workflow:
    """An endpoint of two steps whose second one fails until `healed`; its failure function works only then, too."""

    def __init__(self, api: Api, endpoint: Endpoint) -> None:
        self.api, self.endpoint = api, endpoint
        self.healed = False
        self.done: list[tuple[str, int]] = []
        endpoint.answer = self.answer

    def answer(self, request: Received) -> Answer:
        if is_callback(request):
            return (200, {}, b'{"result":"noted"}') if self.healed else (500, {}, b"callback down")
        run_id = request.headers["upstash-workflow-runid"]
        number = len(json.loads(request.body))
        if number == 2 and not self.healed:
            return 503, {**WORKFLOW, "X-Why": "weather"}, b'{"message":"no"}'
        self.done.append((run_id, number))
        if number == 3:
            self.api.http.delete(f"/v2/workflows/runs/{run_id}?cancel=false")
        else:
            headers = {"Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Init": "false"}
            self.api.http.post(
                "/v2/batch", json=[{"destination": self.endpoint.url, "headers": headers, "body": step(number)}]
            )
        return 200, WORKFLOW, b"{}"

    def fail(self, server: LocalServer, *run_ids: str, **options: str) -> list[dict[str, Any]]:
        self.api.trigger(*run_ids, url=self.endpoint.url, Upstash_Retries="0", **options)
        for run_id in run_ids:
            assert server.wait_ended(run_id).state == "RUN_FAILED"
        server.wait_idle()
        return self.entries()

    def entries(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.api.http.get("/v2/workflows/dlq", params=query)
        assert answer.status_code == 200, answer.text
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages


@pytest.fixture
def workflow(api: Api, endpoint: Endpoint) -> Workflow:
    return Workflow(api, endpoint)


def decoded(request: Received) -> list[tuple[str, str]]:
    """(call type, body) of the entries that a delivery carries."""
    return [(entry["callType"], base64.b64decode(entry["body"]).decode()) for entry in json.loads(request.body)]


def submit(api: Api, endpoint: Endpoint, *bodies: str, run_id: str = "wfr_a", **options: str) -> list[dict[str, Any]]:
    headers = {"Upstash-Workflow-RunId": run_id, "Upstash-Workflow-Init": "false", "Content-Type": "application/json"}
    headers |= {name.replace("_", "-"): value for name, value in options.items()}
    answer = api.http.post(
        "/v2/batch", json=[{"destination": endpoint.url, "headers": headers, "body": body} for body in bodies]
    )
    assert answer.status_code == 200, answer.text
    messages: list[dict[str, Any]] = answer.json()
    return messages
