"""Files of a database, looked at before SQLite opens them. (Whose log it is: `tests/unit/state/test_database.py`.)"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdeploy.files.databases import (
    StrangeFileError,
    make_private,
    remove_database,
    require_database,
    require_regular,
    uri_of,
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda path: path.symlink_to("elsewhere"), "a link"),
        (os.mkfifo, "a pipe"),
        (Path.mkdir, "a directory"),
    ],
    ids=["link", "pipe", "directory"],
)
def test_only_a_file_is_one(tmp_path: Path, make: Callable[[Path], object], word: str) -> None:
    make(tmp_path / "x")
    with pytest.raises(StrangeFileError, match=f"is {word}, not a file"):
        require_regular(tmp_path / "x")
    assert require_regular(tmp_path / "nothing") is None


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_what_lies_beside_a_database_belongs_to_it(database: Path, suffix: str) -> None:
    beside = database.with_name(f"x.db{suffix}")
    beside.touch()
    require_database(database)
    beside.unlink()
    beside.symlink_to("elsewhere")
    with pytest.raises(StrangeFileError) as caught:
        require_database(database)
    assert caught.value.path == beside


def test_a_journal_belongs_to_none_and_a_log_not_to_nothing(database: Path) -> None:
    journal, log = database.with_name("x.db-journal"), database.with_name("x.db-wal")
    journal.touch()
    with pytest.raises(StrangeFileError, match="no database of this kind"):
        require_database(database)
    journal.unlink()
    log.touch()
    database.unlink()
    with pytest.raises(StrangeFileError, match="a database that isn't there"):
        require_database(database)


def test_it_is_removed_with_all_that_lies_beside_it(database: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal"):
        database.with_name(f"x.db{suffix}").touch()
    other = database.with_name("x.db.lock")
    other.touch()
    remove_database(database)
    remove_database(database)
    assert list(database.parent.iterdir()) == [other]


def test_a_name_is_no_part_of_its_uri() -> None:
    assert uri_of(Path("/a/b?mode=rw#x%41.db")) == "file:/a/b%3Fmode%3Drw%23x%2541.db"


def test_folders_that_are_made_are_the_users_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a" / "b")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")] == [
        0o755, 0o700, 0o700,
    ]  # fmt: skip
