"""The demo's port is part of what runs are, so it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.wiring import embedded


def test_a_port_that_was_had_is_asked_for_again(tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    assert embedded.demo_port(database) == embedded.USUAL_DEMO_PORT
    assert not embedded.demo_was_used(database)
    embedded.remember_demo(database, "http://127.0.0.1:40001")
    assert embedded.demo_was_used(database)
    assert embedded.demo_url(database) == "http://127.0.0.1:40001"


@pytest.mark.parametrize("note", ["", "x", "0", "70000", "-1"])
def test_a_spoilt_note_is_no_port(tmp_path: Path, note: str) -> None:
    database = tmp_path / "server.db"
    embedded.remember_demo(database, "http://127.0.0.1:8081")
    (tmp_path / "server.db.demo-port").write_text(note, encoding="ascii")
    assert embedded.demo_port(database) == embedded.USUAL_DEMO_PORT
