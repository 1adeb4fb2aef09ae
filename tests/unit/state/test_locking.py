"""Who holds a state's lock, as far as a note can be believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock

from wfdeploy.errors import StateLocked
from wfdeploy.state.locking import lock

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
