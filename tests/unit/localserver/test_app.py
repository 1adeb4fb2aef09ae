"""The gate before the routes: who may ask, and what every answer carries."""

from __future__ import annotations

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api


def test_every_answer_names_the_server_and_its_log_lag(api: Api, server: LocalServer) -> None:
    server.faults.log_lag_s = 2.5
    for answer in (api.trigger("wfr_a"), httpx.get(server.url, trust_env=False), api.http.get("/nope")):
        assert answer.headers["Wfdeploy-Server-Id"] == server.server_id
        assert answer.headers["Wfdeploy-Log-Lag"] == "2.5"
        assert len(answer.headers.get_list("Date")) == 1
    server.faults.advertised_log_lag_s = 0
    assert api.trigger("wfr_a").headers["Wfdeploy-Log-Lag"] == "0"


def test_dates_follow_the_servers_clock(timed_api: Api, timed_server: LocalServer) -> None:
    timed_server.faults.hold_deliveries = True
    assert timed_api.trigger("wfr_a").headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"


def test_token_is_required(server: LocalServer) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {server.token}"}):
            answer = http.post("/v2/batch/trigger", json=[], headers=headers)
            assert (answer.status_code, set(answer.json())) == (401, {"error"})
        assert http.post("/v2/batch/trigger", json=[], params={"qstash_token": server.token}).status_code == 201
        assert http.get("/v2/keys", headers={"Authorization": f"bearer {server.token}"}).json() == {
            "current": "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r",
            "next": "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs",
        }


def test_unknown_path_and_method_answer_in_the_apis_form(api: Api) -> None:
    assert (api.http.get("/v2/nope").status_code, api.http.get("/v2/nope").json()) == (404, {"error": "not found"})
    assert api.http.get("/v2/batch/trigger").status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:8080"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost:8080", "Origin": "http://localhost:3000"}, 200),
        ({"Host": "[::1]"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}, 200),
    ],
)
def test_web_pages_have_no_access(api: Api, headers: dict[str, str], status: int) -> None:
    assert api.http.get("/v2/keys", headers=headers).status_code == status
