"""The report of an apply as Markdown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from tests.unit.render.reading_markdown import FOREIGN, HOSTILE, prose, tags, token_types
from wfdeploy.model.address import Address
from wfdeploy.model.event import ApplyReport, Outcome, Result
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action
from wfdeploy.render import apply_markdown, plan_markdown


def markdown(report: ApplyReport, name: str = "shop", planned: tuple[str, ...] = ()) -> str:
    return "".join(apply_markdown.text(report, project=name, environment=name, planned=planned))


def test_it_looks_like_this(golden: Callable[[Path, str], None]) -> None:
    report = replace(
        samples.report(triggered=3, rejected=25, unknown=1, pending=2, kept=7),
        stopped="the server is unreachable",
        hint="try again",
        drifted={RunState.FAILED: 2},
        watched={RunState.SUCCESS: 2, RunState.FAILED: 1},
        warnings=("the state is old",),
        unsettled="interrupted: 1 still running",
    )
    plan = samples.plan_of([samples.change("g/r", Action.TRIGGER, "new", sends=True)])
    planned = tuple(plan_markdown.changes(plan, limit=30_000, title="Planned"))
    golden(GOLDEN / "report" / "everything.md", markdown(report, planned=planned))


def test_one_with_nothing_to_do_is_short() -> None:
    assert markdown(samples.report(kept=2)).splitlines()[2:] == ["**Nothing to do: 2 unchanged.**"]


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_text_gets_out_of_code(evil: str) -> None:
    def report(text: str) -> ApplyReport:
        results = [Result(Address(f"a{text}/{text}"), Outcome.REJECTED, error=text)]
        counts = {**samples.report(rejected=1).summary}
        return ApplyReport(
            summary=counts, results=results, stopped=text, hint=text, warnings=(text,), unsettled=text, took_s=1
        )

    text = markdown(report(evil), evil)
    assert prose(text) == prose(markdown(report("x"), "x"))
    assert not token_types(text) & FOREIGN
    assert tags(text) == []
