"""The file of a state: what is no state, whose it is, and a log that is not its own: SQLite would take any."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING
from tests.unit.state.conftest import leave, refused
from wfdeploy.errors import StateUnusable
from wfdeploy.model.edits import SetHead
from wfdeploy.model.state import Binding
from wfdeploy.state import VERSION
from wfdeploy.state.database import fold_log
from wfdeploy.state.sqlite_store import SqliteStore


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
    assert f"it has the state format {VERSION + 1}, and wfdeploy" in caught.value.message
    assert f"reads up to {VERSION}" in caught.value.message
    assert caught.value.hint == f"upgrade wfdeploy (this one runs with Python {platform.python_version()})"


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="cannot create"):
        SqliteStore.create(tmp_path / "no" / "state.db", BINDING)


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
