"""Reports, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from tests.unit.render.views import Golden, joined, tagged
from wfdeploy.model.event import Outcome
from wfdeploy.model.observed import RunState
from wfdeploy.render import report

REPORTS = {
    "good": samples.report(triggered=970, deduplicated=3, adopted=2, kept=40),
    "trouble": replace(
        samples.report(triggered=2, rejected=2, unknown=1, pending=12, forgotten=1),
        stopped="the server refuses the token (401)",
        hint="QSTASH_TOKEN holds it; the console shows the right one",
    ),
    "nothing": samples.report(kept=7),
    "watched": replace(samples.report(triggered=3), watched={RunState.SUCCESS: 2, RunState.FAILED: 1}),
}


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, golden: Golden) -> None:
    golden(GOLDEN / "report" / f"{name}.txt", joined(report.text(REPORTS[name])))
    if name != "good":
        golden(GOLDEN / "report" / f"{name}.json", joined(report.json_text(REPORTS[name])))


def test_report_of_everything(golden: Golden) -> None:
    text = joined(report.text(REPORTS["trouble"], tagged, width=60, everything=True))
    golden(GOLDEN / "report" / "everything.txt", text)


def test_report_json_has_the_promised_keys() -> None:
    document = json.loads("".join(report.json_text(samples.report(triggered=1, rejected=1))))
    assert set(document["summary"]) == {outcome.value for outcome in Outcome}
    assert set(document["results"][0]) == {"address", "workflowRunId", "outcome", "createdAt", "error"}
