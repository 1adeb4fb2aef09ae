"""Ending runs: cancel one, cancel many, finish."""

from __future__ import annotations

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api


@pytest.fixture(autouse=True)
def _hold(server: LocalServer) -> None:
    server.faults.hold_deliveries = True


def test_cancel_ends_a_run(api: Api) -> None:
    api.trigger("wfr_a")
    assert api.http.delete("/v2/workflows/runs/wfr_a").status_code == 200
    assert api.state("wfr_a") == "RUN_CANCELED"
    assert api.http.delete("/v2/workflows/runs/wfr_a").status_code == 200
    assert api.http.delete("/v2/workflows/runs/wfr_unknown").status_code == 404


def test_finish_keeps_the_result(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a")
    assert (
        api.http.request("DELETE", "/v2/workflows/runs/wfr_a?cancel=false", content=b'{"ok":true}').status_code == 200
    )
    run = api.logs()["runs"][0]
    assert (run["workflowState"], run["workflowRunResponse"]) == ("RUN_SUCCESS", '{"ok":true}')
    assert run["workflowRunCompletedAt"] >= run["workflowRunCreatedAt"]
    # An end is final, and saying it twice is no error (an SDK may be called twice).
    api.http.delete("/v2/workflows/runs/wfr_a")
    assert server.accepted("wfr_a")[0].state == "RUN_SUCCESS"


def test_step_list_is_for_running_runs(api: Api, server: LocalServer) -> None:
    api.trigger("wfr_a")
    assert [set(entry) for entry in api.http.get("/v2/workflows/runs/wfr_a").json()] == [
        {"messageId", "body", "callType"}
    ]
    server.end("wfr_a")
    assert api.http.get("/v2/workflows/runs/wfr_a").status_code == 404


def cancelled(api: Api, server: LocalServer, **query: str | list[str]) -> list[str]:
    """The ids that a bulk cancel with this query ends."""
    answer = api.http.delete("/v2/workflows/runs", params=query)
    assert answer.status_code == 200
    ended = [run.run_id for run in server.accepted() if run.state == "RUN_CANCELED"]
    assert answer.json() == {"cancelled": len(ended)}
    return ended


@pytest.mark.parametrize(
    ("query", "ended"),
    [
        ({"workflowRunIds": "wfr_a,wfr_c,wfr_unknown"}, ["wfr_a", "wfr_c"]),
        ({"workflowRunIds": ["wfr_a", "wfr_b"], "label": "z"}, ["wfr_a", "wfr_b"]),
        ({"workflowUrl": "http://127.0.0.1:9/on"}, ["wfr_a", "wfr_b"]),
        ({"workflowUrl": "http://127.0.0.1:9/on", "workflowUrlExactMatch": "true"}, []),
        ({"workflowUrl": "http://127.0.0.1:9/o%"}, []),
        ({"host": "127.0.0.1:9", "path": "/one"}, ["wfr_a", "wfr_b"]),
        ({"host": "example.com"}, []),
        ({"label": "x"}, ["wfr_a"]),
        ({"label": ["x", "y"]}, ["wfr_a", "wfr_b"]),
        ({"label": "x", "workflowUrl": "http://127.0.0.1:9/two"}, []),
        ({"toDate": "1"}, []),
        ({"count": "2"}, ["wfr_a", "wfr_b"]),
        ({}, ["wfr_a", "wfr_b", "wfr_c"]),
    ],
)
def test_bulk_cancel(api: Api, server: LocalServer, query: dict[str, str | list[str]], ended: list[str]) -> None:
    api.trigger("wfr_a", url="http://127.0.0.1:9/one", Upstash_Label="x")
    api.trigger("wfr_b", url="http://127.0.0.1:9/one", Upstash_Label="y")
    api.trigger("wfr_c", url="http://127.0.0.1:9/two")
    api.trigger("wfr_done")
    server.end("wfr_done")
    assert cancelled(api, server, **query) == ended
