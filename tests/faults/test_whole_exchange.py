"""An exchange is bounded as a whole, and so is a listing, whatever a server makes of HTTP. Over real sockets."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fakes.chaos_server import Behaviour, ChaosServer, Exchange
from tests.fakes.raw_http import response
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.observed import ObservedRun
from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import DeadLetter, Item, Lost, TriggerReply
from wfdeploy.ports import Clock
from wfdeploy.upstash import client, reads
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.scrub import Scrubber

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "interim answers": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "chunk extensions": (HEAD + b"1;", b"a=b;"),
    "chunks with extensions": (HEAD, b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n \r\n"),
    "leading zeros": (HEAD, b"0"),
    "trailers": (HEAD + b"0\r\n", b"X: y\r\n"),
    "spaces": (HEAD, b"1\r\n \r\n"),
    "a body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "a body of a great length": (b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n", b" "),
}


class RealClock(Clock):
    def now_ms(self) -> int:
        return round(time.time() * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def endless(name: str, *, times: int, pause_s: float) -> Behaviour:
    begin, again = ENDLESS[name]

    async def behave(exchange: Exchange) -> None:
        await exchange.send(begin)
        while True:
            await exchange.send(again * times)
            await asyncio.sleep(pause_s)

    return behave


def ask(server: ChaosServer, use: Callable[[UpstashGateway], Any], *, wait_budget_s: float) -> Any:
    async def run() -> Any:
        gateway = UpstashGateway(
            server.url,
            "tok-2f7a9c1e5b",
            settings=ServerSettings(),
            clock=RealClock(),
            scrubber=Scrubber([]),
            wait_budget_s=wait_budget_s,
        )
        try:
            return await use(gateway)
        finally:
            await gateway.aclose()

    return asyncio.run(run())


def listing(server: ChaosServer, *, wait_budget_s: float) -> list[ObservedRun]:
    async def use(gateway: UpstashGateway) -> list[ObservedRun]:
        return [run async for page in gateway.list_runs(label="l", since_ms=None) for run in page.runs]

    runs = ask(server, use, wait_budget_s=wait_budget_s)
    assert isinstance(runs, list)
    return runs


def dead_letters(server: ChaosServer, *, wait_budget_s: float) -> list[DeadLetter]:
    async def use(gateway: UpstashGateway) -> list[DeadLetter]:
        return [one async for page in gateway.list_dead_letters(label="l", since_ms=None) for one in page]

    letters = ask(server, use, wait_budget_s=wait_budget_s)
    assert isinstance(letters, list)
    return letters


def trigger(server: ChaosServer, *, wait_budget_s: float) -> TriggerReply:
    async def use(gateway: UpstashGateway) -> TriggerReply:
        return await gateway.trigger([Item("wfr_1", b"{}")])

    reply = ask(server, use, wait_budget_s=wait_budget_s)
    assert not isinstance(reply, list)
    return reply  # type: ignore[no-any-return]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenths of seconds where there are tens of them."""
    monkeypatch.setattr(reads, "FREE_S", 0.1)
    monkeypatch.setattr(client, "FREE_S", 0.1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ENDLESS)
def test_what_drips_in_for_ever_is_given_up(name: str) -> None:
    with ChaosServer(otherwise=endless(name, times=1, pause_s=0.01)) as server:
        began = time.monotonic()
        assert isinstance(trigger(server, wait_budget_s=0.2), Lost)
        assert len(server.requests) == 1
        with pytest.raises(RemoteFailure, match="took too long") as raised:
            listing(server, wait_budget_s=0.2)
        assert time.monotonic() - began < 5
    assert "--timeout" in (raised.value.hint or "")
    assert len(server.requests) <= 3


@pytest.mark.parametrize("name", ENDLESS)
def test_what_rushes_in_for_ever_is_cut(name: str) -> None:
    with ChaosServer(otherwise=endless(name, times=10_000, pause_s=0.0)) as server:
        assert isinstance(trigger(server, wait_budget_s=60.0), Lost)


def test_a_server_that_is_silent_now_and_then_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often: each answer is given the time anew."""
    monkeypatch.setattr(reads, "FREE_S", 0.2)
    numbers = itertools.count()

    async def slow(exchange: Exchange) -> None:
        await asyncio.sleep(0.05)
        n = next(numbers)
        await exchange.send(response(200, {"runs": [entry(n)], "cursor": f"c{n}" if n < 12 else ""}))

    with ChaosServer(otherwise=slow) as server:
        assert len(listing(server, wait_budget_s=0.0)) == 13


# --- listings that have no end ----------------------------------------------------------------------------------------


def entry(n: int, **more: object) -> dict[str, object]:
    return {
        "workflowRunId": f"wfr_{n}",
        "workflowState": "RUN_STARTED",
        "workflowRunCreatedAt": 1000 + n,
        "workflowUrl": "https://app/wf",
        "labels": ["l"],
        **more,
    }


def pages(make: Callable[[int], list[dict[str, object]]], pause_s: float = 0.0) -> Behaviour:
    """Always another page, under another cursor."""
    numbers = itertools.count()

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(pause_s)
        n = next(numbers)
        entries = make(n)
        await exchange.send(response(200, {"runs": entries, "messages": entries, "cursor": f"c{n}"}))

    return behave


REPEATED: dict[str, Callable[[int], list[dict[str, object]]]] = {
    "nothing": lambda n: [],
    "one run": lambda n: [entry(1)],
    "three runs in turn": lambda n: [entry(n % 3)],
    "now something, now nothing": lambda n: [entry(1)] * (n % 2),
    "runs whose states change": lambda n: [entry(1, workflowRunCompletedAt=n)],
}


@pytest.mark.parametrize("name", REPEATED)
def test_pages_that_repeat_themselves_under_new_cursors_end(name: str) -> None:
    with ChaosServer(otherwise=pages(REPEATED[name])) as server, pytest.raises(RemoteFailure, match="pages repeat"):
        listing(server, wait_budget_s=60.0)
    assert len(server.requests) < 150


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", REPEATED)
def test_slow_ones_end_sooner(name: str) -> None:
    with (
        ChaosServer(otherwise=pages(REPEATED[name], pause_s=0.02)) as server,
        pytest.raises(RemoteFailure, match=r"nothing new|took too long"),
    ):
        listing(server, wait_budget_s=0.1)
    assert len(server.requests) < 15


def test_pages_of_ever_new_runs_end_where_memory_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "_MOST_BYTES", 30_000)
    new = pages(lambda n: [entry(10 * n + k) for k in range(10)])
    with ChaosServer(otherwise=new) as server, pytest.raises(RemoteFailure, match="larger than 30,000 bytes"):
        listing(server, wait_budget_s=60.0)
    assert len(server.requests) < 15


@pytest.mark.parametrize("field", ["workflowRunId", "workflowUrl", "labels", "dlqId"])
def test_large_entries_count_as_such(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setattr(reads, "_MOST_BYTES", 3_000_000)

    def large(n: int) -> list[dict[str, object]]:
        text = f"{n:07}" + "x" * 1_000_000
        return [entry(n, **{field: [text] if field == "labels" else text})]

    with ChaosServer(otherwise=pages(large)) as server, pytest.raises(RemoteFailure, match="than 3,000,000 bytes"):
        listing(server, wait_budget_s=60.0)
    assert len(server.requests) == 3


def test_pages_of_ever_new_dead_letters_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "_MOST_BYTES", 3_000)
    new = pages(lambda n: [{"dlqId": f"{n}-0", "workflowRunId": "wfr_1"}])
    with ChaosServer(otherwise=new) as server, pytest.raises(RemoteFailure, match="larger than 3,000 bytes"):
        dead_letters(server, wait_budget_s=60.0)


def test_a_listing_ends_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    hours: Iterator[int] = itertools.count()
    monkeypatch.setattr(RealClock, "monotonic", lambda _: 3600.0 * next(hours) / 10)
    new = pages(lambda n: [entry(n)])
    with ChaosServer(otherwise=new) as server, pytest.raises(RemoteFailure, match="within 24 hours"):
        listing(server, wait_budget_s=1e9)
    assert len(server.requests) < 100


def test_a_cursor_that_fits_into_no_url_is_refused() -> None:
    async def long(exchange: Exchange) -> None:
        await exchange.send(response(200, {"runs": [], "cursor": "c" * 100_000}))

    with ChaosServer(otherwise=long) as server, pytest.raises(RemoteFailure, match="100,000 characters"):
        listing(server, wait_budget_s=60.0)
