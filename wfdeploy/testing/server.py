"""The embedded server as a test holds it, and answers in place of somebody: a third party that a workflow calls, or an
endpoint that fails now and then."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.fault_plan import FaultPlan
from wfdeploy.localserver.http_client import EndpointRequest, Reply
from wfdeploy.localserver.serve import LocalServer
from wfdeploy.localserver.tenants import environment
from wfdeploy.testing import apps
from wfdeploy.testing.runs import TIMEOUT_S, Run

T = TypeVar("T")


class WorkflowServer:
    """A server in memory, on a port of its own, whose clock stands still until the test lets time go by.

    Time goes by in leaps, from one thing that is due to the next: a sleep of a month takes as long as the workflow's
    own code. Deliveries are real requests over loopback, signed as the service signs them.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.clock = ManualClock(int(time.time() * 1000), real_endpoints=True)
        self._stubs = Stubs()
        self._server = LocalServer(port=port, clock=self.clock, faults=FaultPlan(answer=self._stubs.answer))
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        self._server.start()
        headers = {"Authorization": f"Bearer {self._server.token}"}
        self._http = httpx.Client(base_url=self._server.url, headers=headers, trust_env=False, timeout=TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            self._http.close()
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the official SDKs read."""
        return environment(self._server.url, self._server.tenant)

    @property
    def now(self) -> datetime:
        """The server's present."""
        return datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC)

    def serving(self, app: Any) -> AbstractContextManager[str]:
        """Serve an ASGI or WSGI application in a thread; its URL."""
        return apps.serving(app)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def trigger(
        self,
        url: str,
        body: Any = None,
        *,
        run_id: str | None = None,
        delay: str | timedelta | None = None,
        retries: int | None = None,
        labels: Sequence[str] = (),
        flow_control: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Run:
        """Start a run. A body that is no text is sent as JSON; `headers` go to the endpoint.

        `flow_control`: `{"key": "k", "parallelism": 2, "rate": 5, "period": "1m"}`, any of it but with a key.
        """
        fields = {f"Upstash-Forward-{name}": value for name, value in (headers or {}).items()}
        fields["Content-Type"] = "text/plain" if isinstance(body, str | bytes) else "application/json"
        if run_id is not None:
            fields["Upstash-Workflow-RunId"] = run_id
        if delay is not None:
            fields["Upstash-Delay"] = delay if isinstance(delay, str) else f"{round(delay.total_seconds())}s"
        if retries is not None:
            fields["Upstash-Retries"] = str(retries)
        if labels:
            fields["Upstash-Label"] = ",".join(labels)
        if flow_control is not None:
            values = {name: value for name, value in flow_control.items() if name != "key"}
            fields["Upstash-Flow-Control-Key"] = str(flow_control["key"])
            fields["Upstash-Flow-Control-Value"] = ", ".join(f"{name}={value}" for name, value in values.items())
        content = body if isinstance(body, str | bytes) else "" if body is None else json.dumps(body)
        answer = self.call("POST", f"/v2/trigger/{url}", headers=fields, content=content).json()
        return Run(self, answer["workflowRunId"], answer["workflowCreatedAt"])

    def runs(self) -> list[Run]:
        """All runs, those too that the application started itself, in order."""
        accepted = self.inside(lambda services: services.store.runs_of_id(None))
        return [Run(self, run.run_id, run.created_at) for run in accepted]

    def notify(self, event_id: str, data: Any = None) -> int:
        """Tell every run that waits for an event; how many did."""
        return len(self.call("POST", f"/v2/notify/{event_id}", content=json.dumps(data)).json())

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request to the REST API, whatever there is no method for here; options as `httpx.request` takes them.

        Raises: httpx.HTTPStatusError with the server's words.
        """
        if self._http is None:
            raise RuntimeError("the server is not running")
        answer = self._http.request(method, path, **options)
        if answer.is_error:
            message = f"{method} {path}: {answer.status_code} {answer.text}"
            raise httpx.HTTPStatusError(message, request=answer.request, response=answer)
        return answer

    # -- trouble ------------------------------------------------------------------------------------------------------

    def stub(
        self,
        url: str,
        *,
        status: int = 200,
        json: Any = None,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
        error: str = "",
    ) -> Stub:
        """Answer in place of everything whose URL begins with `url`: a third party, or an endpoint that is to fail.

        The newest one that fits answers, `times` at most. `error`: nobody answers, for this reason.
        """
        content = _json(json) if json is not None else body.encode() if isinstance(body, str) else body
        given = dict(headers or {})
        if json is not None:
            given.setdefault("Content-Type", "application/json")
        reply = Reply(None, error=error) if error else Reply(status, tuple(given.items()), content)
        return self._stubs.add(Stub(url, reply, times))

    # -- time ---------------------------------------------------------------------------------------------------------

    def advance(self, by: float | timedelta, *, timeout_s: float = TIMEOUT_S) -> None:
        """Let so much time go by (seconds); what becomes due meanwhile happens, and leads to what it leads to.

        Raises: TimeoutError.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        self.pass_time(lambda _: False, until_ms=self.clock.now_ms() + round(seconds * 1000), timeout_s=timeout_s)

    def settle(self, *, timeout_s: float = TIMEOUT_S) -> None:
        """Have everything done that is due now."""
        self.advance(0, timeout_s=timeout_s)

    def pass_time(
        self, enough: Callable[[Services], bool], *, until_ms: int | None = None, timeout_s: float = TIMEOUT_S
    ) -> bool:
        """Let time go by until something holds; False when nothing is left to happen, or nothing until that moment.

        Raises: TimeoutError.
        """
        try:
            return self._server.pass_time(self.clock, enough, until_ms=until_ms, timeout_s=timeout_s)
        except TimeoutError:
            count = self.inside(lambda services: services.engine.queues.open)
            what = f"deliveries not answered yet: {count}" if count else "there is still more to do"
            raise TimeoutError(f"{timeout_s:g} seconds of the machine's time are over; {what}") from None

    def inside(self, look: Callable[[Services], T]) -> T:
        """Look at something in the server's thread."""
        return self._server.inside(look)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True, slots=True)
class Request:
    """A request that a stub answered. Header names are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Stub:
    """The answer to requests whose URLs begin with `url`, to at most `times` of them."""

    url: str
    reply: Reply
    times: int | None = None
    requests: list[Request] = field(default_factory=list)
    """The requests that it answered, in order."""

    @property
    def is_used_up(self) -> bool:
        return self.times is not None and len(self.requests) >= self.times


class Stubs:
    """The newest stub that fits answers. Asked by the server's thread."""

    def __init__(self) -> None:
        self._stubs: list[Stub] = []
        self._lock = threading.Lock()

    def add(self, stub: Stub) -> Stub:
        with self._lock:
            self._stubs.insert(0, stub)
        return stub

    def answer(self, request: EndpointRequest) -> Reply | None:
        with self._lock:
            for stub in self._stubs:
                if request.url.startswith(stub.url) and not stub.is_used_up:
                    headers = {name.lower(): value for name, value in request.headers.items()}
                    stub.requests.append(Request(request.method, request.url, headers, request.body))
                    return stub.reply
        return None
