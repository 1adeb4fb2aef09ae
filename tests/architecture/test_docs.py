"""Generated pages are what the program says now."""

from __future__ import annotations

import pytest

from scripts import docs_cli
from wfdeploy.cli.main import main
from wfdeploy.errors import EXIT_CODE_MEANING, ExitCode


def test_the_command_line_reference_is_fresh() -> None:
    assert docs_cli.run(["--check"]) == 0, "run: python scripts/docs_cli.py"


@pytest.mark.parametrize("path", [path for path, _ in docs_cli.commands(main, None)], ids=" ".join)
def test_every_command_has_a_section(path: tuple[str, ...]) -> None:
    assert f"# {' '.join(path)}\n" in docs_cli.PAGE.read_text(encoding="utf-8")


def test_every_exit_code_has_a_meaning() -> None:
    assert set(EXIT_CODE_MEANING) == set(ExitCode)
