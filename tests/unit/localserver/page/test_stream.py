"""Open pages are told that something changed."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api
from wfdeploy.localserver.page import routes


@contextlib.contextmanager
def listening(server: LocalServer) -> Iterator[Iterator[dict[str, Any]]]:
    """The events, as a browser gets them: with the token in the address."""
    with (
        httpx.Client(base_url=server.url, trust_env=False, timeout=10) as http,
        http.stream("GET", "/-/events", params={"qstash_token": server.token}) as answer,
    ):
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))


def test_the_numbers_of_the_header(server: LocalServer, api: Api) -> None:
    server.faults.hold_deliveries = True
    api.trigger("wfr_a", "wfr_b")
    with listening(server) as events:
        first = next(events)
        assert (first["inProgress"], first["deadLetters"], first["serverId"]) == (2, 0, server.server_id)
        api.http.delete("/v2/workflows/runs/wfr_a")
        assert next(events)["inProgress"] == 1


def test_each_kind_of_change_is_told(server: LocalServer, api: Api) -> None:
    server.faults.hold_deliveries = True
    with listening(server) as events:
        seen = next(events)["change"]
        api.trigger("wfr_a")
        for method, path in (("POST", "/v2/flowControl/k/pause"), ("DELETE", "/v2/workflows/runs/wfr_a")):
            told = next(events)["change"]
            assert told > seen
            seen = told
            assert api.http.request(method, path).status_code == 200
        assert next(events)["change"] > seen


def test_many_changes_at_once_are_few_events(server: LocalServer, api: Api) -> None:
    server.faults.hold_deliveries = True
    with listening(server) as events:
        next(events)
        began = time.monotonic()
        for number in range(100):
            api.trigger(f"wfr_{number}")
        heard = 0
        for event in events:
            heard += 1
            if event["inProgress"] == 100:
                break
        assert heard <= (time.monotonic() - began) / routes.GAP_S + 2


def test_a_server_that_stops_waits_for_no_page() -> None:
    server = LocalServer().start()
    ended = threading.Event()
    open_ = threading.Event()

    def listen() -> None:
        with listening(server) as events:
            for _ in events:
                open_.set()
        ended.set()  # and no exception: the stream came to its end

    thread = threading.Thread(target=listen)
    thread.start()
    assert open_.wait(10)
    server.stop()
    assert ended.wait(10)
    thread.join()
