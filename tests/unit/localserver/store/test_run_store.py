"""No statement that runs all the time reads a whole table, and a damaged time is reported as such."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.step_endpoint import StepEndpoint
from tests.support.day_of_workflows import Third, check, drive
from tests.support.local_server import LocalServer
from wfdeploy.errors import StateUnusable
from wfdeploy.localserver.clock import ManualClock
from wfdeploy.localserver.store import database
from wfdeploy.localserver.store.records import DeliverySettings, RunState
from wfdeploy.localserver.store.run_store import RunStore
from wfdeploy.localserver.tenants import DEFAULT_TENANT
from wfdeploy.testing.apps import serving

WRITING = ("UPDATE", "DELETE", "INSERT", "REPLACE")


WORDS = ("SELECT", *WRITING)


def test_statements_find_their_rows_by_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: set[str] = set()
    outside: set[str] = set()  # written in no transaction of ours, so without the head
    whole = database.open_database

    def traced(path: Path | None) -> sqlite3.Connection:
        connection = whole(path)

        def note(statement: str) -> None:
            statements.add(statement)
            if statement.startswith(WRITING) and not connection.in_transaction:
                outside.add(statement)

        connection.set_trace_callback(note)
        return connection

    monkeypatch.setattr(database, "open_database", traced)
    clock = ManualClock(int(time.time() * 1000), real_endpoints=True)
    with LocalServer(tmp_path / "x.db", clock=clock) as server:
        endpoint = StepEndpoint(lambda: server.url, DEFAULT_TENANT.token)
        with serving(Third(endpoint)) as url:
            drive(server, clock, endpoint, url)
        endpoint.close()
    check(tmp_path / "x.db")

    plans: dict[str, list[str]] = {}
    connection = sqlite3.connect(tmp_path / "x.db")
    for statement in statements:
        # The newest so many rows of a list are read from its end; the operator's own look is not the server's.
        if statement.startswith(WORDS) and "LIMIT" not in statement and "SELECT EXISTS" not in statement:
            plans[statement] = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    connection.close()
    assert len(plans) > 100
    whole_tables = {
        statement: step
        for statement, steps in plans.items()
        for step in steps
        if step.startswith("SCAN") and "INDEX" not in step and "json_each" not in step and "CONSTANT" not in step
    }
    assert whole_tables == {}
    assert outside == set()


@pytest.mark.parametrize("time", ["9e999", "'soon'"])
def test_a_time_that_is_no_time_is_damage(tmp_path: Path, time: str) -> None:
    path = tmp_path / "local.db"
    with closing(database.open_database(path)) as connection:
        store = RunStore(connection)
        with store.transaction():
            store.add_run(
                tenant=DEFAULT_TENANT.name, run_id="wfr_a", url="http://127.0.0.1:9/x", state=RunState.STARTED,
                created_at=1, starts_at=1, caller_ip="127.0.0.1", labels=(), payload=b"{}", settings=DeliverySettings(),
            )  # fmt: skip
        with store.transaction():
            connection.execute(f"UPDATE runs SET created_at = {time}")
        with pytest.raises(StateUnusable, match="is damaged"), database.reading(path):
            store.latest_ms()
