"""A command that failed, as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.golden_files import GOLDEN
from tests.unit.render.reading_markdown import FOREIGN, HOSTILE, prose, tags, token_types
from tests.unit.render.samples import DIAGNOSTICS
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.render import failure_markdown


def test_it_looks_like_this(golden: Callable[[Path, str], None]) -> None:
    text = failure_markdown.text(
        "plan", "5 errors", "look\nagain", project="shop", environment="production", diagnostics=DIAGNOSTICS
    )
    golden(GOLDEN / "diagnostics" / "failure.md", "".join(text))


def test_what_is_not_known_is_left_out() -> None:
    text = "".join(failure_markdown.text("apply", "no such file", None, project="", environment=""))
    assert text == "### Apply failed\n\n```text\nno such file\n```\n"


@pytest.mark.parametrize("letter", ["k", "\u0301"])
def test_many_problems_leave_room_for_a_plan(letter: str) -> None:
    problem = Diagnostic(code="c", message=letter * 2000, place=Place(letter * 900), hint=letter * 2000)
    problems = [replace(problem, place=Place(f"{letter * 900}{n}")) for n in range(100)]
    text = "".join(failure_markdown.text("plan", letter * 9000, None, project="", environment="", diagnostics=problems))
    assert len(text) < 30_000


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_text_gets_out_of_code(evil: str) -> None:
    def failed(text: str) -> str:
        problem = Diagnostic(code="c", message=text, place=Place(f"a{text}"), hint=text, excerpt=text, address=text)
        return "".join(failure_markdown.text("plan", text, text, project=text, environment=text, diagnostics=[problem]))

    assert prose(failed(evil)) == prose(failed("x"))
    assert not token_types(failed(evil)) & FOREIGN
    assert tags(failed(evil)) == []
