"""States of older versions: brought up to date, or read as they are."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.contracts.test_state_store import BINDING, attempt, record
from tests.unit.state.conftest import settled
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Forget, Observe, PutAttempt, PutRecord, SetHead
from wfdeploy.model.observed import RunState
from wfdeploy.model.state import AttemptStatus
from wfdeploy.state.rows import attempt_to_plain
from wfdeploy.state.sqlite_store import SqliteStore

OPEN = attempt("g/c")._replace(
    status=AttemptStatus.UNKNOWN, delay_s=5, explicit_id=True, by='{"host":"h"}', error="a timeout"
)


def without_notifications(connection: sqlite3.Connection) -> None:
    """As before version 12."""
    for table in ("notifications", "notified"):
        connection.execute(f"DROP TABLE {table}")


def as_version_5(connection: sqlite3.Connection) -> None:
    """What an older wfdeploy left: the details found by their address, each with its whole request."""
    connection.execute(
        """CREATE TABLE details_5 (
            address TEXT PRIMARY KEY,
            origin TEXT NOT NULL,
            created_at_ms INTEGER,
            recorded_at_ms INTEGER NOT NULL,
            by_id INTEGER NOT NULL,
            source TEXT NOT NULL,
            request TEXT NOT NULL,
            run_state TEXT,
            observed_at_ms INTEGER,
            tries INTEGER NOT NULL DEFAULT 0,
            completed_at_ms INTEGER,
            dlq_id TEXT,
            handled INTEGER NOT NULL DEFAULT 0,
            triggered_id TEXT NOT NULL DEFAULT ''
        ) STRICT, WITHOUT ROWID"""
    )
    connection.execute(
        "INSERT INTO details_5 SELECT address, origin, created_at_ms, recorded_at_ms, by_id, source, "
        "request || coalesce(e.value, ''), run_state, observed_at_ms, tries, completed_at_ms, dlq_id, handled, "
        "triggered_id FROM details d LEFT JOIN request_ends e ON e.id = d.end_id"
    )
    for table in ("details", "request_ends", "flights"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("ALTER TABLE details_5 RENAME TO details")
    connection.execute(
        "CREATE INDEX details_by_state ON details (run_state, address) WHERE run_state IS NOT 'RUN_SUCCESS'"
    )
    connection.execute("ALTER TABLE records DROP COLUMN details_id")
    connection.execute("ALTER TABLE unclaimed DROP COLUMN dismissed_for")
    connection.execute("ALTER TABLE rollouts DROP COLUMN steps")
    without_notifications(connection)
    connection.execute("PRAGMA user_version = 5")


def test_that_another_runner_was_seen_gets_a_time(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([SetHead(watermark_ms=7)])
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO head VALUES ('shared', 1)")
    connection.execute("ALTER TABLE unclaimed DROP COLUMN dismissed_for")
    connection.execute("ALTER TABLE rollouts DROP COLUMN steps")
    without_notifications(connection)
    connection.execute("PRAGMA user_version = 6")
    connection.commit()
    connection.close()
    with SqliteStore.open_existing(path, BINDING) as store:
        assert store.head().foreign_ms == 7


def test_when_attempts_ended_is_forgotten_where_this_machines_clock_told_it(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([PutAttempt(OPEN._replace(ended_at_ms=7))])
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE rollouts DROP COLUMN steps")
    without_notifications(connection)
    connection.execute("PRAGMA user_version = 8")
    connection.commit()
    connection.close()
    with SqliteStore.open_existing(path, BINDING) as store:
        assert list(store.attempts()) == [OPEN]


def as_version_1(path: Path) -> None:
    """What the first wfdeploy left: the same without tallies, its attempts as JSON, no word of how runs do."""
    with SqliteStore.open_existing(path, BINDING) as store:
        attempts = list(store.attempts())
    connection = sqlite3.connect(path)
    as_version_5(connection)
    for table in ("tallies", "schedules", "rollouts", "rollout_members"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("DROP INDEX details_by_state")
    for column in ("tries", "completed_at_ms", "dlq_id", "handled", "triggered_id"):
        connection.execute(f"ALTER TABLE details DROP COLUMN {column}")
    connection.execute("ALTER TABLE unclaimed DROP COLUMN label")
    connection.execute("DROP TABLE attempts")
    connection.execute("CREATE TABLE attempts (address TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID")
    connection.executemany(
        "INSERT INTO attempts VALUES (?, ?)", [(one.address, json.dumps(attempt_to_plain(one))) for one in attempts]
    )
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def test_details_get_numbers(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([settled(["g/e", "g/b", "h/a"]), PutAttempt(OPEN)])
        store.commit([Observe(Address("g/e"), RunState.FAILED, 5, dlq_id="1-1"), Forget(Address("h/a"))])
        before = [list(store.records()), list(store.standings([None, RunState.FAILED])), list(store.attempts())]
        history = store.history(None)
    connection = sqlite3.connect(path)
    as_version_5(connection)
    connection.commit()
    connection.close()
    with SqliteStore.open_existing(path, BINDING) as store:
        assert [list(store.records()), list(store.standings([None, RunState.FAILED])), list(store.attempts())] == before
        assert store.history(None) == history
        store.commit([settled(["g/c", "g/a0"])])
        assert [one.address for one in store.records()] == ["g/a", "g/a0", "g/b", "g/c", "g/e"]
        assert {one.request for one in store.records()} == {"", '{"body":1,"retries":3}'}


def test_an_older_state_is_brought_up_to_date(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([PutRecord(record("g/b")), PutRecord(record("h/a")), PutAttempt(OPEN)])
        tallies = store.tallies()
    as_version_1(path)
    with SqliteStore.open_existing(path, BINDING) as store:
        assert store.tallies() == tallies
        assert list(store.attempts()) == [OPEN]
        assert tallies["g"].count == 2


def test_an_older_state_can_be_read_without_a_change(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([PutAttempt(OPEN)])
    as_version_1(path)
    before = path.read_bytes()
    with SqliteStore.open_existing(path, BINDING, readonly=True) as store:
        assert {name: tally.count for name, tally in store.tallies().items()} == {"g": 1}
        assert [standing.address for standing in store.standings([None])] == ["g/a"]
        assert [key.address for key in store.record_keys()] == ["g/a"]
        assert list(store.attempts()) == [OPEN]
    assert path.read_bytes() == before
