"""Rows written by the thousand."""

from __future__ import annotations

from pathlib import Path

from tests.contracts.test_state_store import BINDING
from tests.unit.state.conftest import settled
from wfdeploy.state.sqlite_store import SqliteStore


def test_the_end_of_many_requests_is_kept_once(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([settled(["g/b", "g/c"])])
        assert [one.request for one in store.records(["g/b", "g/c"])] == ['{"body":1,"retries":3}'] * 2
        rows = store._connection.execute("SELECT request, value FROM details JOIN request_ends e ON e.id = end_id")
        assert rows.fetchall() == [('{"body":1', ',"retries":3}')] * 2
