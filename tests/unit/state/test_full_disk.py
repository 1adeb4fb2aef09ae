"""A state that the disk has no room for doesn't begin."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING, record
from wfdeploy.errors import StateUnusable
from wfdeploy.model.edits import PutRecord
from wfdeploy.state.database import fold_log
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.sqlite_store import SqliteStore

KIB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ("-t", "tmpfs", "-o", "size=1M", "tmpfs")
    if mount is None or subprocess.run([mount, *options, folder], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def leave(disk: Path, kib: int) -> None:
    for file in disk.iterdir():
        file.unlink()
    (disk / "filler").write_bytes(bytes((1024 - kib) * KIB))


def refused(error: StateUnusable, disk: Path) -> str:
    assert "the disk is full" in error.message or "No space" in error.message
    assert [file.name for file in disk.iterdir()] == ["filler"]
    return "none"


def test_a_state_is_made_whole_or_not_at_all(disk: Path) -> None:
    """The log fits, and the file doesn't: SQLite says nothing when that is closed."""
    outcomes = set()
    for kib in range(4, 500, 24):
        leave(disk, kib)
        try:
            SqliteStore.create(disk / "s.db", BINDING).close()
        except StateUnusable as error:
            outcomes.add(refused(error, disk))
        else:
            SqliteStore.open_existing(disk / "s.db", BINDING).close()
            outcomes.add("whole")
    assert outcomes == {"none", "whole"}


def test_an_import_is_made_whole_or_not_at_all(disk: Path, tmp_path: Path) -> None:
    with SqliteStore.create(tmp_path / "first.db", BINDING) as store:
        store.commit([PutRecord(record(f"g/{number}")) for number in range(600)])
        lines = list(export_lines(store))
    outcomes = set()
    for kib in range(200, 1000, 20):
        leave(disk, kib)
        try:
            imported = import_lines(lines, disk / "s.db", BINDING)
        except StateUnusable as error:
            outcomes.add(refused(error, disk))
        else:
            with closing(imported):
                assert list(export_lines(imported)) == lines
            outcomes.add("whole")
    assert outcomes == {"none", "whole"}


def test_a_log_that_cannot_be_folded_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SqliteStore.create(path, BINDING):
        pass
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM head").fetchall()
            writer.execute("INSERT INTO head VALUES ('x', 1)")
            with pytest.raises(sqlite3.OperationalError, match="in use"):
                fold_log(writer)
        fold_log(writer)
