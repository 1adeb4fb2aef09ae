"""Listings, over real sockets: patient, bounded, and never half a listing passed off as a whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fakes import chaos_server as chaos
from tests.fakes.chaos_server import BeforeReading, Behaviour, ChaosServer, Exchange
from tests.fakes.manual_clock import ManualClock
from tests.fakes.raw_http import response
from tests.unit.upstash.asking import DATE, PATIENT, QUICK, TOKEN, entry, listing, logs, with_gateway
from wfdeploy.errors import RemoteFailure
from wfdeploy.model.event import Event, Waiting
from wfdeploy.model.observed import RunState
from wfdeploy.model.project import ServerSettings
from wfdeploy.model.remote import RunPage
from wfdeploy.upstash.client import UpstashGateway
from wfdeploy.upstash.endpoint import HOSTED_URL, US_URL

DATE_MS = 1_795_442_400_000


def test_pages_are_followed_to_the_last() -> None:
    heard: list[Event] = []
    with ChaosServer([logs([entry(1), entry(2)], "c1"), logs([entry(3)], "c2"), logs([])]) as server:
        pages = listing(server, since_ms=777, listener=heard.append)
    assert [[run.workflow_run_id for run in page.runs] for page in pages] == [["wfr_1", "wfr_2"], ["wfr_3"], []]
    assert [page.last for page in pages] == [False, False, True]
    assert {page.server_time_ms for page in pages} == {DATE_MS}
    assert pages[0].runs[0].state is RunState.STARTED
    assert heard == []
    first, second, _ = (parse_qs(urlsplit(request.target).query) for request in server.requests)
    assert first == {
        "groupBy": ["workflowRunId"],
        "label": ["wfdeploy.p.e"],
        "count": ["10"],
        "trimBody": ["-1"],
        "fromDate": ["777"],
    }
    assert second == {**first, "cursor": ["c1"]}
    assert {request.path for request in server.requests} == {"/v2/workflows/logs"}


def test_a_listing_can_go_on_where_another_one_was() -> None:
    async def use(gateway: UpstashGateway) -> list[RunPage]:
        return [page async for page in gateway.list_runs(label="l", since_ms=None, cursor="c1")]

    with ChaosServer([logs([entry(2)], "c2"), logs([entry(3)])]) as server:
        pages = with_gateway(server, use)
    assert [page.next_cursor for page in pages] == ["c2", ""]
    assert [parse_qs(urlsplit(request.target).query)["cursor"] for request in server.requests] == [["c1"], ["c2"]]


def test_without_a_date_the_server_time_is_unknown() -> None:
    with ChaosServer([logs([], headers={"X-A": "b"})]) as server:
        (page,) = listing(server)
    assert page.server_time_ms is None
    assert "fromDate" not in server.requests[0].target


TROUBLE: dict[str, Behaviour | BeforeReading] = {
    "500": chaos.answer(500, {"error": "boom"}),
    "502": chaos.answer(502, "<h1>Bad Gateway</h1>"),
    "408": chaos.answer(408),
    "reset": BeforeReading(),
    "closed": chaos.drop(act=False),
    "silent": chaos.hang(act=False),
    "not json": chaos.answer(200, "<html>"),
    "half": chaos.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"runs":[', act=False),
    "a run without an id": logs([{**entry(1), "workflowRunId": None}]),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_a_read_is_asked_again_after(name: str) -> None:
    clock = ManualClock()
    settings = ServerSettings(read_timeout_s=1.0) if name == "silent" else PATIENT
    with ChaosServer([TROUBLE[name], TROUBLE[name], logs([entry(1)])]) as server:
        (page,) = listing(server, clock=clock, settings=settings)
    assert len(page.runs) == 1
    assert clock.sleeps == [0.2, 0.4]


@pytest.mark.parametrize("name", TROUBLE)
def test_but_not_for_ever(name: str) -> None:
    with ChaosServer([TROUBLE[name]] * 6) as server, pytest.raises(RemoteFailure, match="listing runs failed 5 times"):
        listing(server, settings=QUICK)


def test_a_listing_that_fails_half_way_never_says_it_was_whole() -> None:
    pages: list[RunPage] = []

    async def use(gateway: UpstashGateway) -> None:
        async for page in gateway.list_runs(label="l", since_ms=None):
            pages.append(page)  # noqa: PERF401 - what came before the failure is the point

    with ChaosServer([logs([entry(1)], "c1"), chaos.answer(401)]) as server, pytest.raises(RemoteFailure) as raised:
        with_gateway(server, use, token_source="MY_TOKEN")
    assert [page.last for page in pages] == [False]
    assert "MY_TOKEN" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("status", "hint"), [(400, None), (403, "QSTASH_TOKEN"), (404, "--url"), (302, "--url"), (410, None)]
)
def test_a_refused_listing_stops_at_once(status: int, hint: str | None) -> None:
    with (
        ChaosServer([chaos.answer(status, {"error": f"because {TOKEN}"})]) as server,
        pytest.raises(RemoteFailure, match="because") as raised,
    ):
        listing(server)
    assert len(server.requests) == 1
    assert TOKEN not in raised.value.message
    assert (hint or "") in (raised.value.hint or "")


def test_rate_limits_are_waited_out() -> None:
    clock, heard = ManualClock(), list[Event]()
    limits = [chaos.answer(429, b"", {"Burst-RateLimit-Reset": str(DATE_MS // 1000 + 3), "Date": DATE})] * 8
    with ChaosServer([*limits, logs([entry(1)])]) as server:
        listing(server, clock=clock, listener=heard.append)
    assert clock.sleeps == [3.0] * 4 + [3.2] + [5.0] * 3
    assert sum(isinstance(event, Waiting) for event in heard) == 8


def test_a_limit_that_says_now_and_means_it_not_is_left_in_peace() -> None:
    clock = ManualClock()
    with ChaosServer([chaos.answer(429, b"", {"Retry-After": "0"})] * 3 + [logs([])]) as server:
        listing(server, clock=clock)
    assert clock.sleeps == [0.2, 0.4, 0.8]


def test_the_budget_for_waiting_is_the_listings_and_not_each_pages() -> None:
    limit = chaos.answer(429, {"error": "slow down"}, {"Retry-After": "40"})
    with (
        ChaosServer([limit, logs([entry(1)], "c1"), limit, logs([entry(2)], "c2"), limit]) as server,
        pytest.raises(RemoteFailure, match="40 s more") as raised,
    ):
        listing(server, wait_budget_s=100.0)
    assert "--timeout" in (raised.value.hint or "")
    assert len(server.requests) == 5


def test_the_daily_limit_ends_a_listing_with_the_time_at_which_it_ends() -> None:
    headers = {"RateLimit-Limit": "1000", "RateLimit-Reset": str(DATE_MS // 1000 + 36_000), "Date": DATE}
    with (
        ChaosServer([chaos.answer(429, {"error": "too many"}, headers)]) as server,
        pytest.raises(RemoteFailure) as err,
    ):
        listing(server)
    assert "listing runs: the account's daily limit is used up until 2026-11-24 00:00 UTC" in err.value.message
    assert err.value.hint is not None
    assert "--timeout" not in err.value.hint


@pytest.mark.parametrize(
    ("region", "urls"),
    [
        (" (eu-central-1)", {US_URL}),
        (" (us-east-1)", {HOSTED_URL}),
        (" (ap-south-1)", {US_URL, HOSTED_URL}),
        ("", {US_URL, HOSTED_URL}),
    ],
)
def test_a_listing_with_a_token_of_another_region_names_the_right_one(region: str, urls: set[str]) -> None:
    refused = chaos.answer(404, {"error": f"user (4f-1) not found in this region{region}. Check the endpoint."})
    with ChaosServer([refused]) as server, pytest.raises(RemoteFailure) as err:
        listing(server)
    assert err.value.hint is not None
    assert {url for url in (US_URL, HOSTED_URL) if f"{url} " in f"{err.value.hint} "} == urls


def test_cursors_that_go_round_are_noticed() -> None:
    script = [logs([entry(1)], "c1"), logs([entry(2)], "c2"), logs([entry(1)], "c1")]
    with ChaosServer(script) as server, pytest.raises(RemoteFailure, match="pages repeat"):
        listing(server)


@pytest.mark.parametrize("runs", [[], [entry(1)]])
def test_pages_that_bring_nothing_new_end(runs: list[dict[str, Any]]) -> None:
    async def ever_on(exchange: Exchange) -> None:
        await exchange.send(response(200, {"runs": runs, "cursor": f"c{len(exchange.server.requests)}"}))

    with ChaosServer(otherwise=ever_on) as server, pytest.raises(RemoteFailure, match="pages repeat"):
        listing(server)
    assert len(server.requests) < 150


def test_an_endless_page_is_cut() -> None:
    endless = chaos.raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (9 << 20), act=False)
    with ChaosServer([endless] * 5) as server, pytest.raises(RemoteFailure, match="larger than"):
        listing(server)


# --- dead letters -------------------------------------------------------------------------------------------------


def letters(*run_ids: str, cursor: str = "") -> Behaviour:
    entries = [{"dlqId": f"{number}-0", "workflowRunId": run_id} for number, run_id in enumerate(run_ids)]
    return chaos.answer(200, {"messages": entries, "cursor": cursor})


def dead_letters(server: ChaosServer, **more: Any) -> list[list[str]]:
    async def use(gateway: UpstashGateway) -> list[list[str]]:
        pages = gateway.list_dead_letters(label="wfdeploy.p.e", since_ms=777)
        return [[letter.workflow_run_id for letter in page] async for page in pages]

    found = with_gateway(server, use, **more)
    assert isinstance(found, list)
    return found


def test_pages_of_dead_letters_are_followed_to_the_last() -> None:
    with ChaosServer([letters("wfr_1", "wfr_2", cursor="c1"), chaos.answer(503), letters("wfr_3")]) as server:
        assert dead_letters(server) == [["wfr_1", "wfr_2"], ["wfr_3"]]
    first, _, last = (parse_qs(urlsplit(request.target).query) for request in server.requests)
    assert first == {"label": ["wfdeploy.p.e"], "count": ["100"], "fromDate": ["777"]}
    assert last == {**first, "cursor": ["c1"]}
    assert {request.path for request in server.requests} == {"/v2/workflows/dlq"}


def test_pages_of_dead_letters_that_go_round_are_noticed() -> None:
    script = [letters("wfr_1", cursor="c1"), letters("wfr_2", cursor="c1"), letters("wfr_1")]
    with ChaosServer(script) as server, pytest.raises(RemoteFailure, match="pages repeat"):
        dead_letters(server)


@pytest.mark.parametrize("status", [401, 404])
def test_dead_letters_may_be_refused(status: int) -> None:
    with ChaosServer([chaos.answer(status)]) as server, pytest.raises(RemoteFailure, match="listing dead letters"):
        dead_letters(server)
