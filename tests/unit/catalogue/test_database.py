"""The file of a catalogue: begun anew when it is spoilt, foreign or too large, done without when there is none."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.unit.catalogue.filling import KEY, cached, desired, fill
from wfdeploy.catalogue import database
from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.catalogue.database import CacheBusy
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import CacheDamaged


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER UPDATE ON entries BEGIN DELETE FROM chunks; END",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE entries ADD COLUMN more TEXT",
        "CREATE INDEX more ON entries (length(notes))",
    ],
)
def test_a_database_with_more_in_it_is_begun_anew(tmp_path: Path, statement: str) -> None:
    fill(tmp_path, desired("g/a")).close()
    connection = sqlite3.connect(tmp_path / database.FILE)
    connection.execute(statement)
    connection.close()
    catalogue = Catalogue(Cache(tmp_path, KEY))
    assert catalogue.cached("key") is None
    catalogue.close()
    fill(tmp_path, desired("g/a")).close()
    cached(tmp_path).close()


@pytest.mark.parametrize("at", [0, 5000, 9000])
def test_a_spoilt_file_is_noticed_or_begun_anew(tmp_path: Path, at: int) -> None:
    fill(tmp_path, *(desired(f"g/{number:04}", number) for number in range(500))).close()
    file = tmp_path / database.FILE
    data = bytearray(file.read_bytes())
    data[at : at + 3000] = b"\xff" * 3000
    file.write_bytes(data)
    try:
        catalogue = Catalogue(Cache(tmp_path, KEY))
        kept = catalogue.cached("key")
        if kept is not None:
            catalogue.take(kept, 0, "m.yaml")
            assert len(list(catalogue.runs())) == 500
    except CacheDamaged:
        return
    catalogue.close()


def test_a_cache_of_another_format_is_begun_anew(tmp_path: Path) -> None:
    fill(tmp_path, desired("g/a")).close()
    connection = sqlite3.connect(tmp_path / database.FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    catalogue = Catalogue(Cache(tmp_path, KEY))
    assert catalogue.cached("key") is None
    catalogue.close()
    fill(tmp_path, desired("g/a")).close()
    cached(tmp_path).close()


def test_caches_of_other_formats_go_when_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = database.FILE
    monkeypatch.setattr(database, "FILE", "catalogue-0.db")
    older = fill(tmp_path, desired("g/a"))
    monkeypatch.setattr(database, "FILE", name)
    for kept in ("project.json", "catalogue-x.txt"):
        (tmp_path / kept).touch()
    (tmp_path / "catalogue-00.db").mkdir()  # which can't be removed like a file
    fill(tmp_path, desired("g/a")).close()
    left = {".gitignore", "catalogue-00.db", "catalogue-x.txt", "project.json", name}
    assert {path.name for path in tmp_path.iterdir()} == left
    assert [run.address for run in older.runs()] == ["g/a"], "whoever has one open goes on with it"
    older.close()
    (tmp_path / "catalogue-0.db").touch()
    cached(tmp_path).close()
    assert (tmp_path / "catalogue-0.db").exists(), "nothing is looked for where there is a cache already"


def test_a_cache_in_use_by_a_writer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.05)
    fill(tmp_path, desired("g/a")).close()
    other = sqlite3.connect(tmp_path / database.FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheBusy):
        fill(tmp_path, desired("h/a"), key="other")
    other.execute("ROLLBACK")
    other.close()


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    catalogue = fill(tmp_path / "file" / "cache", desired("g/a"))
    assert [run.address for run in catalogue.runs()] == ["g/a"]
    catalogue.close()
