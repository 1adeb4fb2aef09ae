"""Limits of the hosted service's plans: sizes, delays, messages a day, requests a second."""

from __future__ import annotations

import dataclasses

import httpx
import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, api_for
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.runs.quotas import LOCAL, PLANS
from wfdeploy.localserver.tenants import TENANTS

NOWHERE = "http://127.0.0.1:9/wf"


@pytest.fixture
def server(timed_server: LocalServer) -> LocalServer:
    timed_server.faults.hold_deliveries = True
    return timed_server


@pytest.fixture
def api(server: LocalServer, timed_api: Api) -> Api:
    return timed_api


def limits(answer: httpx.Response, prefix: str = "RateLimit") -> tuple[int, int, int]:
    limit, remaining, reset = (int(answer.headers[f"{prefix}-{name}"]) for name in ("Limit", "Remaining", "Reset"))
    return limit, remaining, reset


def test_size_of_a_message(api: Api, server: LocalServer) -> None:
    server.faults.plan = dataclasses.replace(LOCAL, max_message_bytes=10)
    assert api.http.post(f"/v2/trigger/{NOWHERE}", content=b"x" * 10).status_code == 200
    answer = api.http.post(f"/v2/trigger/{NOWHERE}", content=b"x" * 11)
    assert (answer.status_code, set(answer.json())) == (413, {"error"})
    # In a batch it is the item's own trouble, counted in bytes.
    items = [{"destination": NOWHERE, "body": body} for body in ("x" * 10, "ü" * 6)]
    answer = api.http.post("/v2/batch/trigger", json=items)
    assert answer.status_code == 201
    assert [sorted(item) for item in answer.json()] == [["workflowCreatedAt", "workflowRunId"], ["error"]]


def test_delay_and_wait(api: Api, server: LocalServer) -> None:
    def statuses(days: str) -> list[int]:
        run = {"Upstash-Workflow-RunId": "wfr_a"}
        wait = {"step": {"stepId": 1}, "timeout": days}
        answers = [
            api.http.post(f"/v2/trigger/{NOWHERE}", headers={"Upstash-Delay": days}),
            api.http.post(f"/v2/wait/e{days}", json=wait, headers=run),
        ]
        return [answer.status_code for answer in answers]

    api.trigger("wfr_a")
    assert statuses("365d") == [200, 200]
    server.faults.plan = PLANS["free"]
    assert statuses("7d") == [200, 200]
    assert statuses("8d") == [412, 412]


def test_retries_beyond_reason(api: Api) -> None:
    """412, which the JavaScript SDK takes for final."""
    items = [{"destination": NOWHERE, "headers": {"Upstash-Retries": "999999"}}]
    assert api.http.post("/v2/batch", json=items).status_code == 412


def test_messages_of_a_day(api: Api, server: LocalServer, clock: ManualClock) -> None:
    clock.advance(86_400 - clock.now_ms() // 1000 % 86_400)  # to midnight
    server.faults.plan = dataclasses.replace(LOCAL, messages_per_day=3)
    midnight = clock.now_ms() // 1000 + 86_400
    answer = api.trigger("wfr_a", "wfr_b", "wfr_a", "wfr_c", "wfr_d")
    told = [item.get("workflowRunId") or item["error"] for item in answer.json()]
    # The repeated id made no new run, and cost nothing.
    assert told[:4] == ["wfr_a", "wfr_b", "wfr_a", "wfr_c"]
    assert "daily limit" in told[4]
    refused = api.http.post(f"/v2/trigger/{NOWHERE}")
    assert refused.status_code == 429
    assert limits(refused) == (3, 0, midnight)
    # Looking is not counted, and other users are not concerned.
    assert api.http.get("/v2/workflows/logs").status_code == 200
    with api_for(server, TENANTS[1].token) as other:
        assert other.post(f"/v2/trigger/{NOWHERE}").status_code == 200
    clock.advance(86_400)
    assert api.http.post(f"/v2/trigger/{NOWHERE}").status_code == 200


def test_what_was_used_is_known_after_a_restart(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a", "wfr_b")
    server.faults.plan = dataclasses.replace(LOCAL, messages_per_day=2)  # asks how many there were, as a new server
    assert api.http.post(f"/v2/trigger/{NOWHERE}").status_code == 429


def test_requests_of_a_second(api: Api, server: LocalServer, clock: ManualClock) -> None:
    server.faults.requests_per_second = 2
    second = clock.now_ms() // 1000 + 1
    first = api.http.get("/v2/workflows/logs")
    assert (first.status_code, limits(first, "Burst-RateLimit")) == (200, (2, 1, second))
    assert api.http.get("/v2/workflows/dlq").status_code == 200
    refused = api.http.get("/v2/flowControl")
    assert (refused.status_code, limits(refused, "Burst-RateLimit")) == (429, (2, 0, second))
    assert "RateLimit-Limit" not in refused.headers  # which would say that the day is over
    # Triggers, events and what the SDKs do for a run have no such limit.
    assert api.trigger("wfr_a").status_code == 201
    assert api.http.post("/v2/notify/e").status_code == 201
    assert api.http.get("/v2/workflows/runs/wfr_a").status_code == 200
    clock.advance(1)
    assert api.http.get("/v2/flowControl").status_code == 200
