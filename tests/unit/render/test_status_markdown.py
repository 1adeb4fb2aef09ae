"""Run states as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.golden_files import GOLDEN
from tests.unit.render.reading_markdown import FOREIGN, HOSTILE, prose, tags, token_types
from tests.unit.render.samples import NOON_MS, STATUS
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.status import StatusRow
from wfdeploy.render import status_markdown


def markdown(rows: Sequence[StatusRow], name: str = "shop", limit: int = 65_536) -> str:
    def command(command: str, arguments: Sequence[str]) -> str:
        return " ".join(("wfdeploy", command, *arguments))

    return "".join(
        status_markdown.text(rows, project=name, environment=name, now_ms=NOON_MS + 9_000, command=command, limit=limit)
    )


def test_it_looks_like_this(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "status" / "everything.md", markdown(STATUS))


def test_none_are_said_to_be_none() -> None:
    assert markdown(()).splitlines()[2:] == ["**No runs are recorded.**"]


@pytest.mark.parametrize("letter", ["k", "\u0301", "\u5b57"])
def test_many_fit_a_comment(letter: str) -> None:
    row = replace(STATUS[1], error=letter * 3000, workflow_run_id=letter * 500)
    rows = [replace(row, address=Address(f"g{n}{letter * 300}/r")) for n in range(2000)]
    rows += [replace(one, run_state=RunState.SUCCESS, error=None) for one in rows]
    assert len(markdown(rows)) < 65_536
    assert "and 1," in markdown(rows)


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_text_gets_out_of_code(evil: str) -> None:
    def rows(text: str) -> Sequence[StatusRow]:
        failed = replace(STATUS[1], address=Address(f"a{text}/{text}"), error=text, workflow_run_id=text)
        return (failed, replace(failed, run_state=RunState.SUCCESS))

    text = markdown(rows(evil), evil)
    assert prose(text) == prose(markdown(rows("x"), "x"))
    assert not token_types(text) & FOREIGN
    assert tags(text) == tags(markdown(rows("x"), "x"))
