"""The way between apply and the embedded server: its HTTP without sockets, in an order that a seed decides.

The client under test is the real one, with this as its transport; the server is its real application. Requests and
answers get lost, come late, are refused; the process may die with a request under way.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any, TypeVar
from urllib.parse import unquote

import httpx

from tests.fakes.model_server import Crash
from tests.proof.fleet.odd_words import odd_item, odd_words
from tests.support.local_server import LocalServer
from wfdeploy.localserver.api.services import Services
from wfdeploy.localserver.app import create_app
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.page.routes import Page

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
    ODDLY_REFUSED = "refused as a whole, in odd words"
    PARTLY_REFUSED = "some or all of its runs refused, in odd words"
    STUCK = "stuck until given up, never there"
    STUCK_LATE = "stuck until given up, and there later"
    CRASH_STUCK = "stuck until the process dies, and there later"


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
    "wordy": {
        Trouble.NONE: 4,
        Trouble.ODDLY_REFUSED: 3,
        Trouble.PARTLY_REFUSED: 3,
        Trouble.LOST_AFTER: 1,
        Trouble.LOST_BEFORE: 1,
    },
    "stalling": {Trouble.NONE: 6, Trouble.STUCK: 1, Trouble.STUCK_LATE: 2, Trouble.CRASH_STUCK: 1},
}

_ACTS_LATE = (Trouble.LOST_LATE, Trouble.CRASH_LATE, Trouble.STUCK_LATE, Trouble.CRASH_STUCK)
_STUCK = (Trouble.STUCK, Trouble.STUCK_LATE, Trouble.CRASH_STUCK)
_ODD = (Trouble.ODDLY_REFUSED, Trouble.PARTLY_REFUSED)


IN_USE = "refused, for its id is that of a run in progress"

ATTEMPT = re.compile(r"wfdeploy\.[a-z2-7]+\.g\d+\.a\d+")
"""The label of a resume."""

_DERIVED = re.compile(r"wfr_(?:.*-)?[a-z2-7]{26}-g\d+-f\d+[a-z2-7]{26}")


def identity(run_id: str, labels: Iterable[str]) -> str:
    """What a triggered run is known by: its id where that is derived, else the derived one that it has as a label. An
    id of its author's may be another run's later."""
    return next((text for text in (run_id, *labels) if _DERIVED.fullmatch(text)), run_id)


class Clock:
    """The client's clock, off by `skew_ms`, which may change. It moves the server's; whoever sleeps lets what is due
    happen. `pausing` is called when somebody is about to sleep."""

    def __init__(self, clock: ManualClock, move: Callable[[float], None], skew_ms: int) -> None:
        self._clock = clock
        self._began_ms = clock.now_ms()
        self.move = move
        self._skews = [(self._began_ms, skew_ms)]
        self.pausing: Callable[[], None] = lambda: None

    @property
    def skew_ms(self) -> int:
        """How much later it is by the client's clock."""
        return self._skews[-1][1]

    def step_to(self, skew_ms: int) -> None:
        """Set the client's clock, forward or back; the monotonic one goes on."""
        self._skews.append((self._clock.now_ms(), skew_ms))

    def skews_ms(self, from_ms: int, until_ms: int) -> list[int]:
        """All that there were from one moment of the server's clock until another."""
        before = [skew for at_ms, skew in self._skews if at_ms <= from_ms]
        return [*before[-1:], *(skew for at_ms, skew in self._skews if from_ms < at_ms <= until_ms)]

    def now_ms(self) -> int:
        return self._clock.now_ms() + self.skew_ms

    def monotonic(self) -> float:
        return (self._clock.now_ms() - self._began_ms) / 1000

    async def sleep(self, seconds: float) -> None:
        self.pausing()
        self.move(max(seconds, 0.0))
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Sent:
    """When something first left for the server (its clock), and in which round of which apply."""

    ms: int
    round: int


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """`sent`: by `identity`, or label of an attempt. `cancels`: (workflow run id, round) asked for. `round` is
    counted by whoever applies. `late_ms`: how late a late request is. `told`: what happened, for those who read it;
    `happened` counts it. `under_way` is called when a request is about to leave."""

    server: LocalServer
    clock: ManualClock
    chance: Random
    late_ms: int
    mood: dict[Trouble, float] = field(default_factory=lambda: MOODS["calm"])
    round: int = 0
    sent: dict[str, Sent] = field(default_factory=dict)
    cancels: list[tuple[str, Sent]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    under_way: Callable[[], None] = lambda: None
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

    def likelier(self, mood: dict[Trouble, float]) -> dict[Trouble, float]:
        """A mood in which trouble that has not come yet is likelier, so that each world sees all that it has."""
        return {
            trouble: weight if trouble is Trouble.NONE or self.happened[trouble.value] else 5 * weight
            for trouble, weight in mood.items()
        }

    # --- requests ----------------------------------------------------------------------------------------------

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.move(self.chance.choice((0.004, 0.03, 0.4)))
        trouble = self.chance.choices(tuple(self.mood), tuple(self.mood.values()))[0]
        if (request.method == "GET" and trouble in _STUCK) or (not _is_batch(request) and trouble in _ODD):
            trouble = Trouble.NONE
        self.under_way()
        if trouble is not Trouble.NONE:
            self.happened[trouble.value] += 1
            self.told.append(f"{request.method} {request.url.path}: {trouble.value}")
        match trouble:
            case Trouble.REFUSED:
                raise httpx.ConnectError("refused")
            case Trouble.CRASH_BEFORE:
                raise Crash
            case Trouble.THROTTLED:
                return httpx.Response(429, headers={"Retry-After": "2"}, json={"error": "slow down"})
            case Trouble.ODDLY_REFUSED | Trouble.PARTLY_REFUSED:
                return self._refuse(request, trouble)
        self._note(request)
        if trouble in _STUCK:
            self.move(self.chance.choice((1.0, 8.0, 29.0)))
        if trouble in _ACTS_LATE and request.method != "GET":
            self._late.append((self.clock.now_ms() + self.late_ms, request))
        match trouble:
            case Trouble.LOST_BEFORE | Trouble.LOST_LATE:
                raise httpx.ReadError("reset")
            case Trouble.STUCK | Trouble.STUCK_LATE:
                raise httpx.WriteTimeout("timeout")
            case Trouble.CRASH_LATE | Trouble.CRASH_STUCK:
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

    def _refuse(self, request: httpx.Request, trouble: Trouble) -> httpx.Response:
        """The server's no to all runs of a batch, or to some."""
        items = json.loads(request.content)
        ids = [_run_id(item) for item in items]
        self.chance.shuffle(ids)
        bad = set(ids[: self.chance.randint(1, len(ids))])
        if trouble is Trouble.ODDLY_REFUSED:
            return httpx.Response(self.chance.choice((400, 412)), json={"error": odd_words(ids, self.chance)})
        if len(bad) == len(ids):
            return httpx.Response(201, json=[odd_item(_run_id(item), self.chance) for item in items])
        good = [item for item in items if _run_id(item) not in bad]
        passed = httpx.Request(
            request.method, request.url, headers={"Authorization": request.headers["Authorization"]}, json=good
        )
        self._note(passed)
        status, headers, body = self._forward(passed)
        if status >= 300:  # the server has something to say against the others
            return httpx.Response(status, headers=headers, content=body)
        taken = iter(json.loads(body))
        answer = [odd_item(_run_id(item), self.chance) if _run_id(item) in bad else next(taken) for item in items]
        date = {name: value for name, value in headers.items() if name not in ("content-length", "content-type")}
        return httpx.Response(status, headers=date, json=answer)

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
        if _is_batch(request):
            for item in json.loads(request.content):
                self.sent.setdefault(identity(_run_id(item), _labels(item)), now)
        elif path.startswith("/v2/workflows/dlq/resume"):
            for label in request.headers["upstash-label"].split(","):
                if ATTEMPT.fullmatch(label):
                    self.sent.setdefault(label, now)
        elif request.method == "DELETE" and path.startswith("/v2/workflows/runs"):
            named = [unquote(path.removeprefix("/v2/workflows/runs").strip("/"))]
            for text in request.url.params.get_list("workflowRunIds"):
                named += text.split(",")
            self.cancels += [(run_id, now) for run_id in named if run_id]


def _is_batch(request: httpx.Request) -> bool:
    return request.url.path == "/v2/batch/trigger"


def _run_id(item: dict[str, Any]) -> str:
    """The workflow run id that an item of a batch asks for."""
    return _header(item, "upstash-workflow-runid")


def _labels(item: dict[str, Any]) -> list[str]:
    return _header(item, "upstash-label").split(",")


def _header(item: dict[str, Any], wanted: str) -> str:
    headers: dict[str, str] = item["headers"]
    return next(value for name, value in headers.items() if name.lower() == wanted)
