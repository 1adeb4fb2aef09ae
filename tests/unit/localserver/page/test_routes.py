"""The paths of the page: who gets it, what it may load, and the stream of what changes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api
from wfdeploy.localserver.page import routes
from wfdeploy.localserver.page.routes import PageDocument
from wfdeploy.localserver.tenants import DEFAULT_TENANT

DATA = ("/-/events", "/-/runs", "/-/run?id=x", "/-/dead-letters", "/-/queue?key=x")


def anonymous(server: LocalServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=10)


def test_a_browser_gets_the_page_without_a_token(server: LocalServer) -> None:
    with anonymous(server) as http:
        answer = http.get("/")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        found = re.search(r'id="config">(.*?)</script>', answer.text, re.DOTALL)
        assert found is not None
        config = json.loads(found[1])
        assert (config["token"], config["url"]) == (server.token, server.url)
        assert (config["demoUrl"], config["serverId"]) == (None, server.server_id)
        assert f"export QSTASH_URL='{server.url}'" in config["exports"]
        assert config["sdkSwitch"].endswith(f"QSTASH_DEV_PORT={server.url.rpartition(':')[2]}")
        assert http.head("/").status_code == 200
        assert http.post("/").status_code == 405


def test_it_asks_nobody_else_and_runs_nothing_else(server: LocalServer) -> None:
    with anonymous(server) as http:
        answer = http.get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    assert policy["script-src"] == f"'self' 'sha256-{digest}'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", DATA)
def test_what_it_shows_needs_the_token(server: LocalServer, path: str) -> None:
    with anonymous(server) as http:
        assert http.get(path).status_code == 401
        assert http.get(path, headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/-/assets/app.js", *DATA])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8080"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"},
    ],
    ids=str,
)
def test_no_other_site_gets_any_of_it(server: LocalServer, path: str, headers: dict[str, str]) -> None:
    """A name that was made to point here, or a page of another site, which has the published token too."""
    with anonymous(server) as http:
        answer = http.get(path, headers={**headers, "Authorization": f"Bearer {server.token}"})
    assert answer.status_code == 403
    assert server.token not in answer.text


@pytest.mark.parametrize("path", ["/", "/-/runs", "/v2/workflows/dlq/resume"])
def test_no_answer_lets_another_origin_read_it(server: LocalServer, path: str) -> None:
    """Not even a page of another port of this machine."""
    asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    with anonymous(server) as http:
        for answer in (http.options(path, headers=asked), http.get(path, headers=asked)):
            assert not [name for name in answer.headers if name.startswith("access-control")]


def test_nothing_in_the_page_ends_the_script_it_stands_in() -> None:
    html = PageDocument().html(
        url="http://localhost/</script><script>alert(1)//", tenant=DEFAULT_TENANT, demo_url=None, server_id="<!--"
    )
    assert "</script><script>alert" not in html
    assert "<!--" not in html


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
