"""Generated pages are what the program says now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import docs_cli, docs_examples
from wfdeploy.cli.main import main
from wfdeploy.errors import EXIT_CODE_MEANING, ExitCode

ROOT = Path(__file__).parents[2]


def test_the_command_line_reference_is_fresh() -> None:
    assert docs_cli.run(["--check"]) == 0, "run: python scripts/docs_cli.py"


def test_pages_show_the_examples_as_they_are() -> None:
    assert docs_examples.main(["--check"]) == 0, "run: python -m scripts.docs_examples"


def test_every_example_is_shown_on_a_page() -> None:
    pages = [page.read_text(encoding="utf-8") for page in docs_examples.PAGES.glob("*.md")]
    shown = {docs_examples.ROOT / file for text in pages for file in docs_examples.examples_of(text)}
    assert shown == set(docs_examples.EXAMPLES.glob("*.yaml")) - {docs_examples.EXAMPLES / "wfdeploy.yaml"}


@pytest.mark.parametrize("path", [path for path, _ in docs_cli.commands(main, None)], ids=" ".join)
def test_every_command_has_a_section(path: tuple[str, ...]) -> None:
    assert f"# {' '.join(path)}\n" in docs_cli.PAGE.read_text(encoding="utf-8")


def test_every_exit_code_has_a_meaning() -> None:
    assert set(EXIT_CODE_MEANING) == set(ExitCode)


def test_references_are_up_to_date() -> None:
    command = [sys.executable, "scripts/docs_schema.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
