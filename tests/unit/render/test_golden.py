"""Each view of each sample is a file; a change of words is reviewed in the diff."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.golden_files import GOLDEN
from tests.unit.render import samples
from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Plan
from wfdeploy.render import diagnostics, plan_json, plan_text, report, status, status_text
from wfdeploy.render.terminal import Tone

Golden = Callable[[Path, str], None]


def tagged(text: str, tone: Tone, /) -> str:
    """A style that can be read: what is coloured, and as what."""
    return f"<{tone.value}>{text}</>" if text else text


def unchanged() -> Plan:
    kept = tuple(samples.change(f"g/r{i}", Action.KEEP, "") for i in range(3))
    return replace(samples.plan_of((), keep=3), kept=kept)


PLANS = {
    "every-action": samples.every_action(),
    "many": samples.many(),
    "crowded": samples.crowded(),
    "unchanged": unchanged(),
    "nothing": samples.plan_of(()),
    "unverified": replace(samples.plan_of([samples.change("g/r", Action.TRIGGER, "new", sends=True)]), verified=False),
}

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


def joined(chunks: Iterable[str]) -> str:
    return "".join(chunks)


@pytest.mark.parametrize("name", PLANS)
def test_plan(name: str, golden: Golden) -> None:
    plan = PLANS[name]
    golden(GOLDEN / "plan" / f"{name}.txt", joined(plan_text.text(plan, next_step="wfdeploy apply -e production")))
    if name not in ("many", "crowded"):
        golden(GOLDEN / "plan" / f"{name}.json", joined(plan_json.text(plan)))


def test_plan_narrow_and_coloured(golden: Golden) -> None:
    golden(GOLDEN / "plan" / "narrow.txt", joined(plan_text.text(samples.every_action(), tagged, width=60)))


def test_plan_with_everything(golden: Golden) -> None:
    text = joined(plan_text.text(samples.every_action(), tagged, width=50, everything=True))
    golden(GOLDEN / "plan" / "everything.txt", text)


def test_plan_with_everything_folds_nothing() -> None:
    lines = joined(plan_text.text(samples.many(), everything=True)).splitlines()
    assert sum(line.startswith("  ~ tenants/row[") for line in lines) == 3000


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, golden: Golden) -> None:
    golden(GOLDEN / "report" / f"{name}.txt", joined(report.text(REPORTS[name])))
    if name != "good":
        golden(GOLDEN / "report" / f"{name}.json", joined(report.json_text(REPORTS[name])))


def test_report_of_everything(golden: Golden) -> None:
    text = joined(report.text(REPORTS["trouble"], tagged, width=60, everything=True))
    golden(GOLDEN / "report" / "everything.txt", text)


def test_diagnostics(golden: Golden) -> None:
    golden(GOLDEN / "diagnostics" / "all.txt", diagnostics.text(samples.DIAGNOSTICS))
    golden(GOLDEN / "diagnostics" / "narrow.txt", diagnostics.text(samples.DIAGNOSTICS, tagged, width=50))
    golden(GOLDEN / "diagnostics" / "all.json", joined(diagnostics.json_text(samples.DIAGNOSTICS)))
    golden(GOLDEN / "diagnostics" / "none.json", joined(diagnostics.json_text(())))


def test_status(golden: Golden) -> None:
    later_ms = samples.NOON_MS + 7_200_000
    golden(GOLDEN / "status" / "all.txt", joined(status_text.text(samples.STATUS, now_ms=later_ms)))
    narrow = status_text.text(samples.STATUS, tagged, width=45, now_ms=later_ms)
    golden(GOLDEN / "status" / "narrow.txt", joined(narrow))
    many = [replace(samples.STATUS[0], address=Address(f"c/r{n}")) for n in range(300)]
    golden(GOLDEN / "status" / "many.txt", joined(status_text.text([*samples.STATUS, *many], now_ms=later_ms)))
    golden(GOLDEN / "status" / "all.json", joined(status.json_text(samples.STATUS)))
    golden(GOLDEN / "status" / "none.txt", joined(status_text.text(())))


def test_state(golden: Golden) -> None:
    shown = {
        "address": Address("g/r"),
        "record": {
            "workflowRunId": "wfr_g-r",
            "generation": 2,
            "fingerprint": "1:abc",
            "origin": "triggered",
            "runState": "RUN_SUCCESS",
            "createdAtMs": samples.NOON_MS,
            "recordedAtMs": samples.NOON_MS,
            "source": "manifests/a.yaml:3",
            "by": {"host": "runner", "user": "ci"},
            "request": {"destination": "https://app.example.com", "body": {"a": "\x1b[2J"}},
        },
        "attempt": {"status": "unknown", "workflowRunId": "wfr_g-r-3", "generation": 3, "error": "timeout"},
        "history": [
            {
                "ended": "superseded",
                "endedAtMs": samples.NOON_MS,
                "record": {"recordedAtMs": samples.NOON_MS - 1000, "generation": 1, "workflowRunId": "wfr_g-r-1"},
            }
        ],
    }
    golden(GOLDEN / "state" / "list.txt", joined(status.list_text(samples.STATUS)))
    golden(GOLDEN / "state" / "list.json", joined(status.list_json(samples.STATUS)))
    golden(GOLDEN / "state" / "show.txt", joined(status.show_text(shown)))
    golden(GOLDEN / "state" / "show.json", status.show_json(shown))
