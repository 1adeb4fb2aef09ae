"""The SQLite file: private, one, and readable while others write."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING, record
from wfdeploy.errors import StateUnusable
from wfdeploy.model.edits import PutRecord, SetHead
from wfdeploy.model.observed import RunState
from wfdeploy.state.sqlite_store import SqliteStore, standings_query


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


@pytest.mark.parametrize("state", [None, RunState.FAILED])
@pytest.mark.parametrize("group", [None, "g"])
def test_how_runs_do_is_found_without_looking_at_all_of_them(
    path: Path, state: RunState | None, group: str | None
) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        query, values = standings_query(state, group)
        steps = store._connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    assert not [step for *_, step in steps if step.startswith("SCAN")]


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
