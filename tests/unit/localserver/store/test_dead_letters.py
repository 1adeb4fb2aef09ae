"""Entries in the database: found by filters, page by page, and kept over a restart."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, Endpoint, Workflow, api_for
from wfdeploy.localserver.clock import ManualClock


def test_filters_and_pages(timed_api: Api, timed_server: LocalServer, clock: ManualClock, endpoint: Endpoint) -> None:
    workflow = Workflow(timed_api, endpoint)
    start = clock.now_ms()
    workflow.fail(timed_server, "wfr_a", Upstash_Label="x")
    clock.advance(10)
    workflow.healed = False
    workflow.fail(timed_server, "wfr_b", Upstash_Label="y", Upstash_Failure_Callback_Retries="0")

    def ids(**query: Any) -> list[str]:
        return [entry["workflowRunId"] for entry in workflow.entries(**query)]

    assert ids() == ["wfr_b", "wfr_a"]
    assert ids(label="x") == ["wfr_a"]
    assert ids(label=["x", "y"]) == ["wfr_b", "wfr_a"]
    assert ids(workflowUrl=endpoint.url) == ["wfr_b", "wfr_a"]
    assert ids(workflowUrl="http://127.0.0.1:9") == []
    assert ids(workflowRunId="wfr_b") == ["wfr_b"]
    assert ids(fromDate=start + 1) == ["wfr_b"]
    assert ids(toDate=start + 9_000) == ["wfr_a"]
    assert ids(workflowCreatedAt=timed_server.accepted("wfr_a")[0].created_at_ms) == ["wfr_a"]
    assert ids(failureFunctionState="CALLBACK_FAIL") == ["wfr_b", "wfr_a"]
    assert ids(failureFunctionState="CALLBACK_SUCCESS") == []
    assert ids(responseStatus="503", callerIp="127.0.0.1") == ["wfr_b", "wfr_a"]
    assert ids(responseStatus="500") == []
    assert ids(flowControlKey="k") == []
    first = timed_api.http.get("/v2/workflows/dlq", params={"count": 1}).json()
    assert [entry["workflowRunId"] for entry in first["messages"]] == ["wfr_b"]
    rest = timed_api.http.get("/v2/workflows/dlq", params={"count": 1, "cursor": first["cursor"]}).json()
    assert ([entry["workflowRunId"] for entry in rest["messages"]], rest["cursor"]) == (["wfr_a"], "")


def test_entries_survive_a_restart_of_the_server(tmp_path: Path, endpoint: Endpoint) -> None:
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        (entry,) = Workflow(Api(http), endpoint).fail(server, "wfr_a")
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        assert Workflow(Api(http), endpoint).entries() == [entry]


def test_database_of_the_first_version_is_taken_over(tmp_path: Path, endpoint: Endpoint) -> None:
    """A file as the first version left it: its failed runs become entries."""
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        (entry,) = Workflow(Api(http), endpoint).fail(server, "wfr_a")
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.executescript(
        "DROP TABLE dlq; DROP TABLE events; DROP TABLE flow_keys; DROP TABLE head;"
        "DROP INDEX messages_waiting; DROP INDEX messages_by_key;"
        "ALTER TABLE runs DROP COLUMN invoker; ALTER TABLE messages DROP COLUMN event_id;"
        "ALTER TABLE messages DROP COLUMN flow_key; PRAGMA user_version = 1;"
    )
    connection.close()
    with LocalServer(tmp_path / "x.db") as server, api_for(server) as http:
        assert Workflow(Api(http), endpoint).entries() == [entry]


def test_the_queue_has_no_filter_by_host_or_path(api: Api) -> None:
    """A filter that is not there must not end as all entries."""
    for query in ({"host": "127.0.0.1"}, {"path": "/wf"}):
        assert api.http.get("/v2/workflows/dlq", params=query).status_code == 400
        assert api.http.delete("/v2/workflows/dlq", params=query).status_code == 400
