"""The database file: private, of this version, undamaged, and with no log but its own: SQLite would take any."""

from __future__ import annotations

import re
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.local_server import LocalServer
from tests.unit.localserver.conftest import Api, api_for
from wfdeploy.errors import StateUnusable
from wfdeploy.localserver.instance import Occupancy
from wfdeploy.localserver.store.database import open_database, server_id, transaction
from wfdeploy.localserver.tenants import DEFAULT_TENANT


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def killed(folder: Path, *values: str) -> Path:
    """A database whose last commits are in its log alone, as a process that was killed leaves it."""
    folder.mkdir(exist_ok=True)
    path = folder / "local.db"
    connection = open_database(path)
    for value in values:
        with transaction(connection):
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('x', ?)", (value,))
    copy = folder / f"copy-{len(list(folder.iterdir()))}"
    copy.mkdir()
    for file in folder.glob("local.db*"):
        shutil.copyfile(file, copy / file.name)
    connection.close()
    return copy / "local.db"


def value_in(path: Path) -> str | None:
    connection = open_database(path)
    row = connection.execute("SELECT value FROM meta WHERE name = 'x'").fetchone()
    connection.close()
    return None if row is None else row[0]


def settled(folder: Path) -> Path:
    """A database without a log."""
    folder.mkdir()
    path = folder / "local.db"
    open_database(path).close()
    return path


def test_the_log_of_a_killed_server_counts(tmp_path: Path) -> None:
    assert value_in(killed(tmp_path / "new", "a", "b")) == "b"
    settled(tmp_path / "old")
    assert value_in(killed(tmp_path / "old", "a", "b")) == "b"


def of_another(tmp_path: Path, own: Path) -> bytes:
    settled(tmp_path / "b")
    return log_of(killed(tmp_path / "b", "theirs")).read_bytes()


def older(tmp_path: Path, own: Path) -> bytes:
    copy = killed(own.parent, "theirs")
    log = log_of(copy).read_bytes()
    assert value_in(own) == "theirs"
    killed(own.parent, "own")
    return log


def without_a_head(tmp_path: Path, own: Path) -> bytes:
    """Of somebody who knows nothing of the database but its pages."""
    forged = tmp_path / "forged.db"
    shutil.copyfile(own, forged)
    writer = sqlite3.connect(forged, isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("INSERT OR REPLACE INTO meta VALUES ('x', 'theirs')")
    log = log_of(forged).read_bytes()
    writer.close()
    return log


@pytest.mark.parametrize("make", [of_another, older, without_a_head], ids=lambda make: make.__name__)
def test_a_log_of_something_else_is_refused(tmp_path: Path, make: Callable[[Path, Path], bytes]) -> None:
    own = settled(tmp_path / "a")
    log = make(tmp_path, own)
    before, content = value_in(own), own.read_bytes()
    assert before != "theirs"
    log_of(own).write_bytes(log)
    with pytest.raises(StateUnusable, match="belong") as caught:
        open_database(own)
    assert "mv " in str(caught.value.hint)
    assert own.read_bytes() == content
    log_of(own).rename(tmp_path / "elsewhere")  # the way out
    assert value_in(own) == before


def test_a_database_from_before_has_a_head_from_now_on(tmp_path: Path) -> None:
    path = settled(tmp_path / "a")
    before = sqlite3.connect(path, isolation_level=None)
    (name,) = before.execute("SELECT value FROM meta WHERE name = 'server_id'").fetchone()
    before.execute("DROP TABLE head")
    before.execute("PRAGMA user_version = 3")
    before.close()
    connection = open_database(path)
    assert server_id(connection) == name
    assert dict(connection.execute("SELECT key, value FROM head").fetchall())["serial"] >= 1
    connection.close()


@pytest.mark.parametrize(
    ("old", "new"),
    [(rb"runsruns(.)CREATE TABLE", b"\xffunsruns\\1CREATE TABXE"), (b"CREATE TABLE meta", b"CREATE TABLE nowt")],
    ids=["not UTF-8", "not ours"],
)
def test_a_damaged_database_is_told(tmp_path: Path, old: bytes, new: bytes) -> None:
    """SQLite's own words about it may be no UTF-8."""
    path = settled(tmp_path / "a")
    sound = path.read_bytes()
    path.write_bytes(re.sub(old, new, sound))
    assert path.read_bytes() != sound
    with pytest.raises(StateUnusable, match=r"local\.db"):
        open_database(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM meta",
        "INSERT INTO runs VALUES (1, 't', 'r', 'u', 'RUN_STARTED', 'x', 1, 1, '', '', '', '', '{}', '', '', '')",
        "UPDATE meta SET value = '[' WHERE name LIKE 'keys%'",
    ],
)
def test_rows_that_no_server_wrote_are_told(tmp_path: Path, statement: str) -> None:
    path = settled(tmp_path / "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute(f"INSERT INTO meta VALUES ('keys:{DEFAULT_TENANT.name}', '[\"a\", \"b\"]')")
        writer.execute(statement)
    with pytest.raises(StateUnusable, match="is damaged") as caught:
        LocalServer(path).start()
    assert f"rm {path}" in str(caught.value.hint)
    Occupancy(path).release()  # it was given back


def test_database_is_private_and_keeps_its_id(tmp_path: Path) -> None:
    database = tmp_path / "new" / "local-server.db"
    with LocalServer(database) as server, api_for(server) as http:
        first = server.server_id
        server.faults.hold_deliveries = True
        Api(http).trigger("wfr_a")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in database.parent.iterdir()}
    assert {mode for name, mode in modes.items() if name.startswith("local-server.db")} == {0o600}
    assert "local-server.db-wal" in modes
    with LocalServer(database) as server:
        assert server.server_id == first
        assert [run.run_id for run in server.accepted()] == ["wfr_a"]
    with LocalServer() as other:
        assert other.server_id != first


def test_unusable_database_says_so(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    database.write_text("this is no database, and long enough to be sure of it" * 20)
    with pytest.raises(StateUnusable, match=r"x\.db"):
        LocalServer(database).start()
    newer = tmp_path / "newer.db"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateUnusable, match="99"):
        LocalServer(newer).start()
