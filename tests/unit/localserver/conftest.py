"""Fixtures of the embedded server's own tests: a server, clients that talk to it, endpoints it delivers to."""

from __future__ import annotations

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


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
def timed_server(clock: ManualClock) -> Iterator[LocalServer]:
    """A server whose time stands still until the test moves it."""
    with LocalServer(clock=clock) as running:
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
