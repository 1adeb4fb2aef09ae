"""The demo's port is part of what runs are, so it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.cli import demo_port


def test_a_port_that_was_had_is_asked_for_again(tmp_path: Path) -> None:
    database = tmp_path / "server.db"
    assert demo_port.wished(database) == demo_port.USUAL
    assert not demo_port.was_used(database)
    demo_port.remember(database, "http://127.0.0.1:40001")
    assert demo_port.was_used(database)
    assert demo_port.url(database) == "http://127.0.0.1:40001"


@pytest.mark.parametrize("note", ["", "x", "0", "70000", "-1"])
def test_a_spoilt_note_is_no_port(tmp_path: Path, note: str) -> None:
    database = tmp_path / "server.db"
    demo_port.remember(database, "http://127.0.0.1:8081")
    (tmp_path / "server.db.demo-port").write_text(note, encoding="ascii")
    assert demo_port.wished(database) == demo_port.USUAL
