"""The freshness marker: which state is the latest, and what is believed of it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from wfdeploy.errors import StateUnusable
from wfdeploy.files.access import user_state_folder
from wfdeploy.model.edits import SetHead
from wfdeploy.model.state import Binding
from wfdeploy.state import user_files
from wfdeploy.state.sqlite_store import SqliteStore
from wfdeploy.state.user_files import FreshnessMarker

BINDING = Binding("shop", "production", "https://workflow.example.com")


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore.create(tmp_path / "state.db", BINDING)


@pytest.fixture
def marker(tmp_path: Path) -> FreshnessMarker:
    return FreshnessMarker(tmp_path / "home" / "state" / "wfdeploy")


def only_file(marker: FreshnessMarker) -> Path:
    assert marker.folder is not None
    (file,) = marker.folder.iterdir()
    return file


def test_a_state_is_the_latest_as_long_as_nothing_is_committed(store: SqliteStore, marker: FreshnessMarker) -> None:
    assert not marker.matches(store.head())
    marker.write(store.head())
    assert marker.matches(store.head())
    store.commit([])
    assert marker.matches(store.head())
    store.commit([SetHead(watermark_ms=1)])
    assert not marker.matches(store.head())
    marker.write(store.head())
    assert marker.matches(store.head())


def test_an_older_state_is_told_also_when_its_serial_catches_up(
    store: SqliteStore, marker: FreshnessMarker, tmp_path: Path
) -> None:
    older = tmp_path / "older.db"
    with store:
        older.write_bytes((tmp_path / "state.db").read_bytes())
        store.commit([SetHead(watermark_ms=1)])
        marker.write(store.head())
        latest = store.head()
    with SqliteStore.open_existing(older, BINDING) as restored:
        assert restored.head().lineage == latest.lineage
        for at in (1, 2, 3):
            restored.commit([SetHead(watermark_ms=at)])
            assert restored.head().serial == at
            assert not marker.matches(restored.head())


def test_of_two_states_of_one_project_one_is_the_latest(
    store: SqliteStore, marker: FreshnessMarker, tmp_path: Path
) -> None:
    other = SqliteStore.create(tmp_path / "other.db", BINDING)
    elsewhere = SqliteStore.create(tmp_path / "elsewhere.db", BINDING._replace(environment="staging"))
    for one in (store, elsewhere, other):
        marker.write(one.head())
    assert [marker.matches(one.head()) for one in (store, elsewhere, other)] == [False, True, True]


def test_a_marker_that_was_cleared_is_gone(store: SqliteStore, marker: FreshnessMarker) -> None:
    marker.clear(store.head())  # there is no folder yet
    marker.write(store.head())
    marker.clear(store.head())
    marker.clear(store.head())
    assert not marker.matches(store.head())
    assert marker.folder is not None
    assert list(marker.folder.iterdir()) == []


def test_nobody_else_reads_or_writes_it(store: SqliteStore, marker: FreshnessMarker) -> None:
    before = os.umask(0)
    try:
        marker.write(store.head())
    finally:
        os.umask(before)
    assert marker.folder is not None
    assert marker.folder.stat().st_mode & 0o777 == 0o700
    assert only_file(marker).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 4096,
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"lineage": 1}',
        b"9" * 4096,
        b"NaN",
        b'"' + b"a" * 9999,
    ],
)
def test_what_is_no_marker_matches_nothing(store: SqliteStore, marker: FreshnessMarker, content: bytes) -> None:
    marker.write(store.head())
    only_file(marker).write_bytes(content)
    assert not marker.matches(store.head())
    marker.write(store.head())
    assert marker.matches(store.head())


def test_a_link_or_a_pipe_in_its_place_matches_nothing(
    store: SqliteStore, marker: FreshnessMarker, tmp_path: Path
) -> None:
    marker.write(store.head())
    file = only_file(marker)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert not marker.matches(store.head())
    marker.clear(store.head())
    assert elsewhere.exists()
    os.mkfifo(file)
    assert not marker.matches(store.head())
    marker.write(store.head())
    assert marker.matches(store.head())


def test_a_folder_that_others_may_write_to_or_that_is_a_link_is_not_believed(
    store: SqliteStore, marker: FreshnessMarker, tmp_path: Path
) -> None:
    marker.write(store.head())
    assert marker.folder is not None
    marker.folder.chmod(0o770)
    assert not marker.matches(store.head())
    marker.folder.chmod(0o700)
    assert marker.matches(store.head())
    marker.folder.rename(tmp_path / "moved")
    marker.folder.symlink_to(tmp_path / "moved")
    assert not marker.matches(store.head())


def test_another_machine_or_another_start_of_this_one_is_told(
    store: SqliteStore, marker: FreshnessMarker, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker.write(store.head())
    monkeypatch.setattr(user_files, "_machine", lambda: "elsewhere")
    assert not marker.matches(store.head())


def test_without_a_place_no_state_is_known_to_be_the_latest(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file" / "wfdeploy"):
        marker = FreshnessMarker(folder)
        marker.write(store.head())
        marker.clear(store.head())
        assert not marker.matches(store.head())


def test_a_marker_that_cannot_be_removed_stops_the_apply(
    store: SqliteStore, marker: FreshnessMarker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    marker.write(store.head())
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(StateUnusable, match="cannot remove"):
        marker.clear(store.head())


def test_where_a_user_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert user_state_folder({"XDG_STATE_HOME": "/s", "HOME": "/home/u"}) == Path("/s/wfdeploy")
    assert user_state_folder({"XDG_STATE_HOME": "s", "HOME": "/home/u"}) == Path("/home/u/.local/state/wfdeploy")
    assert user_state_folder({"HOME": ""}) is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert user_state_folder({"HOME": "/Users/u"}) == Path("/Users/u/Library/Application Support/wfdeploy")


def test_an_import_is_not_the_latest(store: SqliteStore, marker: FreshnessMarker, tmp_path: Path) -> None:
    from wfdeploy.state.export import export_lines, import_lines

    store.commit([SetHead(watermark_ms=1)])
    marker.write(store.head())
    lines = list(export_lines(store))
    assert "nonce" not in json.loads(lines[0])
    imported = import_lines(lines, tmp_path / "imported.db", BINDING)
    assert imported.head().lineage == store.head().lineage
    assert not marker.matches(imported.head())
