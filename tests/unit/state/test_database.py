"""A write-ahead log that isn't the state's own is not taken over: SQLite would take any."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from wfdeploy.errors import StateUnusable
from wfdeploy.model.edits import SetHead
from wfdeploy.model.state import Binding
from wfdeploy.state.sqlite_store import SqliteStore

BINDING = Binding("p", "default", "https://qstash.upstash.io")


def killed(folder: Path, *watermarks: int) -> Path:
    """A state whose last commits are in its log alone, as a process that was killed leaves it."""
    folder.mkdir(exist_ok=True)
    path = folder / "state.db"
    store = SqliteStore.open_existing(path, BINDING) if path.exists() else SqliteStore.create(path, BINDING)
    for watermark in watermarks:
        store.commit([SetHead(watermark)])
    copy = folder / "copy"
    copy.mkdir()
    for file in folder.glob("state.db*"):
        shutil.copyfile(file, copy / file.name)
    store.close()
    return copy / "state.db"


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def watermark(path: Path, *, readonly: bool = False) -> int | None:
    with SqliteStore.open_existing(path, BINDING, readonly=readonly) as store:
        return store.head().watermark_ms


@pytest.mark.parametrize("readonly", [False, True])
def test_the_log_of_a_killed_process_counts(tmp_path: Path, readonly: bool) -> None:
    assert watermark(killed(tmp_path / "a", 1, 2), readonly=readonly) == 2


def test_the_log_of_another_state_is_refused(tmp_path: Path) -> None:
    own, other = killed(tmp_path / "a", 1), killed(tmp_path / "b", 1, 2)
    shutil.copyfile(log_of(other), log_of(own))
    for readonly in (True, False):
        with pytest.raises(StateUnusable, match="belong"):
            SqliteStore.open_existing(own, BINDING, readonly=readonly)
    log_of(own).rename(tmp_path / "elsewhere")  # the way out
    assert watermark(own) is None


def test_an_older_log_of_the_same_state_is_refused(tmp_path: Path) -> None:
    older = killed(tmp_path / "a", 1)
    newer = tmp_path / "a" / "state.db"
    with SqliteStore.open_existing(newer, BINDING) as store:
        store.commit([SetHead(5)])
    assert not log_of(newer).exists(), "a command that ends takes its log with it"
    shutil.copyfile(log_of(older), log_of(newer))
    with pytest.raises(StateUnusable, match="belong"):
        SqliteStore.open_existing(newer, BINDING)


def test_a_log_of_somebody_who_knows_nothing_of_the_state_is_refused(tmp_path: Path) -> None:
    """It holds no head, so the state would look as if nothing had changed, sums and all."""
    own = killed(tmp_path / "a", 1)
    with SqliteStore.open_existing(own, BINDING) as store:
        before = store.head()
    forged = tmp_path / "forged.db"
    shutil.copyfile(own, forged)
    writer = sqlite3.connect(forged, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("INSERT INTO records VALUES ('g/a', '1:a', 1, 'wfr_x', 'd', 1)")
    shutil.copyfile(log_of(forged), log_of(own))
    writer.close()
    for readonly in (True, False):
        with pytest.raises(StateUnusable, match="belong"):
            SqliteStore.open_existing(own, BINDING, readonly=readonly)
    log_of(own).unlink()
    with SqliteStore.open_existing(own, BINDING) as store:
        assert store.head() == before


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_no_state_is_begun_beside_what_another_one_left(tmp_path: Path, suffix: str) -> None:
    other = killed(tmp_path / "b", 1)
    path = tmp_path / "state.db"
    shutil.copyfile(log_of(other), path.with_name(f"{path.name}{suffix}"))
    with pytest.raises(StateUnusable):
        SqliteStore.create(path, BINDING)
    assert not path.exists()


def test_a_journal_is_not_played_back(tmp_path: Path) -> None:
    own = killed(tmp_path / "a", 1)
    content = own.read_bytes()
    own.with_name("state.db-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))
    with pytest.raises(StateUnusable, match="journal"):
        SqliteStore.open_existing(own, BINDING)
    assert own.read_bytes() == content


@pytest.mark.parametrize("size", [0, 1, 31, 32, 56, 5000])
def test_a_log_that_holds_nothing_changes_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "state.db"
    with SqliteStore.create(path, BINDING) as store:
        store.commit([SetHead(3)])
    log_of(path).write_bytes(b"\x37\x7f\x06\x82" + b"\xff" * max(0, size - 4) if size else b"")
    assert watermark(path) == 3
