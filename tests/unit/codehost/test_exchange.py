"""Requests to a code host over real sockets: what is waited for, what is tried again, and what ends the command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from tests.fakes.code_hosts import TOKEN, GitHubServer, Intervention, drop, refuse
from tests.fakes.manual_clock import ManualClock
from tests.fakes.raw_http import response
from wfdeploy.codehost import exchange
from wfdeploy.codehost.exchange import Address, Answer, Exchange
from wfdeploy.errors import CommentRefused, RemoteFailure
from wfdeploy.model.event import Event, Waiting

PATH = "/repos/acme/shop/pulls/42"
DATE = "Mon, 23 Nov 2026 14:00:00 GMT"
RESET = "1795442430"
"""Half a minute later."""


class Asked:
    """What became of a request, and the waits for it."""

    def __init__(self, *interventions: Intervention, once: bool = False, budget_s: float = 300.0) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        with GitHubServer() as server:
            server.instead("GET", *interventions)
            self.answer = asyncio.run(self._ask(server.url, once, budget_s))
            self.requests = len(server.requests)

    async def _ask(self, url: str, once: bool, budget_s: float) -> Answer | None:
        address = Address("GitHub", url, {"authorization": f"Bearer {TOKEN}"}, TOKEN, "a hint")
        asking = Exchange(address, clock=self.clock, listener=self.events.append, budget_s=budget_s, timeout_s=0.3)
        async with aclosing(asking):
            return await (asking.once if once else asking.request)("GET", PATH)


def test_an_answer_is_read_and_nothing_is_waited_for() -> None:
    asked = Asked()
    assert asked.answer is not None
    assert (asked.answer.status, asked.answer.value["number"], asked.clock.sleeps) == (200, 42, [])


@pytest.mark.parametrize(
    ("intervention", "wait_s"),
    [
        (refuse(429, headers={"Retry-After": "7"}), 8),
        (refuse(403, "You have exceeded a secondary rate limit", {"Retry-After": "30"}), 31),
        (refuse(403, headers={"Date": DATE, "x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}), 31),
        (refuse(429, headers={"Date": DATE, "RateLimit-Remaining": "0", "RateLimit-Reset": RESET}), 31),
        (refuse(403, "You have exceeded a secondary rate limit."), 60),
        (refuse(429, headers={"Date": DATE, "x-ratelimit-remaining": "3", "x-ratelimit-reset": RESET}), 60),
        (refuse(502), 1),
        (refuse(503, headers={"Retry-After": "5"}), 5),
        (drop, 1),
        (lambda _s, _r: response(200, "<html>"), 1),
    ],
)
def test_what_passes_is_waited_for(intervention: Intervention, wait_s: float) -> None:
    asked = Asked(intervention)
    assert asked.answer is not None
    assert asked.clock.sleeps == [wait_s]
    assert [event.seconds for event in asked.events if isinstance(event, Waiting)] == [wait_s]


def test_an_answer_that_never_ends_is_given_up() -> None:
    async def hang(_server: object, _request: object) -> bytes | None:
        await asyncio.sleep(60)
        return None

    asked = Asked(hang)
    assert asked.answer is not None
    assert asked.clock.sleeps == [1]


def test_limits_without_a_time_are_waited_for_longer_each_time() -> None:
    assert Asked(*[refuse(429)] * 2).clock.sleeps == [60, 120]


def test_failures_are_tried_again_a_few_times() -> None:
    with pytest.raises(RemoteFailure, match="GitHub answered 500, 6 times"):
        Asked(*[refuse(500)] * 10)


def test_a_longer_wait_than_allowed_ends_the_command() -> None:
    with pytest.raises(RemoteFailure, match="rate limit of GitHub: it would take 3601 s") as caught:
        Asked(refuse(403, headers={"Retry-After": "3600"}))
    assert "--timeout" in (caught.value.hint or "")


def test_a_request_for_once_is_not_repeated() -> None:
    asked = Asked(refuse(429, headers={"Retry-After": "7"}), once=True)
    assert (asked.answer, asked.requests, asked.clock.sleeps) == (None, 1, [8])


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (401, RemoteFailure, "doesn't accept the token"),
        (403, CommentRefused, "doesn't permit this .403.: Resource not accessible"),
        (422, RemoteFailure, "refused the request .422.: Resource"),
        (307, RemoteFailure, "redirects are not followed"),
    ],
)
def test_a_refusal_is_an_error(status: int, kind: type[RemoteFailure], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        Asked(refuse(status, "Resource not accessible by integration", {"Location": "http://127.0.0.1:9/"}))
    assert type(caught.value) is kind


@pytest.mark.parametrize("said", [f"no {TOKEN}\n::error::x", {"note": [TOKEN]}, [TOKEN], None, 7])
def test_no_message_holds_the_token_or_breaks_its_line(said: object) -> None:
    with pytest.raises(RemoteFailure) as caught:
        Asked(lambda _s, _r: response(400, {"message": said, "errors": [said]}))
    assert TOKEN not in caught.value.message
    assert "\n" not in caught.value.message


def test_an_answer_is_limited_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_LONGEST_ANSWER", 1000)
    with pytest.raises(RemoteFailure, match="larger than"):
        Asked(lambda _s, _r: response(200, "[" + " " * 2000 + "]"))


def test_nothing_of_the_address_shows_the_token() -> None:
    show: Callable[[object], str] = repr
    assert TOKEN not in show(Address("GitHub", "https://h", {"authorization": TOKEN}, TOKEN, ""))
