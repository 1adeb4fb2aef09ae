"""`wfdeploy version`."""

from __future__ import annotations

import json
import platform

from tests.golden_files import command_line
from wfdeploy import __version__
from wfdeploy.state import VERSION


def test_it_says_the_state_format_and_the_python() -> None:
    python = platform.python_version()
    assert command_line("version").stdout == f"wfdeploy {__version__} (state format {VERSION}, Python {python})\n"
    assert json.loads(command_line("version", "--output", "json").stdout) == {
        "formatVersion": 1,
        "version": __version__,
        "stateFormat": VERSION,
        "python": python,
    }


def test_the_option_says_the_version_alone() -> None:
    assert command_line("--version").stdout == f"wfdeploy {__version__}\n"
