"""Export and import: byte for byte, all or nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING, record
from tests.unit.state.conftest import leave, refused
from wfdeploy.errors import StateUnusable
from wfdeploy.model.edits import PutRecord
from wfdeploy.model.state import Binding
from wfdeploy.state.export import export_lines, import_lines
from wfdeploy.state.sqlite_store import SqliteStore


def test_import_and_export_give_the_same_bytes(lines: list[str], tmp_path: Path) -> None:
    store = import_lines(lines, tmp_path / "second.db", BINDING)
    assert list(export_lines(store)) == lines
    store.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["first.db", "second.db"]


def test_an_export_of_format_1_is_still_imported(tmp_path: Path) -> None:
    old = (Path(__file__).parents[2] / "cases" / "upgrade" / "export-1.jsonl").read_text(encoding="utf-8").split("\n")
    with closing(import_lines(old, tmp_path / "new.db", BINDING)) as store:
        assert (store.head().foreign_ms, store.head().watermark_ms) == (12, 12)
        ends = {attempt.address: (attempt.status.value, attempt.ended_at_ms) for attempt in store.attempts()}
        assert ends == {"g/c": ("unknown", None), "g/c2": ("intent", None), "g/d": ("intent", None)}
        assert [record.address for record in store.records()] == ["h/b"]
        again = list(export_lines(store))
    with closing(import_lines(again, tmp_path / "again.db", BINDING)) as store:
        assert list(export_lines(store)) == again


def test_another_targets_export_is_refused(lines: list[str], tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="belongs to"):
        import_lines(lines, tmp_path / "second.db", Binding("other", "e", "http://s"))


def test_an_existing_state_is_never_replaced(lines: list[str], tmp_path: Path) -> None:
    before = (tmp_path / "first.db").read_bytes()
    with pytest.raises(StateUnusable, match="exists"):
        import_lines(lines, tmp_path / "first.db", BINDING)
    assert (tmp_path / "first.db").read_bytes() == before


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
