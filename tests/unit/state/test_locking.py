"""Who holds a state's lock, as far as a note can be believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock

from wfdeploy.errors import StateLocked, StateUnusable
from wfdeploy.state.locking import holder_of, lock, require_locks

NOTE = {"pid": 7, "host": "ci", "user": "ann", "since_ms": 0, "command": "apply", "version": "1"}


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (json.dumps(NOTE), "process 7 of ann on ci since 1970-01-01 00:00:00 UTC"),
        (json.dumps(NOTE | {"since_ms": 10**30}), "another wfdeploy process"),
        (json.dumps(NOTE | {"since_ms": float("nan")}), "another wfdeploy process"),
        (json.dumps(NOTE | {"more": 1}), "another wfdeploy process"),
        ("[" * 4000, "another wfdeploy process"),
        (json.dumps(NOTE | {"host": "x" * 5000}), "another wfdeploy process"),
    ],
)
def test_a_lock_that_is_held_names_its_holder_or_nobody(tmp_path: Path, note: str, words: str) -> None:
    state = tmp_path / "state.db"
    (tmp_path / "state.db.lock.json").write_text(note)
    with FileLock(f"{state}.lock"), pytest.raises(StateLocked, match=words), lock(state, command="plan"):
        pass


def test_a_link_in_the_place_of_the_note_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text(json.dumps(NOTE))
    (tmp_path / "state.db.lock.json").symlink_to("elsewhere.json")
    state = tmp_path / "state.db"
    with FileLock(f"{state}.lock"), pytest.raises(StateLocked, match="another wfdeploy"), lock(state, command="plan"):
        pass


def test_who_holds_a_lock_is_told_without_taking_it(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    assert holder_of(state) is None
    with lock(state, command="wfdeploy apply"):
        described = holder_of(state)
        assert described is not None
        assert "wfdeploy apply" in described
    assert holder_of(state) is None


def test_the_note_of_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    state, note = tmp_path / "state.db", tmp_path / "state.db.lock.json"
    note.write_text(json.dumps(NOTE))
    assert holder_of(state) is None
    assert note.read_text() == json.dumps(NOTE)


def test_locks_are_tried_and_leave_nothing(tmp_path: Path) -> None:
    require_locks(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_locks_is_no_place_for_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda _descriptor, _operation: None)
    with pytest.raises(StateUnusable, match="two locks of one file are held at once"):
        require_locks(tmp_path)


def test_a_folder_that_is_gone_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusable, match="can't be written"):
        require_locks(tmp_path / "file")
