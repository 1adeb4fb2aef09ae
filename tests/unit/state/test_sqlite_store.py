"""The SQLite file: what it is bound to, and every way in which it can be unusable."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING, attempt, record
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Forget, Observe, PutAttempt, PutRecord, RecordOutcomes, SetHead
from wfdeploy.model.observed import RunState
from wfdeploy.model.state import AttemptStatus, Binding, Origin
from wfdeploy.state.rows import attempt_to_plain
from wfdeploy.state.schema import VERSION
from wfdeploy.state.sqlite_store import SqliteStore, standings_query


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "state.db"
    with SqliteStore.create(file, BINDING) as store:
        store.commit([PutRecord(record("g/a"))])
    return file


def test_the_file_is_the_users_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_closed_state_is_one_file(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["state.db"]


def test_creating_over_a_file_fails_and_leaves_it(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(StateUnusable):
        SqliteStore.create(path, BINDING)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["state.db"]


def test_a_foreign_state_is_refused_by_name(path: Path) -> None:
    with pytest.raises(StateUnusable, match=r"belongs to project p, environment e, server http://s, not to project q"):
        SqliteStore.open_existing(path, Binding("q", "e", "http://s"))


LOCAL = Binding("p", "local", "local:1", "1/3")


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        (LOCAL._replace(shard="1/4"), "give --shard as it was"),
        (LOCAL._replace(shard=""), "give --shard as it was"),
        (LOCAL._replace(server="local:2"), "the local server's database was replaced"),
        (LOCAL._replace(server="local:2", shard="1/4"), "the local server's database was replaced"),
        (LOCAL._replace(project="q"), "the project got another name"),
        (Binding("p", "e", "http://s", "1/4"), "choose the environment it was made for"),
    ],
)
def test_the_way_out_is_that_of_what_differs(tmp_path: Path, ours: Binding, words: str) -> None:
    file = tmp_path / "state.db"
    SqliteStore.create(file, LOCAL).close()
    with pytest.raises(StateUnusable) as caught:
        SqliteStore.open_existing(file, ours)
    assert words in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a wfdeploy state"),
        (b"hello" * 1000, "damaged or not a state"),
        (b"SQLite format 3\x00" + b"\x00" * 100, "damaged|not a wfdeploy state"),
    ],
)
def test_what_is_no_state_is_said_and_left(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(content)
    with pytest.raises(StateUnusable, match=words):
        SqliteStore.open_existing(file, BINDING, readonly=True)
    assert file.read_bytes() == content


def test_a_truncated_state_is_said(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StateUnusable), SqliteStore.open_existing(path, BINDING) as store:
        list(store.records())


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(StateUnusable, match="not a wfdeploy state"):
        SqliteStore.open_existing(file, BINDING)


def test_a_newer_state_is_refused_with_the_way_out(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(StateUnusable, match="newer wfdeploy") as caught:
        SqliteStore.open_existing(path, BINDING)
    assert caught.value.hint == "upgrade wfdeploy"


OPEN = attempt("g/c")._replace(
    status=AttemptStatus.UNKNOWN, delay_s=5, explicit_id=True, by='{"host":"h"}', error="a timeout"
)


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
    connection.execute("PRAGMA user_version = 5")


def test_that_another_runner_was_seen_gets_a_time(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([SetHead(watermark_ms=7)])
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO head VALUES ('shared', 1)")
    connection.execute("ALTER TABLE unclaimed DROP COLUMN dismissed_for")
    connection.execute("ALTER TABLE rollouts DROP COLUMN steps")
    connection.execute("PRAGMA user_version = 6")
    connection.commit()
    connection.close()
    with SqliteStore.open_existing(path, BINDING) as store:
        assert store.head().foreign_ms == 7


@pytest.mark.parametrize(
    ("foreign_ms", "watermark_ms", "several"),
    [(None, None, False), (None, 9, False), (5, None, True), (5, 14, True), (5, 15, False)],
)
def test_a_state_counts_as_one_of_several_for_as_long_as_the_logs_reach_back(
    path: Path, foreign_ms: int | None, watermark_ms: int | None, several: bool
) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([SetHead(foreign_ms=foreign_ms, watermark_ms=watermark_ms)])
        assert store.head().is_one_of_several(10) is several


def test_when_attempts_ended_is_forgotten_where_this_machines_clock_told_it(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([PutAttempt(OPEN._replace(ended_at_ms=7))])
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE rollouts DROP COLUMN steps")
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


def settled(names: list[str]) -> RecordOutcomes:
    attempts = [attempt(name)._replace(request='{"body":1,"retries":3}', shared=13) for name in names]
    return RecordOutcomes(attempts, [7] * len(names), Origin.TRIGGERED, 9)


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


def test_the_end_of_many_requests_is_kept_once(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([settled(["g/b", "g/c"])])
        assert [one.request for one in store.records(["g/b", "g/c"])] == ['{"body":1,"retries":3}'] * 2
        rows = store._connection.execute("SELECT request, value FROM details JOIN request_ends e ON e.id = end_id")
        assert rows.fetchall() == [('{"body":1', ',"retries":3}')] * 2


@pytest.mark.parametrize("state", [None, RunState.FAILED])
@pytest.mark.parametrize("group", [None, "g"])
def test_how_runs_do_is_found_without_looking_at_all_of_them(
    path: Path, state: RunState | None, group: str | None
) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        query, values = standings_query(state, group)
        steps = store._connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    assert not [step for *_, step in steps if step.startswith("SCAN")]


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


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="cannot create"):
        SqliteStore.create(tmp_path / "no" / "state.db", BINDING)


def test_a_state_locked_by_another_program_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with SqliteStore.open_existing(path, BINDING, readonly=True) as store:
        store._connection.execute("PRAGMA busy_timeout = 0")
        assert [key.address for key in store.record_keys()] == ["g/a"]
    other.execute("ROLLBACK")
    other.close()


def test_readers_see_a_whole_state_while_a_writer_writes(path: Path) -> None:
    with SqliteStore.open_existing(path, BINDING) as writer:
        writer.commit([PutRecord(record("g/b"))])
        with SqliteStore.open_existing(path, BINDING, readonly=True) as reader:
            assert [key.address for key in reader.record_keys()] == ["g/a", "g/b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_can_still_be_read(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        with SqliteStore.open_existing(path, BINDING, readonly=True) as store:
            assert [key.address for key in store.record_keys()] == ["g/a"]
    finally:
        path.parent.chmod(0o700)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE head SET value = 5",
        "UPDATE head SET value = NULL WHERE key = 'lineage'",
        "UPDATE head SET value = 'x' WHERE key = 'serial'",
        "INSERT INTO head VALUES ('watermark_ms', 'soon')",
        "UPDATE history SET ended = 'never'",
        "UPDATE history SET value = '[]'",
        "INSERT INTO groups VALUES ('g', 'burn')",
        "INSERT INTO unclaimed VALUES ('wfr_a', 1, 'RUN_AWAY', NULL, NULL)",
    ],
)
def test_a_value_that_no_wfdeploy_wrote_is_damage(path: Path, edit: str) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([Forget(Address("g/a"))])
    connection = sqlite3.connect(path)
    connection.execute(edit)
    connection.commit()
    connection.close()
    with pytest.raises(StateUnusable, match="damaged"), SqliteStore.open_existing(path, BINDING) as store:
        assert (store.history(None), store.groups(), store.unclaimed()) is None
