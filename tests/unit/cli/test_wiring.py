"""Libraries don't write past the output."""

from __future__ import annotations

import io
import logging

import pytest

from wfdeploy.cli.output import Output
from wfdeploy.cli.wiring import library_logs


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [(0, ["warning: ours \\x1b[2J"]), (1, ["lib.deep: theirs: ValueError('x')", "warning: ours \\x1b[2J"])],
)
def test_warnings_of_libraries_are_details(verbosity: int, lines: list[str]) -> None:
    stderr = io.StringIO()
    output = Output(stdout=io.StringIO(), stderr=stderr, environ={})
    output.verbosity = verbosity
    before = list(logging.getLogger().handlers)
    with library_logs(output):
        try:
            raise ValueError("x")
        except ValueError:
            logging.getLogger("lib.deep").exception("theirs")
        logging.getLogger("lib").info("never")
        logging.getLogger("wfdeploy.localserver").warning("ours %s", "\x1b[2J")
    assert stderr.getvalue().splitlines() == lines
    assert logging.getLogger().handlers == before
