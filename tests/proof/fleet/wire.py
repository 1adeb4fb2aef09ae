"""The way between apply and the embedded server: its HTTP without sockets, in an order that a seed decides.

The client under test is the real one, with this as its transport; the server is its real application. Requests and
answers get lost, come late, are refused; the process may die with a request under way.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import TypeVar
from urllib.parse import unquote

import httpx

from tests.fakes.model_server import Crash
from wfdeploy.localserver.app import create_app
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.page.routes import Page
from wfdeploy.localserver.serve import LocalServer
from wfdeploy.localserver.services import Services

T = TypeVar("T")


class Trouble(Enum):
    """What happens to one request."""

    NONE = "answered"
    REFUSED = "no connection"
    LOST_BEFORE = "lost on the way there"
    LOST_LATE = "given up, and there later"
    LOST_AFTER = "the answer lost"
    THROTTLED = "429"
    UNAVAILABLE = "503, not acted upon"
    BAD_GATEWAY = "502, acted upon"
    GARBLED = "the answer unreadable"
    CUT = "the answer cut short"
    CRASH_BEFORE = "the process dies, nothing left"
    CRASH_AFTER = "the process dies, the server acted"
    CRASH_LATE = "the process dies, the request is there later"


MOODS: dict[str, dict[Trouble, float]] = {
    "calm": {Trouble.NONE: 1},
    "lossy": {
        Trouble.NONE: 8,
        Trouble.LOST_BEFORE: 1,
        Trouble.LOST_LATE: 1,
        Trouble.LOST_AFTER: 2,
        Trouble.BAD_GATEWAY: 1,
        Trouble.UNAVAILABLE: 1,
    },
    "busy": {Trouble.NONE: 6, Trouble.THROTTLED: 3, Trouble.UNAVAILABLE: 1, Trouble.REFUSED: 1},
    "broken": {
        Trouble.NONE: 3,
        Trouble.GARBLED: 2,
        Trouble.CUT: 1,
        Trouble.LOST_AFTER: 2,
        Trouble.LOST_LATE: 2,
        Trouble.BAD_GATEWAY: 1,
    },
    "deadly": {
        Trouble.NONE: 8,
        Trouble.CRASH_BEFORE: 1,
        Trouble.CRASH_AFTER: 2,
        Trouble.CRASH_LATE: 1,
        Trouble.LOST_AFTER: 1,
    },
}


class Clock:
    """The client's clock, off by `skew_ms`. It moves the server's; whoever sleeps lets all that is due happen."""

    def __init__(self, clock: ManualClock, move: Callable[[float], None], skew_ms: int) -> None:
        self._clock = clock
        self._began_ms = clock.now_ms()
        self.move = move
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return self._clock.now_ms() + self.skew_ms

    def monotonic(self) -> float:
        return (self._clock.now_ms() - self._began_ms) / 1000

    async def sleep(self, seconds: float) -> None:
        self.move(max(seconds, 0.0))
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Sent:
    """When something first left for the server (its clock), and in which round of which apply."""

    ms: int
    round: int


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """`sent`: by workflow run id, or label of an attempt. `cancels`: (workflow run id, round) asked for. `round` is
    counted by whoever applies. `late_ms`: how late a late request is. `told`: what happened, for those who read it."""

    server: LocalServer
    clock: ManualClock
    chance: Random
    late_ms: int
    mood: dict[Trouble, float] = field(default_factory=lambda: MOODS["calm"])
    round: int = 0
    sent: dict[str, Sent] = field(default_factory=dict)
    cancels: list[tuple[str, Sent]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    _late: list[tuple[int, httpx.Request]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def build(services: Services) -> httpx.ASGITransport:
            self._page = Page(services, None)
            return httpx.ASGITransport(app=create_app(services, self._page))

        self._app = self.server.inside(build)

    def close(self) -> None:
        self.server.inside(lambda _: self._page.close())

    # --- time --------------------------------------------------------------------------------------------------

    def move(self, seconds: float) -> None:
        """Let time go by, everything that is due in its order; what was late arrives."""
        until_ms = self.clock.now_ms() + round(1000 * seconds)
        while self._late and (due_ms := min(at for at, _ in self._late)) <= until_ms:
            self._pass(due_ms)
            now, self._late = (
                [entry for entry in self._late if entry[0] <= due_ms],
                [entry for entry in self._late if entry[0] > due_ms],
            )
            for _, request in now:
                self._forward(request)
        self._pass(until_ms)

    def _pass(self, until_ms: int) -> None:
        self.server.pass_time(self.clock, lambda _: False, until_ms=until_ms)

    # --- requests ----------------------------------------------------------------------------------------------

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.move(self.chance.choice((0.004, 0.03, 0.4)))
        trouble = self.chance.choices(tuple(self.mood), tuple(self.mood.values()))[0]
        if trouble is not Trouble.NONE:
            self.told.append(f"{request.method} {request.url.path}: {trouble.value}")
        match trouble:
            case Trouble.REFUSED:
                raise httpx.ConnectError("refused")
            case Trouble.CRASH_BEFORE:
                raise Crash
            case Trouble.THROTTLED:
                return httpx.Response(429, headers={"Retry-After": "2"}, json={"error": "slow down"})
        self._note(request)
        if trouble in (Trouble.LOST_LATE, Trouble.CRASH_LATE) and request.method != "GET":
            self._late.append((self.clock.now_ms() + self.late_ms, request))
        match trouble:
            case Trouble.LOST_BEFORE | Trouble.LOST_LATE:
                raise httpx.ReadError("reset")
            case Trouble.CRASH_LATE:
                raise Crash
            case Trouble.UNAVAILABLE:
                return httpx.Response(503, json={"error": "not now"})
        status, headers, body = self._forward(request)
        match trouble:
            case Trouble.LOST_AFTER:
                raise httpx.ReadError("reset")
            case Trouble.CRASH_AFTER:
                raise Crash
            case Trouble.BAD_GATEWAY:
                return httpx.Response(502, text="<html>502 Bad Gateway</html>")
            case Trouble.GARBLED:
                body = bytes(255 - octet for octet in body)
            case Trouble.CUT:
                body = body[: len(body) // 2]
        return httpx.Response(status, headers=headers, content=body)

    def ask(self, method: str, path: str, **params: str) -> httpx.Response:
        """A request of somebody else's, which nothing happens to."""
        headers = {"Authorization": f"Bearer {self.server.token}"}
        request = httpx.Request(method, f"{self.server.url}{path}", headers=headers, params=params)
        status, told, body = self._forward(request)
        return httpx.Response(status, headers=told, content=body)

    def _forward(self, request: httpx.Request) -> tuple[int, httpx.Headers, bytes]:
        async def carry(services: Services) -> tuple[int, httpx.Headers, bytes]:
            answer = await self._app.handle_async_request(request)
            body = await answer.aread()
            await services.engine.wait_idle()
            return answer.status_code, answer.headers, body

        return self._inside(carry)

    def _inside(self, call: Callable[[Services], Awaitable[T]]) -> T:
        return self.server._await(call, 30.0)  # type: ignore[arg-type]

    def _note(self, request: httpx.Request) -> None:
        """What this request would start or end, before anything becomes of it."""
        now = Sent(self.clock.now_ms(), self.round)
        path = request.url.path
        if path == "/v2/batch/trigger":
            for item in json.loads(request.content):
                headers = {name.lower(): value for name, value in item["headers"].items()}
                self.sent.setdefault(headers["upstash-workflow-runid"], now)
        elif path.startswith("/v2/workflows/dlq/resume"):
            for label in request.headers["upstash-label"].split(","):
                if re.fullmatch(r"wfdeploy\.[a-z2-7]+\.g\d+\.a\d+", label):
                    self.sent.setdefault(label, now)
        elif request.method == "DELETE" and path.startswith("/v2/workflows/runs"):
            named = [unquote(path.removeprefix("/v2/workflows/runs").strip("/"))]
            for text in request.url.params.get_list("workflowRunIds"):
                named += text.split(",")
            self.cancels += [(run_id, now) for run_id in named if run_id]
