"""The demo's port is part of what runs are, so it stays; libraries don't write past the output."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest

from wfdeploy.cli import embedded
from wfdeploy.cli.embedded import heard
from wfdeploy.cli.output import Output


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


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [(0, ["warning: ours \\x1b[2J"]), (1, ["lib.deep: theirs: ValueError('x')", "warning: ours \\x1b[2J"])],
)
def test_warnings_of_libraries_are_details(verbosity: int, lines: list[str]) -> None:
    stderr = io.StringIO()
    output = Output(stdout=io.StringIO(), stderr=stderr, environ={})
    output.verbosity = verbosity
    before = list(logging.getLogger().handlers)
    with heard(output):
        try:
            raise ValueError("x")
        except ValueError:
            logging.getLogger("lib.deep").exception("theirs")
        logging.getLogger("lib").info("never")
        logging.getLogger("wfdeploy.localserver").warning("ours %s", "\x1b[2J")
    assert stderr.getvalue().splitlines() == lines
    assert logging.getLogger().handlers == before
